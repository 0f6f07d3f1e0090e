#include "augment_pixel.h"
#include "augment_rows.h"
#include "augment_warp.h"

#include "crisol/rng.h"

#include <stddef.h>
#include <string.h>

static cr_row row_of(float *out, int64_t size, int64_t y)
{
    float *row = out + y * size;
    return (cr_row){.n = size, .plane = {row, row + size * size, row + 2 * size * size}};
}

/* Flips alone: every result is one of 256 a channel. */
static void copy_flipped(const uint8_t *image, int64_t size, const cr_augment *augment, float *out)
{
    cr_pixel_table table;
    cr_pixel_table_fill(&table);
    for (int64_t y = 0; y < size; y++) {
        cr_row row = row_of(out, size, y);
        int64_t from = augment->vflip ? size - 1 - y : y;
        cr_row_look_up(&table, image + from * size * 3, augment->hflip, &row);
    }
}

static void jitter(const cr_augment *augment, int begin, int end, float mean, const cr_row *row)
{
    for (int j = begin; j < end; j++)
        cr_row_jitter(augment->jitters[j], augment->factors[augment->jitters[j]], mean, row);
}

/* Contrast needs the mean grey of the image as it is when its turn comes: what is before it is done to all rows first,
 * the rest in a second pass. Without contrast everything is done while a row is in the cache. */
static void make_pixels(const uint8_t *image, int64_t size, const cr_augment *augment, float *out)
{
    cr_warp warp;
    bool resamples = augment->warps || augment->crop.height > 0;
    if (resamples)
        cr_warp_make(augment, size, &warp);
    int contrast = 0;
    while (contrast < augment->n_jitters && augment->jitters[contrast] != CR_JITTER_CONTRAST)
        contrast++;
    bool two_passes = contrast < augment->n_jitters;
    double grey = 0;
    for (int64_t y = 0; y < size; y++) {
        cr_row row = row_of(out, size, y);
        if (resamples)
            cr_warp_row(&warp, image, y, &row);
        else
            cr_row_load(image + (augment->vflip ? size - 1 - y : y) * size * 3, augment->hflip, &row);
        jitter(augment, 0, contrast, 0, &row);
        if (two_passes)
            grey += (double)cr_row_grey_sum(&row);
        else
            cr_row_normalise(&row);
    }
    float mean = (float)(grey / ((double)size * (double)size));
    for (int64_t y = 0; two_passes && y < size; y++) {
        cr_row row = row_of(out, size, y);
        jitter(augment, contrast, augment->n_jitters, mean, &row);
        cr_row_normalise(&row);
    }
}

/* Normal numbers for elements [begin, end) of `out`: element e is number e % 4 of block e / 4 of the sample's stream,
 * so any backend may fill a box in any order. */
static void fill_noise(const uint32_t key[2], int64_t begin, int64_t end, float *out)
{
    for (int64_t block = begin / 4; block * 4 < end; block++) {
        uint32_t words[4];
        float normals[4];
        cr_philox(key, (const uint32_t[4]){(uint32_t)block, 0, 0, 0}, words);
        cr_pixel_normals(words, normals);
        cr_pixel_normals(words + 2, normals + 2);
        for (int64_t i = block * 4; i < block * 4 + 4; i++)
            if (i >= begin && i < end)
                out[i] = normals[i - block * 4];
    }
}

static void erase(int64_t size, const cr_augment *augment, float *out)
{
    const cr_box *box = &augment->erase;
    for (int64_t c = 0; c < 3; c++) {
        for (int64_t y = box->top; y < box->top + box->height; y++) {
            int64_t begin = (c * size + y) * size + box->left;
            if (augment->erase_noise)
                fill_noise(augment->noise_key, begin, begin + box->width, out);
            else
                memset(out + begin, 0, (size_t)box->width * sizeof *out);
        }
    }
}

void cr_augment_apply(const uint8_t *image, int64_t size, const cr_augment *augment, float *out)
{
    static const cr_augment nothing = {0};
    if (!augment)
        augment = &nothing;
    if (augment->warps || augment->crop.height > 0 || augment->n_jitters > 0)
        make_pixels(image, size, augment, out);
    else
        copy_flipped(image, size, augment, out);
    erase(size, augment, out);
}
