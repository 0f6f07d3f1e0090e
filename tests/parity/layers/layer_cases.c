#include "layer_cases.h"

#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_TENSORS = 32 /* of a case, read or computed */
};

typedef struct layer_case {
    const layer_kernels *kernels;
    const char *name;
    json_t *entry, *tolerances;
    const cr_safetensors *file;
    void *owned[MAX_TENSORS];
    int n_owned;
    bool good;
} layer_case;

static void *own(layer_case *c, void *array)
{
    assert_non_null(array);
    assert_true(c->n_owned < MAX_TENSORS);
    c->owned[c->n_owned++] = array;
    return array;
}

static double *zeros(layer_case *c, int64_t n)
{
    return own(c, calloc((size_t)(n > 0 ? n : 1), sizeof(double)));
}

static int64_t dimension(layer_case *c, const char *tensor, size_t i)
{
    json_t *shape = json_object_get(parity_get(c->entry, "tensors"), tensor);
    if (!shape)
        fail_msg("case %s has no tensor %s", c->name, tensor);
    return i < json_array_size(shape) ? json_integer_value(json_array_get(shape, i)) : 1;
}

/* [n, channels, height, width] without n; missing axes count 1 */
static cr_shape shape_of(layer_case *c, const char *tensor)
{
    return (cr_shape){dimension(c, tensor, 1), dimension(c, tensor, 2), dimension(c, tensor, 3)};
}

static int64_t count_of(layer_case *c, const char *tensor)
{
    cr_shape shape = shape_of(c, tensor);
    return dimension(c, tensor, 0) * shape.channels * shape.height * shape.width;
}

static bool has(layer_case *c, const char *tensor)
{
    return json_object_get(parity_get(c->entry, "tensors"), tensor) != NULL;
}

static double *read_tensor(layer_case *c, const char *tensor)
{
    char key[256];
    int64_t n;
    snprintf(key, sizeof key, "%s.%s", c->name, tensor);
    double *values = own(c, parity_doubles(c->file, key, &n));
    assert_int_equal(n, count_of(c, tensor));
    return values;
}

/* The bound of case.tensor, else of case, else the general one. */
static double bound_of(layer_case *c, const char *tensor)
{
    json_t *layers = parity_get(c->tolerances, "layers");
    if (c->kernels->is_double)
        return parity_real(layers, "float64_rel_to_max_abs");
    char key[256];
    snprintf(key, sizeof key, "%s.%s", c->name, tensor);
    json_t *exceptions = parity_get(layers, "exceptions"), *bound = json_object_get(exceptions, key);
    if (!bound)
        bound = json_object_get(exceptions, c->name);
    return bound ? parity_value(bound) : parity_real(layers, "rel_to_max_abs");
}

static void judge(layer_case *c, const char *tensor, const double *computed)
{
    char what[320];
    double *expected = read_tensor(c, tensor);
    snprintf(what, sizeof what, "layers %s %s.%s", c->kernels->name, c->name, tensor);
    c->good &= parity_line(what, parity_rel_to_max(computed, expected, count_of(c, tensor)), bound_of(c, tensor));
}

static ref_window window_of(layer_case *c, int64_t kernel_height, int64_t kernel_width)
{
    return (ref_window){dimension(c, "x", 0),
                        shape_of(c, "x"),
                        shape_of(c, "y"),
                        kernel_height,
                        kernel_width,
                        json_integer_value(parity_get(c->entry, "stride")),
                        json_integer_value(parity_get(c->entry, "pad"))};
}

