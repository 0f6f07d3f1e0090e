/* Input, norm and pooling, as ResNet-18's stages use them. */
#include "device_kernels.h"

#include "value_element.h"

#include <stdio.h>
#include <stdlib.h>

KERNELS_LAUNCHER(norm_statistics)
KERNELS_LAUNCHER(norm_apply)
KERNELS_LAUNCHER(norm_backward_sums)
KERNELS_LAUNCHER(norm_backward_apply)
KERNELS_LAUNCHER(norm_finish_forward)
KERNELS_LAUNCHER(norm_finish_backward)
KERNELS_LAUNCHER(max_pool_forward)
KERNELS_LAUNCHER(max_pool_backward)
KERNELS_LAUNCHER(average_pool_forward)
KERNELS_LAUNCHER(average_pool_backward)
KERNELS_LAUNCHER(augment)

enum {
    SHAPE = 48
};

static void name_shape(const kernels *k, int64_t side, int64_t channels, char shape[SHAPE])
{
    snprintf(shape, SHAPE, "%dx%dx%dx%d", (int)k->n, (int)side, (int)side, (int)channels);
}

/* ---- norm ---- */

static cr_norm_arrays norm_arrays(const kernels *k)
{
    return (cr_norm_arrays){k->channels[0], k->channels[1], k->channels[2], k->channels[3]};
}

/* As after the second convolution of a block: with a residual, and a gradient in two parts. */
static cr_status measure_norm_of_sum(const kernels *k, const cr_norm_job *plain, const char *shape, double value)
{
    cr_status status = CR_OK;
    cr_norm_job apply = *plain, sums = *plain;
    apply.add = k->values[2];
    CR_TRY(kernels_measure(k, "norm_apply_add", shape, 3 * value, norm_apply, &apply));
    sums.y = k->values[3];
    sums.g1 = k->values[2];
    sums.mask = CR_MASK_FROM_Y;
    sums.out = k->values[4];
    sums.g0 = k->values[4];
    CR_TRY(kernels_measure(k, "norm_backward_sums_add", shape, 5 * value, norm_backward_sums, &sums));
done:
    return status;
}

static cr_status measure_norm(kernels *k, int64_t side, int64_t channels)
{
    cr_status status = CR_OK;
    char shape[SHAPE];
    int64_t pixels = k->n * side * side;
    double value = 2.0 * (double)(pixels * channels), partials = (double)cr_norm_partials_bytes(pixels, channels);
    cr_norm_job norm = {.x = k->values[0],
                        .g0 = k->values[1],
                        .out = k->values[5],
                        .arrays = norm_arrays(k),
                        .k1 = k->channels[4],
                        .k2 = k->channels[5],
                        .pixels = pixels,
                        .channels = channels,
                        .mask = CR_MASK_FROM_X,
                        .relu = true,
                        .bf16 = true};
    CR_TRY(kernels_take(k, (int64_t)partials, KERNELS_FLOATS, &norm.partials));
    cr_norm_finish_job finish = {.partials = norm.partials,
                                 .pixels = pixels,
                                 .channels = channels,
                                 .n_channels = channels,
                                 .count = (double)pixels,
                                 .arrays = norm.arrays,
                                 .k1 = k->channels[4],
                                 .k2 = k->channels[5],
                                 .weight = k->channels[6],
                                 .shift = k->channels[7],
                                 .d_weight = k->channels[8],
                                 .d_shift = k->channels[9],
                                 .d_mean = k->channels[10],
                                 .d_variance = k->channels[11]};
    cr_norm_job sums = norm; /* the first convolution of a block has one gradient, and writes no dz */
    sums.out = NULL;
    name_shape(k, side, channels, shape);
    CR_TRY(kernels_measure(k, "norm_statistics", shape, value, norm_statistics, &norm));
    CR_TRY(kernels_measure(k, "norm_finish_forward", shape, partials, norm_finish_forward, &finish));
    CR_TRY(kernels_measure(k, "norm_apply", shape, 2 * value, norm_apply, &norm));
    CR_TRY(kernels_measure(k, "norm_backward_sums", shape, 2 * value, norm_backward_sums, &sums));
    CR_TRY(kernels_measure(k, "norm_finish_backward", shape, partials, norm_finish_backward, &finish));
    CR_TRY(kernels_measure(k, "norm_backward_apply", shape, 3 * value, norm_backward_apply, &norm));
    CR_TRY(measure_norm_of_sum(k, &norm, shape, value));
done:
    return status;
}

/* ---- pooling and input ---- */

