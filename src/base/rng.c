#include "crisol/rng.h"

#include <math.h>

/* Constants of Philox4x32 (Salmon et al., SC11, section 4.2; Random123's philox.h). */
static const uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};
enum {
    PHILOX_ROUNDS = 10
};

void cr_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t product0 = (uint64_t)philox_multiplier[0] * c0;
        uint64_t product1 = (uint64_t)philox_multiplier[1] * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += philox_weyl[0];
        k1 += philox_weyl[1];
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

cr_rng cr_rng_make(uint64_t seed, cr_rng_purpose purpose, uint64_t epoch, uint64_t id)
{
    return (cr_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)purpose << 24 | (uint32_t)(epoch & 0xFFFFFF), (uint32_t)id, (uint32_t)(id >> 32)},
    };
}

/* Words leave a block in order 0, 1, 2, 3. */
uint32_t cr_rng_u32(cr_rng *rng)
{
    if (rng->n_left == 0) {
        cr_philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->n_left = 4;
    }
    return rng->block[4 - rng->n_left--];
}

/* The word drawn first is the low half. */
uint64_t cr_rng_u64(cr_rng *rng)
{
    uint64_t low = cr_rng_u32(rng);
    return (uint64_t)cr_rng_u32(rng) << 32 | low;
}

float cr_rng_uniform(cr_rng *rng)
{
    return (float)(cr_rng_u32(rng) >> 8) * 0x1p-24f;
}

double cr_rng_uniform_double(cr_rng *rng)
{
    return (double)(cr_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t cr_rng_below(cr_rng *rng, uint64_t n)
{
    return (uint64_t)((unsigned __int128)cr_rng_u64(rng) * n >> 64);
}

/* Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958: sqrt(-2 ln u) cos(2 pi v), with u = 1 -
 * uniform in (0, 1] so that the logarithm is finite. */
double cr_rng_normal(cr_rng *rng)
{
    const double two_pi = 6.283185307179586476925;
    double u = 1 - cr_rng_uniform_double(rng);
    double v = cr_rng_uniform_double(rng);
    return sqrt(-2 * log(u)) * cos(two_pi * v);
}