static bool run_conv(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->conv_forward)
        return false;
    ref_window window = window_of(c, dimension(c, "w", 2), dimension(c, "w", 3));
    bool bias = has(c, "b");
    double *x = read_tensor(c, "x"), *w = read_tensor(c, "w"), *dy = read_tensor(c, "dy");
    double *b = bias ? read_tensor(c, "b") : NULL;
    double *y = zeros(c, count_of(c, "y")), *dx = zeros(c, count_of(c, "x")), *dw = zeros(c, count_of(c, "w"));
    double *db = bias ? zeros(c, count_of(c, "b")) : NULL;
    k->conv_forward(&window, x, w, b, y);
    k->conv_backward(&window, x, w, dy, dx, dw, db);
    judge(c, "y", y);
    judge(c, "dx", dx);
    judge(c, "dw", dw);
    if (bias)
        judge(c, "db", db);
    return true;
}

/* New running statistics = old + momentum · (mean, unbiased variance; - old). */
static void judge_running(layer_case *c, const double *mean, const double *var)
{
    int64_t channels = count_of(c, "gamma");
    double values = (double)(count_of(c, "x") / channels), momentum = parity_real(c->entry, "momentum");
    double *running_mean = read_tensor(c, "running_mean"), *running_var = read_tensor(c, "running_var");
    for (int64_t i = 0; i < channels; i++) {
        running_mean[i] += momentum * (mean[i] - running_mean[i]);
        running_var[i] += momentum * (var[i] * values / (values - 1) - running_var[i]);
    }
    judge(c, "batch_mean", mean);
    judge(c, "batch_var_biased", var);
    judge(c, "new_running_mean", running_mean);
    judge(c, "new_running_var", running_var);
}

static bool run_batch_norm(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->batch_norm_forward)
        return false;
    bool training = strcmp(json_string_value(parity_get(c->entry, "mode")), "train") == 0;
    double eps = parity_real(c->entry, "eps");
    int64_t n = dimension(c, "x", 0), channels = count_of(c, "gamma");
    cr_shape shape = shape_of(c, "x");
    double *x = read_tensor(c, "x"), *gamma = read_tensor(c, "gamma"), *beta = read_tensor(c, "beta");
    double *dy = read_tensor(c, "dy"), *y = zeros(c, count_of(c, "x")), *dx = zeros(c, count_of(c, "x"));
    double *dgamma = zeros(c, channels), *dbeta = zeros(c, channels), *mean, *var;
    if (training) {
        mean = zeros(c, channels);
        var = zeros(c, channels);
        k->batch_norm_statistics(n, shape, x, mean, var);
        judge_running(c, mean, var);
    } else {
        mean = read_tensor(c, "running_mean");
        var = read_tensor(c, "running_var");
    }
    k->batch_norm_forward(n, shape, eps, x, gamma, beta, mean, var, y);
    k->batch_norm_backward(n, shape, eps, training, x, gamma, mean, var, dy, dx, dgamma, dbeta);
    judge(c, "y", y);
    judge(c, "dx", dx);
    judge(c, "dgamma", dgamma);
    judge(c, "dbeta", dbeta);
    return true;
}

/* conv + batch norm (+ add) + ReLU */
static bool run_block(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->conv_forward || !k->batch_norm_forward || !k->relu_forward)
        return false;
    double eps = parity_real(c->entry, "eps");
    ref_window window = window_of(c, dimension(c, "w", 2), dimension(c, "w", 3));
    int64_t n = window.n, count = count_of(c, "y"), channels = count_of(c, "gamma");
    double *x = read_tensor(c, "x"), *w = read_tensor(c, "w"), *gamma = read_tensor(c, "gamma");
    double *beta = read_tensor(c, "beta"), *dy = read_tensor(c, "dy");
    double *z = zeros(c, count), *y = zeros(c, count), *mean = zeros(c, channels), *var = zeros(c, channels);
    double *masked = zeros(c, count), *dz = zeros(c, count), *dgamma = zeros(c, channels), *dbeta = zeros(c, channels);
    double *dx = zeros(c, count_of(c, "x")), *dw = zeros(c, count_of(c, "w"));
    k->conv_forward(&window, x, w, NULL, z);
    k->batch_norm_statistics(n, window.out, z, mean, var);
    k->batch_norm_forward(n, window.out, eps, z, gamma, beta, mean, var, y);
    if (has(c, "residual")) {
        const double *residual = read_tensor(c, "residual");
        for (int64_t i = 0; i < count; i++)
            y[i] += residual[i];
    }
    k->relu_forward(count, y, y);
    k->relu_backward(count, y, dy, masked);
    k->batch_norm_backward(n, window.out, eps, true, z, gamma, mean, var, masked, dz, dgamma, dbeta);
    k->conv_backward(&window, x, w, dz, dx, dw, NULL);
    judge(c, "y", y);
    judge(c, "dx", dx);
    judge(c, "dw", dw);
    judge(c, "dgamma", dgamma);
    judge(c, "dbeta", dbeta);
    if (has(c, "residual"))
        judge(c, "dresidual", masked);
    return true;
}

