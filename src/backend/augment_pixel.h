/* What augmentation does to one pixel, for every backend: the same text compiles as C and as CUDA. Channels are R, G, B
 * in 0 … 1. Sources: torchvision.transforms.v2.functional (tensor path), _color.py and _geometry.py; every blend is
 * clamped to 0 … 1, as there. */
#ifndef CRISOL_BACKEND_AUGMENT_PIXEL_H
#define CRISOL_BACKEND_AUGMENT_PIXEL_H

#include "crisol/host_device.h"

#include <math.h>
#include <stdint.h>

typedef struct cr_pixel {
    float r, g, b;
} cr_pixel;

CR_HD static inline float cr_pixel_unit(float x)
{
    x = x > 0.0F ? x : 0.0F;
    return x < 1.0F ? x : 1.0F;
}

CR_HD static inline float cr_pixel_grey(cr_pixel p)
{
    return 0.2989F * p.r + 0.587F * p.g + 0.114F * p.b;
}

/* factor · p + (1 - factor) · other */
CR_HD static inline cr_pixel cr_pixel_blend(cr_pixel p, float other, float factor)
{
    float part = (1.0F - factor) * other;
    cr_pixel result = {cr_pixel_unit(factor * p.r + part), cr_pixel_unit(factor * p.g + part),
                       cr_pixel_unit(factor * p.b + part)};
    return result;
}

/* One channel of HSV → RGB without a table: value - chroma · clamp(min(k, 4 - k), 0, 1), k = (n + 6·hue) mod 6, with
 * n = 5, 3, 1 for R, G, B. `sixths` is (n + 6·hue) in 0 … 12. */
CR_HD static inline float cr_pixel_from_hue(float value, float chroma, float sixths)
{
    float k = sixths < 6.0F ? sixths : sixths - 6.0F;
    float other = 4.0F - k;
    return value - chroma * cr_pixel_unit(k < other ? k : other);
}

/* Turns the hue by `shift` of a full circle, -0.5 … 0.5. */
CR_HD static inline cr_pixel cr_pixel_turn_hue(cr_pixel p, float shift)
{
    float high = p.r > p.g ? p.r : p.g, low = p.r < p.g ? p.r : p.g;
    high = high > p.b ? high : p.b;
    low = low < p.b ? low : p.b;
    float chroma = high - low, inverse = 1.0F / (chroma > 0.0F ? chroma : 1.0F);
    float from_r = (p.g - p.b) * inverse, from_g = 2.0F + (p.b - p.r) * inverse, from_b = 4.0F + (p.r - p.g) * inverse;
    float sixths = high == p.g ? from_g : from_b;
    sixths = high == p.r ? from_r : sixths;
    sixths = sixths + 6.0F * shift; /* -4 … 8 */
    sixths = sixths < 0.0F ? sixths + 6.0F : sixths;
    sixths = sixths < 6.0F ? sixths : sixths - 6.0F;
    cr_pixel result = {cr_pixel_from_hue(high, chroma, sixths + 5.0F), cr_pixel_from_hue(high, chroma, sixths + 3.0F),
                       cr_pixel_from_hue(high, chroma, sixths + 1.0F)};
    return result;
}

/* Between a (weight 1 - t) and b (weight t). */
CR_HD static inline float cr_pixel_between(float a, float b, float t)
{
    return a + t * (b - a);
}

/* Source coordinate in fixed point (`bits` fraction bits, 0 at the first pixel's centre) → the left (upper) of two
 * neighbouring taps, at most `last_tap`, and the weight of the other one. */
CR_HD static inline int32_t cr_pixel_tap(int32_t at, int bits, int32_t last_tap, float unit, float *weight)
{
    int32_t tap = at >> bits;
    tap = tap < last_tap ? tap : last_tap;
    *weight = (float)(at - (int32_t)((uint32_t)tap << bits)) * unit;
    return tap;
}

/* How much of a bilinear tap pair lies inside the picture when taps outside count 0: 1 inside, falling to 0 over one
 * pixel of the augmented frame beyond the outermost pixel centres. `from_first` is the distance to the first centre in
 * source pixels, `length` the distance between the outermost ones; `scale` frame pixels a source pixel. */
CR_HD static inline float cr_pixel_coverage(float from_first, float length, float scale)
{
    float from_last = length - from_first;
    float nearest = from_first < from_last ? from_first : from_last;
    return cr_pixel_unit(nearest * scale + (0.5F * scale + 0.5F));
}

/* Two standard normal numbers from two random words: Box-Muller on 24-bit uniforms, the first in (0, 1]. */
CR_HD static inline void cr_pixel_normals(const uint32_t words[2], float normals[2])
{
    float radius = sqrtf(-2.0F * logf((float)((words[0] >> 8) + 1U) * 0x1p-24F));
    float angle = 6.2831853071795865F * ((float)(words[1] >> 8) * 0x1p-24F);
    normals[0] = radius * cosf(angle);
    normals[1] = radius * sinf(angle);
}

#endif
