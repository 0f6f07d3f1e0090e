#include "cpu_kernels.h"

#include "cpu_adapter.h"
#include "fusion_case.h"
#include "pool.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- pooling -------------------------------------------------------------------------------------------------------
 */

static void max_pool_forward(const ref_window *window, const double *x, double *y, int32_t *argmax)
{
    cr_place in = cpu_place(window->n, window->in), out = cpu_place(window->n, window->out);
    cr_window square = {window->kernel_height, window->stride, window->padding};
    uint8_t *index = calloc((size_t)cr_place_elements(&out), 1);
    assert_non_null(index);
    float *src = cpu_bring(&in, x), *dst = cpu_room(&out);
    cr_max_pool_forward(&square, &in, src, &out, dst, index);
    cpu_take(&out, dst, false, y);
    for (int64_t n = 0; n < window->n; n++)
        for (int64_t c = 0; c < window->out.channels; c++)
            for (int64_t row = 0; row < window->out.height; row++)
                for (int64_t column = 0; column < window->out.width; column++, argmax++) {
                    int position = index[cr_place_offset(&out, n, c, row, column)];
                    int64_t r = row * square.stride - square.padding + position / square.kernel;
                    int64_t s = column * square.stride - square.padding + position % square.kernel;
                    *argmax = (int32_t)(r * window->in.width + s);
                }
    free(index);
    free(src);
}

static void max_pool_backward(const ref_window *window, const int32_t *argmax, const double *dy, double *dx)
{
    cr_place in = cpu_place(window->n, window->in), out = cpu_place(window->n, window->out);
    cr_window square = {window->kernel_height, window->stride, window->padding};
    uint8_t *index = calloc((size_t)cr_place_elements(&out), 1);
    assert_non_null(index);
    for (int64_t n = 0; n < window->n; n++)
        for (int64_t c = 0; c < window->out.channels; c++)
            for (int64_t row = 0; row < window->out.height; row++)
                for (int64_t column = 0; column < window->out.width; column++, argmax++) {
                    int64_t i = *argmax / window->in.width + square.padding - row * square.stride;
                    int64_t j = *argmax % window->in.width + square.padding - column * square.stride;
                    index[cr_place_offset(&out, n, c, row, column)] = (uint8_t)(i * square.kernel + j);
                }
    float *g = cpu_bring(&out, dy), *dsrc = cpu_room(&in);
    cr_max_pool_backward(&square, &in, dsrc, &out, g, NULL, index);
    cpu_take(&in, dsrc, true, dx);
    free(index);
    free(g);
}

static void average_pool_forward(int64_t n, cr_shape shape, const double *x, double *y)
{
    cr_place in = cpu_place(n, shape);
    float *src = cpu_bring(&in, x), *means = aligned_floats(n * shape.channels);
    cr_average_pool_forward(&in, src, means);
    for (int64_t i = 0; i < n * shape.channels; i++)
        y[i] = (double)means[i];
    free(src);
    free(means);
}

static void average_pool_backward(int64_t n, cr_shape shape, const double *dy, double *dx)
{
    cr_place in = cpu_place(n, shape);
    float *g = aligned_floats(n * shape.channels), *dsrc = cpu_room(&in);
    for (int64_t i = 0; i < n * shape.channels; i++)
        g[i] = (float)dy[i];
    cr_average_pool_backward(&in, dsrc, g);
    cpu_take(&in, dsrc, true, dx);
    free(g);
}

/* --- norm and ReLU -------------------------------------------------------------------------------------------------
 */

static void batch_norm_statistics(int64_t n, cr_shape shape, const double *x, double *mean, double *var)
{
    cr_place place = cpu_place(n, shape);
    float *src = cpu_bring(&place, x), *means = cpu_channels(shape.channels, NULL, 0);
    double *squares = calloc((size_t)cr_norm_channels(shape.channels), sizeof *squares);
    assert_non_null(squares);
    cr_norm_statistics(&place, src, means, squares);
    for (int64_t c = 0; c < shape.channels; c++) {
        mean[c] = (double)means[c];
        var[c] = squares[c] / (double)cr_place_pixels(&place);
    }
    free(src);
    free(means);
    free(squares);
}

static float *scale_of(int64_t channels, double eps, const double *gamma, const double *var)
{
    float *scale = cpu_channels(channels, NULL, 0);
    for (int64_t c = 0; c < channels; c++)
        scale[c] = (float)(gamma[c] / sqrt(var[c] + eps));
    return scale;
}

static void batch_norm_forward(int64_t n, cr_shape shape, double eps, const double *x, const double *gamma,
                               const double *beta, const double *mean, const double *var, double *y)
{
    cr_place place = cpu_place(n, shape);
    float *src = cpu_bring(&place, x), *dst = cpu_room(&place), *scale = scale_of(shape.channels, eps, gamma, var);
    float *means = cpu_channels(shape.channels, mean, 0), *shift = cpu_channels(shape.channels, beta, 0);
    cr_norm norm = {means, scale, shift, false};
    cr_norm_apply(&place, &norm, src, NULL, dst);
    cpu_take(&place, dst, false, y);
    free(src);
    free(scale);
    free(means);
    free(shift);
}

