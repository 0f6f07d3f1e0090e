/* One pixel of one augmented sample, by itself: what a kernel with a thread a pixel computes. Equal to
 * cr_augment_apply() but for the order in which the mean grey is added up. The same text compiles as C and as CUDA. */
#ifndef CRISOL_BACKEND_AUGMENT_SAMPLE_H
#define CRISOL_BACKEND_AUGMENT_SAMPLE_H

#include "augment_frame.h"
#include "augment_pixel.h"

#include "crisol/philox.h"

typedef struct cr_sample { /* one sample on its way to pixels */
    const uint8_t *image;  /* [size, size, 3] */
    const cr_augment *augment;
    bool resamples;
    cr_frame frame;     /* where resamples */
    float mean_grey;    /* of the image as it is before contrast */
    float mean[3];      /* cr_image_mean and … */
    float deviation[3]; /* … cr_image_deviation, which a GPU cannot see */
} cr_sample;

CR_HD static inline int32_t cr_sample_clamp(int32_t x, int32_t low, int32_t high)
{
    x = x > low ? x : low;
    return x < high ? x : high;
}

CR_HD static inline float cr_sample_channel(const uint8_t *tap, const uint8_t *below, int channel, float right,
                                            float lower, float part)
{
    float a = cr_pixel_between((float)tap[channel], (float)tap[3 + channel], right);
    float b = cr_pixel_between((float)below[channel], (float)below[3 + channel], right);
    return cr_pixel_between(a, b, lower) * part;
}

/* `at_u`, `at_v`: sums of the frame's column and row positions. */
CR_HD static inline cr_pixel cr_sample_resample(const cr_sample *sample, int32_t at_u, int32_t at_v)
{
    const cr_frame *f = &sample->frame;
    const float unit = 1.0F / (float)(1 << f->bits);
    const int32_t last_tap = (int32_t)f->size - 2;
    float right, lower, part = 1.0F / 255.0F;
    int32_t left = cr_pixel_tap(cr_sample_clamp(at_u, f->first_u, f->last_u), f->bits, last_tap, unit, &right);
    int32_t top = cr_pixel_tap(cr_sample_clamp(at_v, f->first_v, f->last_v), f->bits, last_tap, unit, &lower);
    if (f->fades) {
        const float length_u = (float)(f->last_u - f->first_u) * unit, u = (float)(at_u - f->first_u) * unit;
        const float length_v = (float)(f->last_v - f->first_v) * unit, v = (float)(at_v - f->first_v) * unit;
        part *= cr_pixel_coverage(u, length_u, f->scale_u) * cr_pixel_coverage(v, length_v, f->scale_v);
    }
    const uint8_t *tap = sample->image + ((int64_t)top * f->size + left) * 3, *below = tap + 3 * f->size;
    cr_pixel p;
    p.r = cr_sample_channel(tap, below, 0, right, lower, part);
    p.g = cr_sample_channel(tap, below, 1, right, lower, part);
    p.b = cr_sample_channel(tap, below, 2, right, lower, part);
    return p;
}

CR_HD static inline const uint8_t *cr_sample_flipped(const cr_sample *sample, int64_t size, int64_t y, int64_t x)
{
    int64_t from_y = sample->augment->vflip ? size - 1 - y : y, from_x = sample->augment->hflip ? size - 1 - x : x;
    return sample->image + (from_y * size + from_x) * 3;
}

CR_HD static inline cr_pixel cr_sample_jitter(const cr_sample *sample, int begin, int end, cr_pixel p)
{
    for (int j = begin; j < end; j++) {
        cr_jitter kind = sample->augment->jitters[j];
        float factor = sample->augment->factors[kind];
        if (kind == CR_JITTER_BRIGHTNESS)
            p = cr_pixel_blend(p, 0.0F, factor);
        else if (kind == CR_JITTER_CONTRAST)
            p = cr_pixel_blend(p, sample->mean_grey, factor);
        else if (kind == CR_JITTER_SATURATION)
            p = cr_pixel_blend(p, cr_pixel_grey(p), factor);
        else
            p = cr_pixel_turn_hue(p, factor);
    }
    return p;
}

/* Place of contrast among the jitters; n_jitters when there is none. */
CR_HD static inline int cr_sample_contrast(const cr_augment *augment)
{
    int at = 0;
    while (at < augment->n_jitters && augment->jitters[at] != CR_JITTER_CONTRAST)
        at++;
    return at;
}

/* In 0 … 1, before any jitter. */
CR_HD static inline cr_pixel cr_sample_colour(const cr_sample *sample, int64_t size, int64_t y, int64_t x)
{
    if (sample->resamples)
        return cr_sample_resample(
            sample,
            cr_frame_column(&sample->frame, &sample->frame.u, x) + cr_frame_row(&sample->frame, &sample->frame.u, y),
            cr_frame_column(&sample->frame, &sample->frame.v, x) + cr_frame_row(&sample->frame, &sample->frame.v, y));
    const uint8_t *from = cr_sample_flipped(sample, size, y, x);
    cr_pixel p;
    p.r = (float)from[0] * (1.0F / 255.0F);
    p.g = (float)from[1] * (1.0F / 255.0F);
    p.b = (float)from[2] * (1.0F / 255.0F);
    return p;
}

CR_HD static inline float cr_sample_noise(const cr_augment *augment, int64_t element)
{
    const uint32_t counter[4] = {(uint32_t)(element / 4), 0, 0, 0};
    uint32_t words[4];
    float normals[2];
    int64_t within = element % 4;
    cr_philox_block(augment->noise_key, counter, words);
    cr_pixel_normals(words + (within >= 2 ? 2 : 0), normals);
    return normals[within % 2];
}

/* The three channels at (y, x), normalised and erased. */
CR_HD static inline void cr_sample_pixel(const cr_sample *sample, int64_t size, int64_t y, int64_t x, float out[3])
{
    const cr_augment *augment = sample->augment;
    if (sample->resamples || augment->n_jitters > 0) {
        cr_pixel p = cr_sample_jitter(sample, 0, augment->n_jitters, cr_sample_colour(sample, size, y, x));
        out[0] = (p.r - sample->mean[0]) * (1.0F / sample->deviation[0]);
        out[1] = (p.g - sample->mean[1]) * (1.0F / sample->deviation[1]);
        out[2] = (p.b - sample->mean[2]) * (1.0F / sample->deviation[2]);
    } else { /* flips alone: as torchvision's ToTensor and Normalize */
        const uint8_t *from = cr_sample_flipped(sample, size, y, x);
        for (int c = 0; c < 3; c++)
            out[c] = ((float)from[c] / 255.0F - sample->mean[c]) / sample->deviation[c];
    }
    const cr_box *box = &augment->erase;
    if (y < box->top || y >= box->top + box->height || x < box->left || x >= box->left + box->width)
        return;
    for (int c = 0; c < 3; c++)
        out[c] = augment->erase_noise ? cr_sample_noise(augment, (c * size + y) * size + x) : 0.0F;
}

#endif
