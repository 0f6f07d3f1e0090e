#include "augment_warp.h"

#include "augment_pixel.h"

#include <math.h>
#include <string.h>

enum {
    MOST_BITS = 22,
    CHUNK = 128 /* pixels that are resampled at a time, so that their taps stay close */
};

typedef struct chunk {
    int32_t offset[CHUNK];                  /* bytes from the image's start to the upper left tap */
    float weight_u[CHUNK], weight_v[CHUNK]; /* of the right and of the lower taps */
    float part[CHUNK];                      /* 1/255, times the part of the taps that lies inside */
    uint32_t upper_left[CHUNK], upper_right[CHUNK], lower_left[CHUNK], lower_right[CHUNK];
} chunk;

/* The map of one axis: source position = column · (x + .5 - W/2) + row · (y + .5 - W/2) + constant. */
typedef struct axis {
    double column, row, constant;
} axis;

static axis make_axis(const double inverse[3], bool flip, double begin, double length, double size)
{
    double turn = flip ? -1 : 1, zoom = length / size;
    return (axis){
        .column = zoom * turn * inverse[0],
        .row = zoom * turn * inverse[1],
        .constant = begin + zoom * (turn * inverse[2] + size / 2) - 0.5,
    };
}

/* The largest magnitude that a position or one of its two parts takes. */
static double reach(const axis *a, double size)
{
    return (fabs(a->column) + fabs(a->row)) * size / 2 + fabs(a->constant);
}

static int32_t to_fixed(double position, int bits)
{
    double limit = 1 << 29; /* two of them add without overflow; only absurd maps come near */
    double value = rint(ldexp(position, bits));
    return (int32_t)fmin(fmax(value, -limit), limit);
}

void cr_warp_make(const cr_augment *augment, int64_t size, cr_warp *warp)
{
    static const double identity[2][3] = {{1, 0, 0}, {0, 1, 0}};
    const double(*inverse)[3] = augment->warps ? augment->inverse : identity;
    cr_box box = augment->crop;
    if (box.height <= 0 || box.width <= 0)
        box = (cr_box){.height = (int32_t)size, .width = (int32_t)size};
    axis u = make_axis(inverse[0], augment->hflip, box.left, box.width, (double)size);
    axis v = make_axis(inverse[1], augment->vflip, box.top, box.height, (double)size);

    double most = fmax(fmax(reach(&u, (double)size), reach(&v, (double)size)), (double)size);
    warp->bits = MOST_BITS;
    while (warp->bits > 0 && ldexp(most, warp->bits) >= 1 << 29)
        warp->bits--;
    warp->size = size;
    for (int64_t x = 0; x < size; x++) {
        double from_centre = (double)x + 0.5 - (double)size / 2;
        warp->column_u[x] = to_fixed(u.column * from_centre, warp->bits);
        warp->column_v[x] = to_fixed(v.column * from_centre, warp->bits);
    }
    double first_row = 0.5 - (double)size / 2;
    memcpy(warp->row_u, (double[]){u.constant + u.row * first_row, u.row}, sizeof warp->row_u);
    memcpy(warp->row_v, (double[]){v.constant + v.row * first_row, v.row}, sizeof warp->row_v);
    warp->first_u = (int32_t)((uint32_t)box.left << warp->bits);
    warp->first_v = (int32_t)((uint32_t)box.top << warp->bits);
    warp->last_u = (int32_t)((uint32_t)(box.left + box.width - 1) << warp->bits);
    warp->last_v = (int32_t)((uint32_t)(box.top + box.height - 1) << warp->bits);
    warp->fades = augment->warps;
    warp->scale_u = (float)((double)size / box.width);
    warp->scale_v = (float)((double)size / box.height);
}

static inline int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    x = x > low ? x : low;
    return x < high ? x : high;
}

CR_ROW_CLONES
static void place_taps(const cr_warp *warp, const int32_t *restrict column_u, const int32_t *restrict column_v,
                       int32_t row_u, int32_t row_v, int64_t n, chunk *restrict c)
{
    const int32_t first_u = warp->first_u, last_u = warp->last_u, first_v = warp->first_v, last_v = warp->last_v;
    const int32_t size = (int32_t)warp->size, bits = warp->bits;
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
static void fade(const cr_warp *warp, const int32_t *restrict column_u, const int32_t *restrict column_v, int32_t row_u,
                 int32_t row_v, int64_t n, float *restrict part)
{
    const int32_t first_u = warp->first_u, first_v = warp->first_v;
    const float unit = 1.0F / (float)(1 << warp->bits), scale_u = warp->scale_u, scale_v = warp->scale_v;
    const float length_u = (float)(warp->last_u - first_u) * unit, length_v = (float)(warp->last_v - first_v) * unit;
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
    int32_t row_u = to_fixed(warp->row_u[0] + warp->row_u[1] * (double)y, warp->bits);
    int32_t row_v = to_fixed(warp->row_v[0] + warp->row_v[1] * (double)y, warp->bits);
    for (int64_t x = 0; x < row->n; x += CHUNK) {
        int64_t n = row->n - x < CHUNK ? row->n - x : CHUNK;
        place_taps(warp, warp->column_u + x, warp->column_v + x, row_u, row_v, n, &c);
        if (warp->fades)
            fade(warp, warp->column_u + x, warp->column_v + x, row_u, row_v, n, c.part);
        gather(image, warp->size, n, &c);
        for (int channel = 0; channel < 3; channel++)
            interpolate(&c, n, channel, row->plane[channel] + x);
    }
}