static bool run_max_pool(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->max_pool_forward)
        return false;
    int64_t kernel = json_integer_value(parity_get(c->entry, "kernel")), count = count_of(c, "y");
    ref_window window = window_of(c, kernel, kernel);
    double *x = read_tensor(c, "x"), *dy = read_tensor(c, "dy"), *y = zeros(c, count), *dx = zeros(c, count_of(c, "x"));
    int32_t *argmax = own(c, calloc((size_t)count, sizeof *argmax));
    double *chosen = zeros(c, count);
    k->max_pool_forward(&window, x, y, argmax);
    k->max_pool_backward(&window, argmax, dy, dx);
    for (int64_t i = 0; i < count; i++)
        chosen[i] = argmax[i];
    judge(c, "y", y);
    judge(c, "argmax", chosen);
    judge(c, "dx", dx);
    return true;
}

static bool run_average_pool(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->average_pool_forward)
        return false;
    int64_t n = dimension(c, "x", 0);
    double *x = read_tensor(c, "x"), *dy = read_tensor(c, "dy");
    double *y = zeros(c, count_of(c, "y")), *dx = zeros(c, count_of(c, "x"));
    k->average_pool_forward(n, shape_of(c, "x"), x, y);
    k->average_pool_backward(n, shape_of(c, "x"), dy, dx);
    judge(c, "y", y);
    judge(c, "dx", dx);
    return true;
}

static bool run_dense(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->dense_forward)
        return false;
    int64_t n = dimension(c, "x", 0), in = dimension(c, "x", 1), out = dimension(c, "w", 0);
    double *x = read_tensor(c, "x"), *w = read_tensor(c, "w"), *b = read_tensor(c, "b"), *dy = read_tensor(c, "dy");
    double *y = zeros(c, n * out), *dx = zeros(c, n * in), *dw = zeros(c, out * in), *db = zeros(c, out);
    k->dense_forward(n, in, out, x, w, b, y);
    k->dense_backward(n, in, out, x, w, dy, dx, dw, db);
    judge(c, "y", y);
    judge(c, "dx", dx);
    judge(c, "dw", dw);
    judge(c, "db", db);
    return true;
}

static bool run_relu(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->relu_forward)
        return false;
    int64_t count = count_of(c, "x");
    double *x = read_tensor(c, "x"), *dy = read_tensor(c, "dy"), *y = zeros(c, count), *dx = zeros(c, count);
    k->relu_forward(count, x, y);
    k->relu_backward(count, y, dy, dx);
    judge(c, "y", y);
    judge(c, "dx", dx);
    return true;
}

static bool run_residual(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->relu_forward)
        return false;
    int64_t count = count_of(c, "a");
    double *a = read_tensor(c, "a"), *b = read_tensor(c, "b"), *dy = read_tensor(c, "dy");
    double *y = zeros(c, count), *dx = zeros(c, count);
    for (int64_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
    k->relu_forward(count, y, y);
    k->relu_backward(count, y, dy, dx);
    judge(c, "y", y);
    judge(c, "da", dx);
    judge(c, "db", dx);
    return true;
}

