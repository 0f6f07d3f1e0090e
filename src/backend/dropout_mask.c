#include "crisol/backend.h"
#include "crisol/rng.h"

/* Sample numbers stay far below 2^32, so the upper half of the stream's id is free for the layer. */
void cr_dropout_mask(uint64_t seed, uint64_t epoch, int64_t sample, int layer, double probability, int64_t n,
                     uint8_t *keep)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_DROPOUT, epoch, (uint64_t)sample ^ ((uint64_t)layer << 32));
    for (int64_t i = 0; i < n; i++)
        keep[i] = (double)cr_rng_uniform(&rng) >= probability;
}
