/* Pillow's bilinear resize in integers: two passes, each rounded to 8 bits. Only the rows and columns that the result
 * shows are computed. */
#include "image.h"
#include "image_resize_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESIZE_SHORT_SIDE = 256
};

static void clear_axis(cr_resize_axis *axis)
{
    free(axis->start);
    *axis = (cr_resize_axis){0};
}

void cr_resizer_clear(cr_resizer *resizer)
{
    clear_axis(&resizer->across);
    clear_axis(&resizer->down);
    cr_image_buffer_clear(&resizer->rows);
}

static cr_status reserve_axis(cr_resize_axis *axis, int64_t count, int32_t most_taps, int spread)
{
    size_t values = (size_t)count * (2 + (size_t)most_taps * (size_t)spread), bytes = values * sizeof(int32_t);
    if (!axis->start || bytes > axis->capacity) {
        free(axis->start);
        axis->capacity = 0;
        axis->start = malloc(bytes);
        if (!axis->start)
            return cr_fail_memory("resize weights", bytes);
        axis->capacity = bytes;
    }
    memset(axis->start, 0, bytes);
    axis->n_taps = axis->start + count;
    axis->weight = axis->n_taps + count;
    axis->most_taps = most_taps;
    axis->spread = spread;
    axis->count = count;
    return CR_OK;
}

/* One output's taps (Pillow's precompute_coeffs and normalize_coeffs_8bpc, src/libImaging/Resample.c). The order of the
 * operations is Pillow's: the weights' last bits depend on it. */
static void set_output(cr_resize_axis *axis, int64_t i, double scale, double *shares)
{
    double support = scale > 1 ? scale : 1, per_support = 1.0 / support;
    double centre = ((double)(axis->first + i) + 0.5) * scale;
    int64_t low = (int64_t)(centre - support + 0.5), high = (int64_t)(centre + support + 0.5);
    if (low < 0)
        low = 0;
    if (high > axis->n_in)
        high = axis->n_in;
    double total = 0;
    for (int64_t j = low; j < high; j++) {
        double distance = fabs(((double)j - centre + 0.5) * per_support);
        shares[j - low] = distance < 1 ? 1 - distance : 0;
        total += shares[j - low];
    }
    axis->start[i] = (int32_t)low;
    axis->n_taps[i] = (int32_t)(high - low);
    int32_t *weight = axis->weight + i * axis->most_taps * axis->spread;
    for (int64_t j = 0; j < high - low; j++, weight += axis->spread) {
        double share = total != 0 ? shares[j] / total : shares[j];
        for (int c = 0; c < (axis->spread > 1 ? CR_IMAGE_CHANNELS : 1); c++)
            weight[c] = (int32_t)(0.5 + share * (1 << CR_RESIZE_PRECISION));
    }
}

/* Fills an axis, unless it is the same as for the picture before. */
static cr_status set_axis(cr_resize_axis *axis, int64_t n_in, int64_t n_out, int64_t first, int spread)
{
    if (axis->start && axis->n_in == n_in && axis->n_out == n_out && axis->first == first)
        return CR_OK;
    double scale = (double)n_in / (double)n_out;
    int32_t most_taps = (int32_t)ceil(scale > 1 ? scale : 1) * 2 + 1;
    most_taps = (most_taps + CR_RESIZE_TAPS_AT_ONCE - 1) / CR_RESIZE_TAPS_AT_ONCE * CR_RESIZE_TAPS_AT_ONCE;
    double *shares = calloc((size_t)most_taps, sizeof *shares);
    if (!shares)
        return cr_fail_memory("resize weights", (size_t)most_taps * sizeof *shares);
    axis->n_in = 0; /* not to be used again should this fail */
    cr_status status = reserve_axis(axis, CR_PACK_IMAGE_SIZE, most_taps, spread);
    if (status == CR_OK) {
        axis->n_in = n_in;
        axis->n_out = n_out;
        axis->first = first;
        for (int64_t i = 0; i < axis->count; i++)
            set_output(axis, i, scale, shares);
    }
    free(shares);
    return status;
}

/* Size of the picture after resizing and the corner of the part that is kept. */
typedef struct frame {
    int64_t width, height, left, top;
} frame;

/* torchvision's CenterCrop: int(round(x / 2)), Python's round to even at a half. */
static int64_t centre_offset(int64_t size)
{
    return (int64_t)nearbyint((double)(size - CR_PACK_IMAGE_SIZE) / 2.0);
}

/* torchvision's Resize(256): the longer side is int(256 * long / short). */
static frame frame_for(const cr_image *image, cr_resize how)
{
    frame f = {CR_PACK_IMAGE_SIZE, CR_PACK_IMAGE_SIZE, 0, 0};
    if (how == CR_RESIZE_SQUASH)
        return f;
    double w = image->width, h = image->height;
    f.width = w <= h ? RESIZE_SHORT_SIDE : (int64_t)(RESIZE_SHORT_SIDE * w / h);
    f.height = w <= h ? (int64_t)(RESIZE_SHORT_SIDE * h / w) : RESIZE_SHORT_SIDE;
    f.left = centre_offset(f.width);
    f.top = centre_offset(f.height);
    return f;
}

/* Rows of pixels, the first of which is column `first` of the source. */
typedef struct rows {
    const uint8_t *data;
    size_t stride;
    int64_t first, n;
} rows;

