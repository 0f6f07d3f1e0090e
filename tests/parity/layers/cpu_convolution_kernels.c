#include "cpu_adapter.h"
#include "fusion_case.h"
#include "weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A net with this one tensor: the state's layout of convolution weights is a property of a net. */
static cr_tensor weight_tensor(const ref_window *window)
{
    int64_t out = window->out.channels, in = window->in.channels, k = window->kernel_height;
    return (cr_tensor){.role = CR_TENSOR_CONV_WEIGHT, .rank = 4, .shape = {out, in, k, k}, .count = out * in * k * k};
}

/* Weights in the state's layout, from doubles or (values null) zeros. */
static float *native_weights(const ref_window *window, const double *values)
{
    cr_tensor tensor = weight_tensor(window);
    cr_net net = {.tensors = &tensor, .n_tensors = 1, .n_param_tensors = 1, .n_params = tensor.count};
    float *rounded = aligned_floats(tensor.count), *native = aligned_floats(tensor.count);
    for (int64_t i = 0; values && i < tensor.count; i++)
        rounded[i] = (float)values[i];
    cr_weights_import(&net, rounded, native);
    free(rounded);
    return native;
}

static void run(cr_operation *operation, const void *src, const void *weights, const void *dst)
{
    float *scratch = aligned_floats((int64_t)(cr_operation_scratch_bytes(operation) / sizeof(float)) + 16);
    cr_arrays arrays = {.src = src, .weights = weights, .dst = dst, .scratch = scratch};
    cpu_expect_ok(cr_operation_run(operation, &arrays));
    free(scratch);
}

static void *weights_for(const cr_operation *operation)
{
    return aligned_floats((int64_t)(cr_operation_weight_bytes(operation) / sizeof(float)) + 16);
}

static cr_operation *create(const ref_window *window, cr_pass pass)
{
    cr_operation *operation = NULL;
    cr_convolution_spec spec = {.src = cpu_place(window->n, window->in),
                                .dst = cpu_place(window->n, window->out),
                                .kernel = window->kernel_height,
                                .stride = window->stride,
                                .padding = window->padding,
                                .pass = pass,
                                .winograd = cpu.winograd && window->kernel_height == 3 && window->stride == 1};
    assert_int_equal(window->kernel_height, window->kernel_width);
    cpu_expect_ok(cr_convolution_create(cpu.engine, &spec, &operation));
    if (!operation && spec.winograd) { /* as a program does it: direct where the library has no Winograd */
        spec.winograd = false;
        cpu_expect_ok(cr_convolution_create(cpu.engine, &spec, &operation));
    }
    assert_non_null(operation);
    return operation;
}

/* Runs a kernel that reads weights. */
static void run_with_weights(cr_operation *operation, const ref_window *window, const double *w, const float *src,
                             const float *dst)
{
    float *native = native_weights(window, w);
    if (cr_operation_weights_are_native(operation)) {
        run(operation, src, native, dst);
    } else {
        cr_operation *pack = NULL;
        float *from = native, *plain = aligned_floats(weight_tensor(window).count);
        cpu_expect_ok(cr_weights_pack_create(cpu.engine, operation, false, &pack));
        if (!pack) {
            cpu_expect_ok(cr_weights_pack_create(cpu.engine, operation, true, &pack));
            for (int64_t i = 0; i < weight_tensor(window).count; i++)
                plain[i] = (float)w[i];
            from = plain;
        }
        assert_non_null(pack);
        void *moved = weights_for(operation);
        run(pack, from, NULL, moved);
        run(operation, src, moved, dst);
        cr_operation_destroy(&pack);
        free(moved);
        free(plain);
    }
    free(native);
}

void cpu_conv_forward(const ref_window *window, const double *x, const double *w, const double *b, double *y)
{
    cr_place in = cpu_place(window->n, window->in), out = cpu_place(window->n, window->out);
    cr_operation *operation = create(window, CR_PASS_TRAINING);
    float *src = cpu_bring(&in, x), *dst = cpu_room(&out);
    run_with_weights(operation, window, w, src, dst);
    if (b) { /* a program adds it in the norm's pass */
        float *mean = cpu_channels(window->out.channels, NULL, 0), *scale = cpu_channels(window->out.channels, NULL, 1);
        float *shift = cpu_channels(window->out.channels, b, 0);
        cr_norm norm = {mean, scale, shift, false};
        cr_norm_apply(&out, &norm, dst, NULL, dst);
        free(mean);
        free(scale);
        free(shift);
    }
    cpu_take(&out, dst, false, y);
    free(src);
    cr_operation_destroy(&operation);
}

void cpu_conv_backward(const ref_window *window, const double *x, const double *w, const double *dy, double *dx,
                       double *dw, double *db)
{
    cr_place in = cpu_place(window->n, window->in), out = cpu_place(window->n, window->out);
    cr_operation *data = create(window, CR_PASS_DATA), *weights = create(window, CR_PASS_WEIGHTS);
    float *src = cpu_bring(&in, x), *g = cpu_bring(&out, dy), *dsrc = cpu_room(&in);
    run_with_weights(data, window, w, dsrc, g);
    cpu_take(&in, dsrc, true, dx);
    cr_tensor tensor = weight_tensor(window);
    cr_net net = {.tensors = &tensor, .n_tensors = 1, .n_param_tensors = 1, .n_params = tensor.count};
    float *native = aligned_floats(tensor.count), *canonical = aligned_floats(tensor.count);
    if (cr_operation_weights_are_native(weights)) {
        run(weights, src, native, g);
    } else {
        cr_operation *unpack = NULL;
        void *moved = weights_for(weights);
        cpu_expect_ok(cr_weights_unpack_create(cpu.engine, weights, &unpack));
        assert_non_null(unpack);
        run(weights, src, moved, g);
        run(unpack, moved, NULL, native);
        cr_operation_destroy(&unpack);
        free(moved);
    }
    cr_weights_export(&net, native, canonical);
    for (int64_t i = 0; i < tensor.count; i++)
        dw[i] = (double)canonical[i];
    if (db) {
        float *mean = cpu_channels(window->out.channels, NULL, 0);
        cpu_sums(&out, mean, g, g, db, NULL);
        free(mean);
    }
    free(native);
    free(canonical);
    free(src);
    free(g);
    cr_operation_destroy(&data);
    cr_operation_destroy(&weights);
}
