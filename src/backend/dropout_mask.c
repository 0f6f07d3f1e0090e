#include "mix_element.h"

#include "crisol/backend.h"

void cr_dropout_mask(uint64_t seed, uint64_t epoch, int64_t sample, int layer, double probability, int64_t n,
                     uint8_t *keep)
{
    const cr_dropout_stream stream = cr_dropout_open(seed, epoch, sample, layer);
    for (int64_t begin = 0; begin < n; begin += 4) {
        uint8_t four[4];
        cr_dropout_draw(&stream, (uint32_t)(begin / 4), probability, four);
        for (int64_t i = begin; i < begin + 4 && i < n; i++)
            keep[i] = four[i - begin];
    }
}
