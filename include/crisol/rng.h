/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC11). A stream is a plain value made from what it is for, so no thread, rank or batch owns a generator
 * and the same (seed, purpose, epoch, id) always draws the same numbers. */
#ifndef CRISOL_RNG_H
#define CRISOL_RNG_H

#include <stdint.h>

typedef enum cr_rng_purpose { /* part of every stream's key: append, never renumber */
    CR_RNG_INIT = 1,          /* id = tensor's index */
    CR_RNG_ORDER = 2,         /* id = sample */
    CR_RNG_AUGMENT = 3,       /* id = sample */
    CR_RNG_DROPOUT = 4,       /* id = sample, see backend */
    CR_RNG_SPLIT = 5,         /* id = group */
    CR_RNG_SYNTH = 6,         /* id = sample */
    CR_RNG_MIX = 7,           /* id = position in the epoch */
    CR_RNG_SWEEP = 8,         /* id = trial */
    CR_RNG_BOOTSTRAP = 9,     /* epoch = split, id = resample */
    CR_RNG_PERMUTE = 10,      /* epoch = repeat, id = column */
    CR_RNG_SAMPLER = 11       /* id = place in the epoch's order */
} cr_rng_purpose;

typedef struct cr_rng {
    uint32_t key[2];     /* seed */
    uint32_t counter[4]; /* block number; purpose << 24 | epoch (24 bits); id low; id high */
    uint32_t block[4];   /* the current block's output */
    int n_left;          /* words of `block` not drawn yet */
} cr_rng;

/* The bare function: ten rounds over `counter` with `key`. */
void cr_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A stream at its first number. `epoch` uses its low 24 bits. */
cr_rng cr_rng_make(uint64_t seed, cr_rng_purpose purpose, uint64_t epoch, uint64_t id);

uint32_t cr_rng_u32(cr_rng *rng);
uint64_t cr_rng_u64(cr_rng *rng);
/* Uniform in [0, 1): the top 24 bits of one word over 2^24, exact in float32. */
float cr_rng_uniform(cr_rng *rng);
/* Uniform in [0, 1) with 53 bits, from two words. */
double cr_rng_uniform_double(cr_rng *rng);
/* Uniform in 0 … n-1, n ≥ 1: high half of a 64 × 64-bit product (bias below 2^-32 for n < 2^32). */
uint64_t cr_rng_below(cr_rng *rng, uint64_t n);
/* Standard normal, Box-Muller in double from two 53-bit uniforms (the second value is dropped). */
double cr_rng_normal(cr_rng *rng);

#endif
