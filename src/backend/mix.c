#include "mix_element.h"

#include "crisol/backend.h"

void cr_mix_planes(const cr_mix *mix, int64_t size, const float *own, const float *partner, float *out)
{
    int64_t area = size * size;
    if (mix->box.height == 0) {
        for (int64_t i = 0; i < 3 * area; i++)
            out[i] = cr_mix_number(mix->share, own[i], partner[i]);
        return;
    }
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < size; y++)
            for (int64_t x = 0; x < size; x++) {
                int64_t i = c * area + y * size + x;
                out[i] = cr_mix_pixel(mix, y, x, own[i], partner[i]);
            }
}

void cr_mix_metadata(const cr_mix *mixes, int64_t n, int64_t width, const float *metadata, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const float *own = metadata + i * width, *partner = metadata + mixes[i].partner * width;
        for (int64_t k = 0; k < width; k++)
            out[i * width + k] = cr_mix_number(mixes[i].share, own[k], partner[k]);
    }
}
