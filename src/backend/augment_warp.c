#include "augment_warp.h"

#include "augment_pixel.h"

#include <string.h>

enum {
    CHUNK = 128 /* pixels that are resampled at a time, so that their taps stay close */
};

typedef struct chunk {
    int32_t offset[CHUNK];                  /* bytes from the image's start to the upper left tap */
    float weight_u[CHUNK], weight_v[CHUNK]; /* of the right and of the lower taps */
    float part[CHUNK];                      /* 1/255, times the part of the taps that lies inside */
    uint32_t upper_left[CHUNK], upper_right[CHUNK], lower_left[CHUNK], lower_right[CHUNK];
} chunk;

void cr_warp_make(const cr_augment *augment, int64_t size, cr_warp *warp)
{
    warp->frame = cr_frame_make(augment, size);
    for (int64_t x = 0; x < size; x++) {
        warp->column_u[x] = cr_frame_column(&warp->frame, &warp->frame.u, x);
        warp->column_v[x] = cr_frame_column(&warp->frame, &warp->frame.v, x);
    }
}

static inline int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    x = x > low ? x : low;
    return x < high ? x : high;
}

CR_ROW_CLONES
static void place_taps(const cr_frame *frame, const int32_t *restrict column_u, const int32_t *restrict column_v,
                       int32_t row_u, int32_t row_v, int64_t n, chunk *restrict c)
{
    const int32_t first_u = frame->first_u, last_u = frame->last_u, first_v = frame->first_v, last_v = frame->last_v;
    const int32_t size = (int32_t)frame->size, bits = frame->bits;
    const float unit = 1.0F / (float)(1 << bits);
    for (int64_t x = 0; x < n; x++) {
        int32_t u = clamp(column_u[x] + row_u, first_u, last_u);
        int32_t v = clamp(column_v[x] + row_v, first_v, last_v);
        int32_t left = cr_pixel_tap(u, bits, size - 2, unit, &c->weight_u[x]);
        int32_t top = cr_pixel_tap(v, bits, size - 2, unit, &c->weight_v[x]);
        c->offset[x] = (top * size + left) * 3;
        c->part[x] = 1.0F / 255.0F;
    }
}

CR_ROW_CLONES
static void fade(const cr_frame *frame, const int32_t *restrict column_u, const int32_t *restrict column_v,
                 int32_t row_u, int32_t row_v, int64_t n, float *restrict part)
{
    const int32_t first_u = frame->first_u, first_v = frame->first_v;
    const float unit = 1.0F / (float)(1 << frame->bits), scale_u = frame->scale_u, scale_v = frame->scale_v;
    const float length_u = (float)(frame->last_u - first_u) * unit, length_v = (float)(frame->last_v - first_v) * unit;
    for (int64_t x = 0; x < n; x++) {
        float u = (float)(column_u[x] + row_u - first_u) * unit, v = (float)(column_v[x] + row_v - first_v) * unit;
        part[x] *= cr_pixel_coverage(u, length_u, scale_u) * cr_pixel_coverage(v, length_v, scale_v);
    }
}

static inline uint32_t load_word(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Four bytes from a left tap are its three channels and one more; four bytes before the end of a right tap are one
 * more and its three. So no load leaves the image, wherever the taps are. */
static void gather(const uint8_t *image, int64_t size, int64_t n, chunk *c)
{
    const uint8_t *below = image + 3 * size;
    for (int64_t x = 0; x < n; x++) {
        int32_t offset = c->offset[x];
        c->upper_left[x] = load_word(image + offset);
        c->upper_right[x] = load_word(image + offset + 2) >> 8;
        c->lower_left[x] = load_word(below + offset);
        c->lower_right[x] = load_word(below + offset + 2) >> 8;
    }
}

static inline float channel_of(uint32_t word, int channel)
{
    return (float)(int32_t)(word >> (8 * channel) & 255U);
}

CR_ROW_CLONES
static void interpolate(const chunk *restrict c, int64_t n, int channel, float *restrict plane)
{
    for (int64_t x = 0; x < n; x++) {
        float t = c->weight_u[x];
        float upper =
            cr_pixel_between(channel_of(c->upper_left[x], channel), channel_of(c->upper_right[x], channel), t);
        float lower =
            cr_pixel_between(channel_of(c->lower_left[x], channel), channel_of(c->lower_right[x], channel), t);
        plane[x] = cr_pixel_between(upper, lower, c->weight_v[x]) * c->part[x];
    }
}

void cr_warp_row(const cr_warp *warp, const uint8_t *image, int64_t y, const cr_row *row)
{
    chunk c;
    const cr_frame *frame = &warp->frame;
    int32_t row_u = cr_frame_row(frame, &frame->u, y), row_v = cr_frame_row(frame, &frame->v, y);
    for (int64_t x = 0; x < row->n; x += CHUNK) {
        int64_t n = row->n - x < CHUNK ? row->n - x : CHUNK;
        place_taps(frame, warp->column_u + x, warp->column_v + x, row_u, row_v, n, &c);
        if (frame->fades)
            fade(frame, warp->column_u + x, warp->column_v + x, row_u, row_v, n, c.part);
        gather(image, frame->size, n, &c);
        for (int channel = 0; channel < 3; channel++)
            interpolate(&c, n, channel, row->plane[channel] + x);
    }
}
