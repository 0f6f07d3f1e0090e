/* crisol inspect --augment: what the network will see of some samples, epoch by epoch. */
#include "inspect_grid.h"

#include "crisol/backend.h"
#include "crisol/data.h"
#include "crisol/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 6,    /* samples */
    COLUMNS = 7, /* as packed, then as in the first epochs */
    SIDE = CR_PACK_IMAGE_SIZE,
    PIXELS = SIDE * SIDE,
    GAP = 4
};

typedef struct grid {
    const cr_pack *pack;
    cr_split split;
    uint64_t seed;
    cr_augment_options augment;
    cr_mix_options mix;
    int n_rows;
    int64_t samples[ROWS];
    uint8_t *images; /* [n_rows, SIDE, SIDE, 3] */
    float *planes;   /* [n_rows + 1, 3, SIDE, SIDE], the last for a mixture */
    uint8_t *canvas; /* [height, width, 3] */
    int32_t width, height;
} grid;

static cr_status read_samples(grid *g)
{
    int64_t n = cr_pack_n_samples(g->pack, g->split);
    cr_status status = CR_OK;
    int64_t *order = malloc((size_t)(n > 0 ? n : 1) * sizeof *order);
    if (!order)
        return cr_fail_memory("an order", (size_t)n * sizeof *order);
    CR_TRY(cr_sample_order(g->seed, 0, n, order));
    for (int r = 0; r < g->n_rows; r++) {
        g->samples[r] = order[r];
        CR_TRY(cr_pack_read_image(g->pack, g->split, order[r], g->images + (size_t)r * PIXELS * 3));
    }
done:
    free(order);
    return status;
}

static uint8_t byte_of(float value, int channel)
{
    float x = (value * cr_image_deviation[channel] + cr_image_mean[channel]) * 255;
    return (uint8_t)lrintf(fminf(fmaxf(x, 0), 255));
}

static void draw(const grid *g, int row, int column, const float *planes)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int64_t at = (int64_t)(GAP + row * (SIDE + GAP) + y) * g->width + GAP + column * (SIDE + GAP) + x;
            for (int c = 0; c < 3; c++)
                g->canvas[at * 3 + c] = byte_of(planes[c * PIXELS + y * SIDE + x], c);
        }
}

/* Column 0 without augmentation, column e as in epoch e - 1. A row is mixed with the one above it. */
static void draw_column(const grid *g, int column)
{
    uint64_t epoch = (uint64_t)column - 1;
    float *mixed = g->planes + (size_t)g->n_rows * 3 * PIXELS;
    for (int r = 0; r < g->n_rows; r++) {
        cr_augment augment = {0};
        if (column > 0)
            augment = cr_augment_draw(&g->augment, g->seed, epoch, (uint64_t)g->samples[r]);
        cr_augment_apply(g->images + (size_t)r * PIXELS * 3, SIDE, &augment, g->planes + (size_t)r * 3 * PIXELS);
    }
    for (int r = 0; r < g->n_rows; r++) {
        cr_mix mix = {.share = 1};
        if (column > 0 && g->n_rows > 1)
            mix = cr_mix_draw(&g->mix, g->seed, epoch, (uint64_t)r, r, g->n_rows);
        cr_mix_planes(&mix, SIDE, g->planes + (size_t)r * 3 * PIXELS, g->planes + (size_t)mix.partner * 3 * PIXELS,
                      mixed);
        draw(g, r, column, mixed);
    }
}

static cr_status read_config(const char *path, grid *g)
{
    cr_config *config = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(&config));
    CR_TRY(cr_config_read(config, path));
    CR_TRY(cr_train_augmentation(config, &g->augment, &g->mix));
    g->seed = config->train.seed;
done:
    cr_config_destroy(&config);
    return status;
}

cr_status cli_write_grid(const cr_pack *pack, cr_split split, const char *config, const char *path)
{
    int64_t n = cr_pack_n_samples(pack, split);
    grid g = {.pack = pack, .split = split, .n_rows = n < ROWS ? (int)n : ROWS};
    cr_status status = CR_OK;
    if (n == 0)
        return cr_fail(CR_MISSING, "the pack has no samples in split %s", cr_split_name(split));
    g.width = GAP + COLUMNS * (SIDE + GAP);
    g.height = GAP + g.n_rows * (SIDE + GAP);
    size_t canvas_bytes = (size_t)g.width * (size_t)g.height * 3;
    g.images = malloc((size_t)g.n_rows * PIXELS * 3);
    g.planes = malloc((size_t)(g.n_rows + 1) * 3 * PIXELS * sizeof *g.planes);
    g.canvas = malloc(canvas_bytes);
    if (!g.images || !g.planes || !g.canvas) {
        status = cr_fail_memory("a picture", canvas_bytes);
        goto done;
    }
    memset(g.canvas, 255, canvas_bytes);
    CR_TRY(read_config(config, &g));
    CR_TRY(read_samples(&g));
    for (int column = 0; column < COLUMNS; column++)
        draw_column(&g, column);
    CR_TRY(cr_pack_save_png(path, g.canvas, g.width, g.height));
done:
    free(g.images);
    free(g.planes);
    free(g.canvas);
    return status;
}
