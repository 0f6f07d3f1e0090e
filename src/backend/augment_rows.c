#include "augment_rows.h"

#include "augment_pixel.h"

void cr_pixel_table_fill(cr_pixel_table *table)
{
    for (int c = 0; c < 3; c++)
        for (int x = 0; x < 256; x++)
            table->value[c][x] = ((float)x / 255.0F - cr_image_mean[c]) / cr_image_deviation[c];
}

void cr_row_look_up(const cr_pixel_table *table, const uint8_t *from, bool flip, const cr_row *row)
{
    float *restrict r = row->plane[0], *restrict g = row->plane[1], *restrict b = row->plane[2];
    int64_t step = flip ? -3 : 3;
    from += flip ? 3 * (row->n - 1) : 0;
    for (int64_t x = 0; x < row->n; x++, from += step) {
        r[x] = table->value[0][from[0]];
        g[x] = table->value[1][from[1]];
        b[x] = table->value[2][from[2]];
    }
}

CR_ROW_CLONES
static void load(const uint8_t *restrict from, int64_t n, float *restrict r, float *restrict g, float *restrict b)
{
    for (int64_t x = 0; x < n; x++) {
        r[x] = (float)from[3 * x] * (1.0F / 255.0F);
        g[x] = (float)from[3 * x + 1] * (1.0F / 255.0F);
        b[x] = (float)from[3 * x + 2] * (1.0F / 255.0F);
    }
}

static void mirror(float *plane, int64_t n)
{
    for (int64_t x = 0; x < n / 2; x++) {
        float left = plane[x];
        plane[x] = plane[n - 1 - x];
        plane[n - 1 - x] = left;
    }
}

void cr_row_load(const uint8_t *from, bool flip, const cr_row *row)
{
    load(from, row->n, row->plane[0], row->plane[1], row->plane[2]);
    for (int c = 0; c < 3 && flip; c++)
        mirror(row->plane[c], row->n);
}

/* brightness: other = 0; contrast: other = mean grey of the image */
CR_ROW_CLONES
static void blend(float factor, float other, int64_t n, float *restrict r, float *restrict g, float *restrict b)
{
    for (int64_t x = 0; x < n; x++) {
        cr_pixel p = {r[x], g[x], b[x]};
        p = cr_pixel_blend(p, other, factor);
        r[x] = p.r;
        g[x] = p.g;
        b[x] = p.b;
    }
}

CR_ROW_CLONES
static void saturate(float factor, int64_t n, float *restrict r, float *restrict g, float *restrict b)
{
    for (int64_t x = 0; x < n; x++) {
        cr_pixel p = {r[x], g[x], b[x]};
        p = cr_pixel_blend(p, cr_pixel_grey(p), factor);
        r[x] = p.r;
        g[x] = p.g;
        b[x] = p.b;
    }
}

CR_ROW_CLONES
static void turn_hue(float shift, int64_t n, float *restrict r, float *restrict g, float *restrict b)
{
    for (int64_t x = 0; x < n; x++) {
        cr_pixel p = {r[x], g[x], b[x]};
        p = cr_pixel_turn_hue(p, shift);
        r[x] = p.r;
        g[x] = p.g;
        b[x] = p.b;
    }
}

void cr_row_jitter(cr_jitter kind, float factor, float mean, const cr_row *row)
{
    float *r = row->plane[0], *g = row->plane[1], *b = row->plane[2];
    switch (kind) {
    case CR_JITTER_BRIGHTNESS:
        blend(factor, 0, row->n, r, g, b);
        return;
    case CR_JITTER_CONTRAST:
        blend(factor, mean, row->n, r, g, b);
        return;
    case CR_JITTER_SATURATION:
        saturate(factor, row->n, r, g, b);
        return;
    case CR_JITTER_HUE:
        turn_hue(factor, row->n, r, g, b);
        return;
    case CR_JITTER_COUNT:
        return;
    }
}

CR_ROW_CLONES
static float grey_sum(int64_t n, const float *restrict r, const float *restrict g, const float *restrict b)
{
    enum {
        LANES = 16
    };
    float lane[LANES] = {0};
    int64_t x = 0;
    for (; x + LANES <= n; x += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += cr_pixel_grey((cr_pixel){r[x + l], g[x + l], b[x + l]});
    for (int l = 0; x < n; x++, l++)
        lane[l] += cr_pixel_grey((cr_pixel){r[x], g[x], b[x]});
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

float cr_row_grey_sum(const cr_row *row)
{
    return grey_sum(row->n, row->plane[0], row->plane[1], row->plane[2]);
}

CR_ROW_CLONES
static void normalise(int64_t n, float mean, float inverse, float *restrict plane)
{
    for (int64_t x = 0; x < n; x++)
        plane[x] = (plane[x] - mean) * inverse;
}

void cr_row_normalise(const cr_row *row)
{
    for (int c = 0; c < 3; c++)
        normalise(row->n, cr_image_mean[c], 1.0F / cr_image_deviation[c], row->plane[c]);
}
