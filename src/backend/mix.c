#include "crisol/backend.h"

/* Every output is one rounded product more than one rounded product, so the bits do not depend on the compiler. */
void cr_mix_planes(const cr_mix *mix, int64_t size, const float *own, const float *partner, float *out)
{
    const cr_box *box = &mix->box;
    const float share = mix->share, rest = 1.0f - share;
    int64_t area = size * size;
    if (box->height == 0) {
        bool alone = share == 1.0f; /* 0 · infinity would be no number */
        for (int64_t i = 0; i < 3 * area; i++)
            out[i] = alone ? own[i] : share * own[i] + rest * partner[i];
        return;
    }
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < size; y++)
            for (int64_t x = 0; x < size; x++) {
                bool inside =
                    y >= box->top && y < box->top + box->height && x >= box->left && x < box->left + box->width;
                int64_t i = c * area + y * size + x;
                out[i] = inside ? partner[i] : own[i];
            }
}

void cr_mix_metadata(const cr_mix *mixes, int64_t n, int64_t width, const float *metadata, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const float *own = metadata + i * width, *partner = metadata + mixes[i].partner * width;
        const float share = mixes[i].share, rest = 1.0f - share;
        for (int64_t k = 0; k < width; k++)
            out[i * width + k] = share == 1.0f ? own[k] : share * own[k] + rest * partner[k];
    }
}
