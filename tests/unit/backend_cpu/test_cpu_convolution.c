/* oneDNN's convolutions, products and weight layouts through our face of them. */
#include "cpu_fill.h"
#include "dnnl_calls.h"
#include "naive_convolution.h"
#include "weights.h"

#include <string.h>

static cr_engine *engine;

static int open_engine(void **state)
{
    (void)state;
    return cr_engine_create(&engine) == CR_OK ? 0 : -1;
}

static int close_engine(void **state)
{
    (void)state;
    cr_engine_destroy(&engine);
    return engine != NULL;
}

typedef struct shape_case {
    int64_t n, in, out, height, width, kernel, stride, padding;
    cr_format format, in_format;
    bool winograd;
} shape_case;

static const shape_case shapes[] = {{2, 3, 20, 27, 35, 11, 4, 2, CR_FORMAT_BLOCKED, CR_FORMAT_PLAIN, false},
                                    {1, 3, 64, 17, 13, 7, 2, 3, CR_FORMAT_BLOCKED, CR_FORMAT_PLAIN, false},
                                    {2, 17, 19, 5, 5, 3, 1, 1, CR_FORMAT_BLOCKED, CR_FORMAT_BLOCKED, false},
                                    {2, 16, 48, 9, 8, 3, 2, 1, CR_FORMAT_BLOCKED, CR_FORMAT_BLOCKED, false},
                                    {2, 32, 16, 7, 6, 1, 2, 0, CR_FORMAT_BLOCKED, CR_FORMAT_BLOCKED, false},
                                    {2, 32, 32, 12, 12, 3, 1, 1, CR_FORMAT_BLOCKED, CR_FORMAT_BLOCKED, true},
                                    {2, 12, 20, 6, 7, 3, 1, 1, CR_FORMAT_NHWC, CR_FORMAT_NHWC, false},
                                    {1, 3, 32, 9, 9, 5, 1, 2, CR_FORMAT_NHWC, CR_FORMAT_NHWC, false}};

static cr_convolution_spec spec_of(const shape_case *c, cr_pass pass)
{
    cr_shape in = {c->in, c->height, c->width};
    cr_shape out = {c->out, (c->height + 2 * c->padding - c->kernel) / c->stride + 1,
                    (c->width + 2 * c->padding - c->kernel) / c->stride + 1};
    cr_convolution_spec spec = {.src = cr_place_make(c->n, in, c->in_format, false),
                                .dst = cr_place_make(c->n, out, c->format, false),
                                .kernel = c->kernel,
                                .stride = c->stride,
                                .padding = c->padding,
                                .pass = pass,
                                .winograd = c->winograd};
    return spec;
}

/* The state's layout of plain weights. */
static float *native_weights(const shape_case *c, const float *plain)
{
    int64_t area = c->kernel * c->kernel, n = c->out * c->in * area;
    float *native = cpu_room((size_t)n * sizeof *native);
    memcpy(native, plain, (size_t)n * sizeof *native);
    if (cr_weights_blocked(c->out, c->in))
        for (int64_t o = 0; o < c->out; o++)
            for (int64_t i = 0; i < c->in; i++)
                for (int64_t k = 0; k < area; k++)
                    native[(((o / 16 * (c->in / 16) + i / 16) * area + k) * 16 + i % 16) * 16 + o % 16] =
                        plain[(o * c->in + i) * area + k];
    return native;
}

static void run(cr_operation *operation, const void *src, const void *weights, const void *bias, const void *dst)
{
    void *scratch = cpu_room(cr_operation_scratch_bytes(operation));
    cr_arrays arrays = {src, weights, bias, dst, scratch};
    assert_int_equal(cr_operation_run(operation, &arrays), CR_OK);
    free(scratch);
}

