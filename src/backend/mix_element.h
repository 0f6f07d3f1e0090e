/* Mixing two samples, number by number, and dropout's draw, for every backend: the same text compiles as C and as CUDA.
 * Every output is one rounded product more than one rounded product, so the bits do not depend on the compiler. */
#ifndef CRISOL_BACKEND_MIX_ELEMENT_H
#define CRISOL_BACKEND_MIX_ELEMENT_H

#include "crisol/augment.h"
#include "crisol/host_device.h"
#include "crisol/philox.h"
#include "crisol/rng.h"

/* share·own + (1 - share)·partner; alone where share is 1, since 0 · infinity would be no number. */
CR_HD static inline float cr_mix_number(float share, float own, float partner)
{
    return share == 1.0F ? own : share * own + (1.0F - share) * partner;
}

CR_HD static inline bool cr_mix_box_holds(const cr_box *box, int64_t y, int64_t x)
{
    return y >= box->top && y < box->top + box->height && x >= box->left && x < box->left + box->width;
}

/* A pixel's channel at (y, x). */
CR_HD static inline float cr_mix_pixel(const cr_mix *mix, int64_t y, int64_t x, float own, float partner)
{
    if (mix->box.height == 0)
        return cr_mix_number(mix->share, own, partner);
    return cr_mix_box_holds(&mix->box, y, x) ? partner : own;
}

/* Dropout's stream of one sample and layer. Sample numbers stay far below 2^32, so the upper half of the stream's id is
 * free for the layer; counters as in cr_rng_make(). */
typedef struct cr_dropout_stream {
    uint32_t key[2], purpose_epoch, low, high;
} cr_dropout_stream;

CR_HD static inline cr_dropout_stream cr_dropout_open(uint64_t seed, uint64_t epoch, int64_t sample, int layer)
{
    uint64_t id = (uint64_t)sample ^ ((uint64_t)layer << 32);
    cr_dropout_stream stream;
    stream.key[0] = (uint32_t)seed;
    stream.key[1] = (uint32_t)(seed >> 32);
    stream.purpose_epoch = (uint32_t)CR_RNG_DROPOUT << 24 | (uint32_t)(epoch & 0xFFFFFF);
    stream.low = (uint32_t)id;
    stream.high = (uint32_t)(id >> 32);
    return stream;
}

/* Whether units 4·block … 4·block + 3 are kept. */
CR_HD static inline void cr_dropout_draw(const cr_dropout_stream *stream, uint32_t block, double probability,
                                         uint8_t keep[4])
{
    const uint32_t counter[4] = {block, stream->purpose_epoch, stream->low, stream->high};
    uint32_t words[4];
    cr_philox_block(stream->key, counter, words);
    for (int i = 0; i < 4; i++)
        keep[i] = (double)cr_philox_uniform(words[i]) >= probability;
}

#endif