static int64_t axis_end(const cr_resize_axis *axis)
{
    return axis->start[axis->count - 1] + axis->n_taps[axis->count - 1];
}

/* The horizontal pass over all `source` rows; `out` has rows of 672 bytes. */
static void pass_across(const cr_resize_axis *axis, rows source, uint8_t *out)
{
    const cr_resize_kernels *kernels = cr_resize_kernels_get();
    uint8_t filtered[CR_RESIZE_BUNDLE * CR_RESIZE_ROW_STRIDE];
    const uint8_t *from = source.data + (axis->start[0] - source.first) * CR_IMAGE_CHANNELS;
    for (int64_t row = 0; row < source.n; row += CR_RESIZE_BUNDLE, from += CR_RESIZE_BUNDLE * source.stride) {
        int64_t n = source.n - row < CR_RESIZE_BUNDLE ? source.n - row : CR_RESIZE_BUNDLE;
        const uint8_t *at[CR_RESIZE_BUNDLE]; /* below the last row there may be nothing: it is taken again */
        for (int64_t r = 0; r < CR_RESIZE_BUNDLE; r++)
            at[r] = from + (size_t)(r < n ? r : n - 1) * source.stride;
        kernels->across(axis, at, filtered);
        for (int64_t r = 0; r < n; r++, out += CR_IMAGE_ROW_BYTES)
            memcpy(out, filtered + r * CR_RESIZE_ROW_STRIDE, CR_IMAGE_ROW_BYTES);
    }
}

static cr_status resize_across_first(const cr_image *image, cr_resizer *resizer, uint8_t *pixels)
{
    const cr_resize_kernels *kernels = cr_resize_kernels_get();
    int64_t first_row = resizer->down.start[0], n_rows = axis_end(&resizer->down) - first_row;
    size_t stride = (size_t)image->width * CR_IMAGE_CHANNELS;
    rows source = {image->buffer.data + (size_t)first_row * stride, stride, 0, n_rows};
    cr_status status = cr_image_buffer_reserve(&resizer->rows, (size_t)n_rows * CR_IMAGE_ROW_BYTES, "resized rows");
    if (status == CR_OK)
        pass_across(&resizer->across, source, resizer->rows.data);
    if (status == CR_OK)
        kernels->down(&resizer->down, resizer->rows.data, first_row, CR_IMAGE_ROW_BYTES, CR_IMAGE_ROW_BYTES, pixels);
    return status;
}

static cr_status resize_down_first(const cr_image *image, cr_resizer *resizer, uint8_t *pixels)
{
    const cr_resize_kernels *kernels = cr_resize_kernels_get();
    int64_t first = resizer->across.start[0], width = (axis_end(&resizer->across) - first) * CR_IMAGE_CHANNELS;
    size_t stride = (size_t)image->width * CR_IMAGE_CHANNELS;
    cr_status status =
        cr_image_buffer_reserve(&resizer->rows, (size_t)width * CR_PACK_IMAGE_SIZE + CR_IMAGE_PADDING, "resized rows");
    if (status != CR_OK)
        return status;
    kernels->down(&resizer->down, image->buffer.data + first * CR_IMAGE_CHANNELS, 0, stride, width, resizer->rows.data);
    rows source = {resizer->rows.data, (size_t)width, first, CR_PACK_IMAGE_SIZE};
    pass_across(&resizer->across, source, pixels);
    return CR_OK;
}

cr_status cr_image_resize(const cr_image *image, cr_resize how, cr_resizer *resizer, uint8_t *pixels)
{
    const cr_resize_kernels *kernels = cr_resize_kernels_get();
    frame f = frame_for(image, how);
    bool down = f.height != image->height, across = f.width != image->width;
    size_t stride = (size_t)image->width * CR_IMAGE_CHANNELS;
    const uint8_t *corner = image->buffer.data + (size_t)f.top * stride + f.left * CR_IMAGE_CHANNELS;
    cr_status status = CR_OK;
    if (down)
        CR_TRY(set_axis(&resizer->down, image->height, f.height, f.top, 1));
    if (across)
        CR_TRY(set_axis(&resizer->across, image->width, f.width, f.left, CR_RESIZE_SPREAD));
    /* Pillow 13 takes the vertical pass first where the height shrinks by more than twice what the width does (in
     * pixels, ImagingResampleInner); with the byte between the passes that changes results. */
    int64_t lost_rows = image->height - f.height, lost_columns = image->width - f.width;
    if (down && across && lost_rows > 0 && lost_rows > 2 * lost_columns) {
        CR_TRY(resize_down_first(image, resizer, pixels));
    } else if (down && across) {
        CR_TRY(resize_across_first(image, resizer, pixels));
    } else if (across) {
        rows source = {image->buffer.data + (size_t)f.top * stride, stride, 0, CR_PACK_IMAGE_SIZE};
        pass_across(&resizer->across, source, pixels);
    } else if (down) {
        kernels->down(&resizer->down, image->buffer.data + f.left * CR_IMAGE_CHANNELS, 0, stride, CR_IMAGE_ROW_BYTES,
                      pixels);
    } else {
        for (int64_t y = 0; y < CR_PACK_IMAGE_SIZE; y++)
            memcpy(pixels + y * CR_IMAGE_ROW_BYTES, corner + (size_t)y * stride, CR_IMAGE_ROW_BYTES);
    }
done:
    return status;
}
