#include "crisol/rng.h"

#include "crisol/philox.h"

#include <math.h>

void cr_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    cr_philox_block(key, counter, out);
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
    return cr_philox_uniform(cr_rng_u32(rng));
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