static bool run_dropout(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->dropout_forward)
        return false;
    int64_t count = count_of(c, "x");
    double p = parity_real(c->entry, "p");
    double *x = read_tensor(c, "x"), *mask = read_tensor(c, "mask"), *dy = read_tensor(c, "dy");
    double *y = zeros(c, count), *dx = zeros(c, count);
    k->dropout_forward(count, p, x, mask, y);
    k->dropout_backward(count, p, dy, mask, dx);
    judge(c, "y", y);
    judge(c, "dx", dx);
    return true;
}

static bool run_concat(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->concat_forward)
        return false;
    int64_t n = dimension(c, "a", 0), first = dimension(c, "a", 1), second = dimension(c, "b", 1);
    double *a = read_tensor(c, "a"), *b = read_tensor(c, "b"), *dy = read_tensor(c, "dy");
    double *y = zeros(c, n * (first + second)), *da = zeros(c, n * first), *db = zeros(c, n * second);
    k->concat_forward(n, first, second, a, b, y);
    k->concat_backward(n, first, second, dy, da, db);
    judge(c, "y", y);
    judge(c, "da", da);
    judge(c, "db", db);
    return true;
}

static bool run_cross_entropy(layer_case *c)
{
    const layer_kernels *k = c->kernels;
    if (!k->cross_entropy)
        return false;
    int64_t n = dimension(c, "x", 0), n_classes = dimension(c, "x", 1);
    double *x = read_tensor(c, "x"), *given = read_tensor(c, "labels"), *dy = read_tensor(c, "dy");
    double *losses = zeros(c, n), *dx = zeros(c, n * n_classes), mean = 0;
    int32_t *labels = own(c, calloc((size_t)n, sizeof *labels));
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)given[i];
    k->cross_entropy(n, n_classes, NULL, 0, (double)n, x, labels, losses, dx);
    for (int64_t i = 0; i < n; i++)
        mean += losses[i] / (double)n;
    for (int64_t i = 0; i < n * n_classes; i++)
        dx[i] *= dy[0];
    judge(c, "y", &mean);
    judge(c, "dx", dx);
    return true;
}

static const struct {
    const char *op;
    bool (*run)(layer_case *c);
} operations[] = {{"conv", run_conv},
                  {"batch_norm", run_batch_norm},
                  {"conv + batch_norm(train) + add + relu", run_block},
                  {"conv + batch_norm(train) + relu", run_block},
                  {"max_pool", run_max_pool},
                  {"global_avg_pool", run_average_pool},
                  {"linear", run_dense},
                  {"relu", run_relu},
                  {"relu(a + b)", run_residual},
                  {"dropout", run_dropout},
                  {"concat along 1, a first", run_concat},
                  {"mean cross-entropy, no weights", run_cross_entropy}};

static bool run_case(layer_case *c)
{
    const char *op = json_string_value(parity_get(c->entry, "op"));
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].op, op) == 0)
            return operations[i].run(c);
    fail_msg("case %s: unknown operation %s", c->name, op);
    return false;
}

bool layer_cases_judge(const layer_kernels *kernels, int64_t *n_cases)
{
    json_t *index = parity_json("layers.json"), *tolerances = parity_json("tolerances.json"), *entry;
    cr_safetensors *file = parity_tensors("layers.safetensors");
    bool good = true;
    const char *name;
    *n_cases = 0;
    json_object_foreach(index, name, entry)
    {
        layer_case c = {
            .kernels = kernels, .name = name, .entry = entry, .tolerances = tolerances, .file = file, .good = true};
        *n_cases += run_case(&c);
        good &= c.good;
        for (int i = 0; i < c.n_owned; i++)
            free(c.owned[i]);
    }
    cr_safetensors_close(&file);
    json_decref(index);
    json_decref(tolerances);
    return good;
}
