#include "augment_cpu.h"

#include "crisol/backend.h"
#include "vector.h"

/* A channel's 256 possible results, computed as torchvision does (ToTensor, then Normalize, float32). */
typedef struct pixel_table {
    float value[3][256];
    uint16_t half[3][256];
} pixel_table;

static void fill_table(pixel_table *table)
{
    for (int c = 0; c < 3; c++)
        for (int x = 0; x < 256; x++) {
            table->value[c][x] = ((float)x / 255.0f - cr_image_mean[c]) / cr_image_deviation[c];
            table->half[c][x] = cr_bf16_from_float(table->value[c][x]);
        }
}

/* Source pixel of output column 0 and the step to the next one. */
static const uint8_t *row_start(const uint8_t *image, int64_t y, int64_t width, bool flip, int64_t *step)
{
    *step = flip ? -3 : 3;
    return image + (y * width + (flip ? width - 1 : 0)) * 3;
}

/* A flip at most: this file's own pass over the pixels, straight into any format. */
static bool is_plain(const cr_augment *augment)
{
    const cr_box *erase = &augment->erase, *crop = &augment->crop;
    return !augment->vflip && !augment->warps && augment->n_jitters == 0 && erase->height == 0 && crop->height == 0;
}

/* Sample `index` of a value from its planes. */
static void store_planes(const cr_place *place, int64_t index, const float *planes, void *data)
{
    cr_place one = cr_place_make(1, place->shape, place->format, place->bf16);
    cr_place plain = cr_place_make(1, place->shape, CR_FORMAT_PLAIN, false);
    cr_place_convert(&plain, planes, &one, (char *)data + (size_t)index * cr_place_bytes(&one));
}

static void augment_fully(const uint8_t *image, const cr_augment *augment, const cr_place *place, int64_t index,
                          float *planes, void *data)
{
    cr_augment_apply(image, place->shape.width, augment, planes);
    store_planes(place, index, planes, data);
}

void cr_augment_mixed(const uint8_t *images, const cr_augment *augments, const cr_mix *mixes, const cr_place *place,
                      float *planes, void *data)
{
    int64_t size = place->shape.width, count = 3 * size * size;
    float *mixed = planes + place->n * count;
#pragma omp parallel for if (place->n > 1)
    for (int64_t n = 0; n < place->n; n++)
        cr_augment_apply(images + n * count, size, augments ? &augments[n] : NULL, planes + n * count);
    for (int64_t n = 0; n < place->n; n++) {
        cr_mix_planes(&mixes[n], size, planes + n * count, planes + mixes[n].partner * count, mixed);
        store_planes(place, n, mixed, data);
    }
}

void cr_augment_image(const uint8_t *image, const cr_augment *augment, const cr_place *place, int64_t index,
                      float *planes, void *data)
{
    if (augment && !is_plain(augment)) {
        augment_fully(image, augment, place, index, planes, data);
        return;
    }
    pixel_table table;
    fill_table(&table);
    bool flip = augment && augment->hflip;
    int64_t width = place->shape.width, area = place->shape.height * width;
    bool nhwc = place->format == CR_FORMAT_NHWC;
    int64_t pixel_step = nhwc ? 3 : 1, plane_step = nhwc ? 1 : area;
    for (int64_t y = 0; y < place->shape.height; y++) {
        int64_t step, out = index * 3 * area + y * width * pixel_step;
        const uint8_t *from = row_start(image, y, width, flip, &step);
        if (place->bf16) {
            uint16_t *to = (uint16_t *)data + out;
            for (int64_t x = 0; x < width; x++, from += step, to += pixel_step)
                for (int c = 0; c < 3; c++)
                    to[c * plane_step] = table.half[c][from[c]];
        } else {
            float *to = (float *)data + out;
            for (int64_t x = 0; x < width; x++, from += step, to += pixel_step)
                for (int c = 0; c < 3; c++)
                    to[c * plane_step] = table.value[c][from[c]];
        }
    }
}