/* Null when the library lacks the kernel or a way of the weights to it. */
static cr_operation *make_operation(const cr_convolution_spec *spec, const float *native, float **packed)
{
    cr_operation *operation, *move = NULL;
    assert_int_equal(cr_convolution_create(engine, spec, &operation), CR_OK);
    *packed = NULL;
    if (!operation)
        return NULL;
    assert_true(strlen(cr_operation_name(operation)) > 0);
    if (cr_operation_weights_are_native(operation))
        return operation;
    assert_int_equal(cr_weights_pack_create(engine, operation, false, &move), CR_OK);
    if (!move) {
        cr_operation_destroy(&operation);
        return NULL;
    }
    *packed = cpu_room(cr_operation_weight_bytes(operation));
    run(move, native, NULL, NULL, *packed);
    cr_operation_destroy(&move);
    return operation;
}

static double bound(int64_t depth)
{
    return 2e-6 * sqrt((double)depth);
}

static void check(const char *what, const cr_place *place, const void *data, const double *expected, double allowed)
{
    cpu_assert_padding(place, data);
    float *plain = cpu_plain_copy(place, data);
    for (int64_t i = 0; i < place->n * place->shape.channels * place->shape.height * place->shape.width; i++)
        cpu_assert_near(what, i, plain[i], expected[i], allowed);
    free(plain);
}

static void check_weights(const shape_case *c, const float *native_gradient, const double *expected, double allowed)
{
    int64_t n = c->out * c->in * c->kernel * c->kernel;
    float *index = cpu_room((size_t)n * sizeof *index);
    for (int64_t i = 0; i < n; i++)
        index[i] = (float)i; /* exact below 2^24 */
    float *where = native_weights(c, index);
    for (int64_t i = 0; i < n; i++)
        cpu_assert_near("dw", (int64_t)where[i], native_gradient[i], expected[(int64_t)where[i]], allowed);
    free(index);
    free(where);
}

static void weight_gradient(const shape_case *c, const void *x, const void *dy, const double *expected)
{
    cr_convolution_spec spec = spec_of(c, CR_PASS_WEIGHTS);
    cr_operation *operation, *move = NULL;
    assert_int_equal(cr_convolution_create(engine, &spec, &operation), CR_OK);
    if (!operation)
        return;
    size_t native_bytes = (size_t)(c->out * c->in * c->kernel * c->kernel) * sizeof(float);
    size_t bytes = cr_operation_weight_bytes(operation);
    void *own = cpu_room(bytes), *native = cpu_room(native_bytes);
    run(operation, x, own, NULL, dy);
    if (cr_operation_weights_are_native(operation)) {
        memcpy(native, own, native_bytes);
    } else {
        assert_int_equal(cr_weights_unpack_create(engine, operation, &move), CR_OK);
        if (move)
            run(move, own, NULL, NULL, native);
    }
    if (move || cr_operation_weights_are_native(operation))
        check_weights(c, native, expected, bound(c->n * spec.dst.shape.height * spec.dst.shape.width) * 2);
    else
        assert_true(c->winograd); /* a form that only its own kernels read; the planner then takes direct */
    free(own);
    free(native);
    cr_operation_destroy(&move);
    cr_operation_destroy(&operation);
}