static void batch_norm_backward(int64_t n, cr_shape shape, double eps, bool training, const double *x,
                                const double *gamma, const double *mean, const double *var, const double *dy,
                                double *dx, double *dgamma, double *dbeta)
{
    cr_place place = cpu_place(n, shape);
    int64_t channels = shape.channels;
    double count = (double)cr_place_pixels(&place);
    float *src = cpu_bring(&place, x), *g = cpu_bring(&place, dy), *scale = scale_of(channels, eps, gamma, var);
    float *means = cpu_channels(channels, mean, 0), *shift = cpu_channels(channels, NULL, 0);
    float *k1 = cpu_channels(channels, NULL, 0), *k2 = cpu_channels(channels, NULL, 0);
    cpu_sums(&place, means, src, g, dbeta, dgamma);
    for (int64_t c = 0; c < channels; c++) {
        k1[c] = (float)(dbeta[c] / count);
        k2[c] = (float)(dgamma[c] / (count * (var[c] + eps)));
        dgamma[c] /= sqrt(var[c] + eps);
    }
    cr_norm norm = {means, scale, shift, false};
    cr_norm_backward_apply(&place, &norm, CR_MASK_NONE, src, NULL, g, training ? k1 : NULL, training ? k2 : NULL);
    cpu_take(&place, src, true, dx); /* written over x */
    free(g);
    free(scale);
    free(means);
    free(shift);
    free(k1);
    free(k2);
}

static void relu_forward(int64_t count, const double *x, double *y)
{
    cr_place place = cpu_place(1, (cr_shape){1, 1, count});
    float *src = cpu_bring(&place, x), *dst = cpu_room(&place);
    float *zero = cpu_channels(1, NULL, 0), *one = cpu_channels(1, NULL, 1);
    cr_norm norm = {zero, one, zero, true};
    cr_norm_apply(&place, &norm, src, NULL, dst);
    cpu_take(&place, dst, false, y);
    free(src);
    free(zero);
    free(one);
}

static void relu_backward(int64_t count, const double *y, const double *dy, double *dx)
{
    cr_place place = cpu_place(1, (cr_shape){1, 1, count});
    float *src = cpu_bring(&place, y), *out = cpu_bring(&place, y), *g = cpu_bring(&place, dy);
    float *zero = cpu_channels(1, NULL, 0), *one = cpu_channels(1, NULL, 1);
    cr_norm norm = {zero, one, zero, true};
    cr_norm_backward_apply(&place, &norm, CR_MASK_OUTPUT, src, out, g, NULL, NULL);
    cpu_take(&place, src, false, dx);
    free(out);
    free(g);
    free(zero);
    free(one);
}

/* --- dense ---------------------------------------------------------------------------------------------------------
 */

static float *rounded(int64_t count, const double *values)
{
    float *made = aligned_floats(count);
    for (int64_t i = 0; i < count; i++)
        made[i] = (float)values[i];
    return made;
}

/* c (written or added) = a · b (+ bias) */
static void product(cr_product_spec spec, const double *a, const double *b, const double *bias, bool add, double *c)
{
    cr_operation *operation = NULL;
    float *fa = rounded(spec.m * spec.k, a), *fb = rounded(spec.k * spec.n, b), *fc = aligned_floats(spec.m * spec.n);
    float *fbias = bias ? rounded(spec.n, bias) : NULL;
    cpu_expect_ok(cr_product_create(cpu.engine, &spec, &operation));
    float *scratch = aligned_floats((int64_t)(cr_operation_scratch_bytes(operation) / sizeof(float)) + 16);
    cr_arrays arrays = {.src = fa, .weights = fb, .bias = fbias, .dst = fc, .scratch = scratch};
    cpu_expect_ok(cr_operation_run(operation, &arrays));
    for (int64_t i = 0; i < spec.m * spec.n; i++)
        c[i] = (add ? c[i] : 0) + (double)fc[i];
    cr_operation_destroy(&operation);
    free(fa);
    free(fb);
    free(fc);
    free(fbias);
    free(scratch);
}

static void dense_forward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *b,
                          double *y)
{
    cr_product_spec spec = {.m = n, .n = out, .k = in, .b_transposed = true, .bias = true};
    product(spec, x, w, b, false, y);
}

static void dense_backward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *dy,
                           double *dx, double *dw, double *db)
{
    product((cr_product_spec){.m = n, .n = in, .k = out}, dy, w, NULL, true, dx);
    product((cr_product_spec){.m = out, .n = in, .k = n, .a_transposed = true}, dy, x, NULL, false, dw);
    for (int64_t o = 0; o < out; o++) { /* a program sums it in double, too */
        db[o] = 0;
        for (int64_t s = 0; s < n; s++)
            db[o] += dy[s * out + o];
    }
}

layer_kernels cpu_kernels(const char *name, cr_format chosen, bool use_winograd)
{
    if (!cpu.engine)
        cpu_expect_ok(cr_engine_create(&cpu.engine));
    cr_engine_set_threads(1);
    cpu.format = chosen;
    cpu.winograd = use_winograd;
    return (layer_kernels){.name = name,
                           .conv_forward = cpu_conv_forward,
                           .conv_backward = cpu_conv_backward,
                           .max_pool_forward = max_pool_forward,
                           .max_pool_backward = max_pool_backward,
                           .batch_norm_statistics = batch_norm_statistics,
                           .batch_norm_forward = batch_norm_forward,
                           .batch_norm_backward = batch_norm_backward,
                           .average_pool_forward = average_pool_forward,
                           .average_pool_backward = average_pool_backward,
                           .dense_forward = dense_forward,
                           .dense_backward = dense_backward,
                           .relu_forward = relu_forward,
                           .relu_backward = relu_backward};
}

void cpu_kernels_close(void)
{
    cr_engine_destroy(&cpu.engine);
}