static cr_status measure_pools(kernels *k)
{
    cr_status status = CR_OK;
    const int64_t in = KERNELS_SIDE / 2, out = KERNELS_SIDE / 4, channels = 64, area = 49, last = 512;
    double whole = (double)(k->n * in * in * channels), pooled = (double)(k->n * out * out * channels);
    double averaged = (double)(k->n * last);
    char shape[SHAPE];
    cr_pool_job forward = {.x = k->values[0],
                           .out = k->values[1],
                           .n = k->n,
                           .height = in,
                           .width = in,
                           .out_height = out,
                           .out_width = out,
                           .channels = channels,
                           .kernel = 3,
                           .stride = 2,
                           .padding = 1,
                           .scale = k->channels[1],
                           .bf16 = true};
    name_shape(k, in, channels, shape);
    CR_TRY(kernels_take(k, (int64_t)pooled, KERNELS_ZEROS, &forward.index));
    CR_TRY(kernels_measure(k, "max_pool_forward", shape, 2 * whole + 3 * pooled, max_pool_forward, &forward));
    cr_pool_job backward = forward; /* in place, and on through the norm */
    backward.dy = k->values[1];
    backward.out = k->values[0];
    backward.scale = NULL;
    backward.arrays = norm_arrays(k);
    backward.k1 = k->channels[4];
    backward.k2 = k->channels[5];
    CR_TRY(kernels_measure(k, "max_pool_backward", shape, 4 * whole + 3 * pooled, max_pool_backward, &backward));
    cr_average_job average = {.x = k->values[0],
                              .out = k->values[1],
                              .n = k->n,
                              .area = area,
                              .channels = last,
                              .n_channels = last,
                              .bf16 = true};
    double bytes = averaged * (2.0 * (double)area + 4);
    name_shape(k, 7, last, shape);
    CR_TRY(kernels_measure(k, "average_pool_forward", shape, bytes, average_pool_forward, &average));
    CR_TRY(kernels_measure(k, "average_pool_backward", shape, bytes, average_pool_backward, &average));
done:
    return status;
}

static cr_status measure_pixels(kernels *k)
{
    cr_status status = CR_OK;
    const cr_augment_options options = {.size = KERNELS_SIDE,
                                        .hflip = 0.5,
                                        .rotate = 10,
                                        .brightness = 0.1,
                                        .contrast = 0.1,
                                        .saturation = 0.1,
                                        .hue = 0.02,
                                        .erase = 0.25,
                                        .erase_scale = {0.02, 0.2},
                                        .erase_ratio = {0.3, 3.3}};
    double pixels = (double)(k->n * KERNELS_SIDE * KERNELS_SIDE);
    char shape[SHAPE];
    cr_augment *drawn = calloc((size_t)k->n, sizeof *drawn);
    void *augments = NULL;
    cr_augment_job job = {.images = k->values[0],
                          .out = k->values[1],
                          .blocks = true,
                          .before = 2,
                          .behind = 1,
                          .n = k->n,
                          .size = KERNELS_SIDE,
                          .bf16 = true,
                          .mean = {0.5F, 0.5F, 0.5F},
                          .deviation = {0.25F, 0.25F, 0.25F}};
    if (!drawn)
        return cr_fail_memory("augmentations", (size_t)k->n * sizeof *drawn);
    name_shape(k, KERNELS_SIDE, 3, shape);
    for (int64_t i = 0; i < k->n; i++)
        drawn[i] = cr_augment_draw(&options, 1, 0, (uint64_t)i);
    CR_TRY(kernels_take(k, k->n * (int64_t)sizeof *job.plans, KERNELS_ZEROS, &job.plans));
    CR_TRY(kernels_take(k, k->n * (int64_t)sizeof *drawn, KERNELS_ZEROS, &augments));
    CR_TRY(cr_memory_write(k->memory, (float *)drawn, k->n * (int64_t)sizeof *drawn / 4, augments));
    CR_TRY(kernels_measure(k, "make_pixels", shape, pixels * (3 + 2 * CR_BLOCK_PIXEL), augment, &job));
    job.augments = augments;
    CR_TRY(kernels_measure(k, "make_pixels_augmented", shape, pixels * (3 + 2 * CR_BLOCK_PIXEL), augment, &job));
done:
    free(drawn);
    return status;
}

cr_status kernels_measure_values(kernels *k)
{
    static const int64_t stages[][2] = {{112, 64}, {56, 64}, {28, 128}, {14, 256}, {7, 512}};
    cr_status status = CR_OK;
    CR_TRY(measure_pixels(k));
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
        CR_TRY(measure_norm(k, stages[s][0], stages[s][1]));
    CR_TRY(measure_pools(k));
done:
    return status;
}