static void test_three_passes(void **state)
{
    (void)state;
    for (unsigned s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const shape_case *c = &shapes[s];
        cr_convolution_spec spec = spec_of(c, CR_PASS_TRAINING), data = spec_of(c, CR_PASS_DATA);
        cr_place plain_in = cpu_plain(&spec.src), plain_out = cpu_plain(&spec.dst);
        int64_t n_x = cr_place_elements(&plain_in), n_y = cr_place_elements(&plain_out);
        int64_t n_w = c->out * c->in * c->kernel * c->kernel;
        naive_numbers naive = {cpu_numbers(n_x, 1),    cpu_numbers(n_w, 2),    cpu_numbers(n_y, 3),
                               calloc((size_t)n_y, 8), calloc((size_t)n_x, 8), calloc((size_t)n_w, 8)};
        float *native = native_weights(c, naive.w), *packed;
        void *x = cpu_laid_out(&spec.src, (float *)naive.x), *dy = cpu_laid_out(&spec.dst, (float *)naive.dy);
        void *y = cpu_room(cr_place_bytes(&spec.dst)), *dx = cpu_room(cr_place_bytes(&spec.src));
        naive_convolution(&spec, naive_add, &naive);
        cr_operation *operation = make_operation(&spec, native, &packed);
        assert_true(operation || c->winograd);
        if (operation) {
            run(operation, x, packed ? packed : native, NULL, y);
            check("y", &spec.dst, y, naive.y, bound(c->in * c->kernel * c->kernel) * 2);
        }
        cr_operation_destroy(&operation);
        free(packed);
        operation = c->in == 3 ? NULL : make_operation(&data, native, &packed);
        if (operation) {
            run(operation, dx, packed ? packed : native, NULL, dy);
            check("dx", &spec.src, dx, naive.dx, bound(c->out * c->kernel * c->kernel) * 2);
            cr_operation_destroy(&operation);
            free(packed);
        }
        weight_gradient(c, x, dy, naive.dw);
        void *const all[] = {
            (void *)naive.x, (void *)naive.w, (void *)naive.dy, naive.y, naive.dx, naive.dw, native, x, dy, y, dx};
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

static void test_bias_sum_relu(void **state)
{
    (void)state;
    const shape_case *c = &shapes[3];
    cr_convolution_spec spec = spec_of(c, CR_PASS_EVALUATION);
    spec.bias = spec.sum = spec.relu = true;
    int64_t n_x = cr_place_elements(&spec.src), n_y = cr_place_elements(&spec.dst), n_w = c->out * c->in * 9;
    naive_numbers naive = {cpu_numbers(n_x, 1),    cpu_numbers(n_w, 2),    cpu_numbers(n_y, 3),
                           calloc((size_t)n_y, 8), calloc((size_t)n_x, 8), calloc((size_t)n_w, 8)};
    float *native = native_weights(c, naive.w), *bias = cpu_numbers(c->out, 4), *packed;
    void *x = cpu_laid_out(&spec.src, (float *)naive.x), *y = cpu_laid_out(&spec.dst, (float *)naive.dy);
    naive_convolution(&spec, naive_add, &naive);
    int64_t pixels = spec.dst.shape.height * spec.dst.shape.width;
    for (int64_t i = 0; i < n_y; i++) {
        naive.y[i] += naive.dy[i] + bias[i / pixels % c->out];
        naive.y[i] = naive.y[i] > 0 ? naive.y[i] : 0;
    }
    cr_operation *operation = make_operation(&spec, native, &packed);
    assert_non_null(operation);
    run(operation, x, packed ? packed : native, bias, y);
    check("y", &spec.dst, y, naive.y, bound(c->in * 9) * 2);
    cr_operation_destroy(&operation);
    void *const all[] = {
        (void *)naive.x, (void *)naive.w, (void *)naive.dy, naive.y, naive.dx, naive.dw, native, bias, packed, x, y};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_product(void **state)
{
    (void)state;
    enum {
        M = 5,
        N = 7,
        K = 33
    };
    float *a = cpu_numbers((int64_t)M * K, 1), *b = cpu_numbers((int64_t)K * N, 2), *bias = cpu_numbers(N, 3);
    float *c = cpu_room(sizeof(float) * M * N);
    for (int variant = 0; variant < 8; variant++) {
        cr_product_spec spec = {M, N, K, .a_transposed = variant & 1, .b_transposed = variant & 2, .bias = variant & 4};
        cr_operation *operation;
        assert_int_equal(cr_product_create(engine, &spec, &operation), CR_OK);
        run(operation, a, b, bias, c);
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                double sum = spec.bias ? bias[n] : 0;
                for (int k = 0; k < K; k++)
                    sum += (double)a[spec.a_transposed ? k * M + m : m * K + k] *
                           b[spec.b_transposed ? n * K + k : k * N + n];
                cpu_assert_near("c", m * N + n, c[m * N + n], sum, bound(K));
            }
        cr_operation_destroy(&operation);
    }
    free(a);
    free(b);
    free(bias);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_three_passes), cmocka_unit_test(test_bias_sum_relu),
                                       cmocka_unit_test(test_product)};
    cr_engine_set_threads(1);
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
