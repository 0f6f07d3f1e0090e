/* The bare function of rng.h, for kernels that draw numbers in place: Philox4x32-10. Constants: Salmon et al., SC11,
 * section 4.2; Random123's philox.h. */
#ifndef CRISOL_PHILOX_H
#define CRISOL_PHILOX_H

#include "crisol/host_device.h"

#include <stdint.h>

enum {
    CR_PHILOX_ROUNDS = 10
};

/* Ten rounds over `counter` with `key`. */
CR_HD static inline void cr_philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < CR_PHILOX_ROUNDS; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53U * c0;
        uint64_t product1 = (uint64_t)0xCD9E8D57U * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The top 24 bits of a word over 2^24: cr_rng_uniform(). */
CR_HD static inline float cr_philox_uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24F;
}

#endif
