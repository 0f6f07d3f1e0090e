/* Winograd's method against the definition of a convolution, for planes that tiles fit and do not fit. */
#include "cpu_fill.h"
#include "naive_convolution.h"
#include "winograd.h"

typedef struct shape_case {
    int64_t n, in, out, height, width;
} shape_case;

/* Tiles of 4: exactly, with rests, smaller than one; one block of tiles, and several; one block of channels, and
 * several. */
static const shape_case shapes[] = {{1, 64, 64, 4, 4},   {2, 64, 128, 5, 7},  {3, 128, 64, 7, 7}, {1, 64, 64, 1, 1},
                                    {1, 64, 64, 33, 37}, {9, 128, 64, 9, 10}, {2, 192, 64, 2, 3}};

typedef struct winograd_run {
    cr_convolution_spec spec;
    naive_numbers naive;
    float *x, *w, *dy;                /* plain */
    float *x_data, *w_data, *dy_data; /* as the kernels want them */
} winograd_run;

static int64_t native_offset(const cr_convolution_spec *spec, int64_t o, int64_t i, int64_t k)
{
    return (((o / 16 * (spec->src.shape.channels / 16) + i / 16) * 9 + k) * 16 + i % 16) * 16 + o % 16;
}

static winograd_run make_run(const shape_case *c, cr_format format)
{
    winograd_run run = {.spec = {.kernel = 3, .stride = 1, .padding = 1, .winograd = true}};
    cr_shape in = {c->in, c->height, c->width}, out = {c->out, c->height, c->width};
    run.spec.src = cr_place_make(c->n, in, format, false);
    run.spec.dst = cr_place_make(c->n, out, format, false);
    int64_t n_x = cr_place_elements(&run.spec.src), n_y = cr_place_elements(&run.spec.dst), n_w = c->in * c->out * 9;
    run.x = cpu_numbers(n_x, 1);
    run.w = cpu_numbers(n_w, 2);
    run.dy = cpu_numbers(n_y, 3);
    run.x_data = cpu_laid_out(&run.spec.src, run.x);
    run.dy_data = cpu_laid_out(&run.spec.dst, run.dy);
    run.w_data = cpu_room((size_t)n_w * sizeof(float));
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < c->in; i++)
            for (int64_t k = 0; k < 9; k++)
                run.w_data[native_offset(&run.spec, o, i, k)] = run.w[(o * c->in + i) * 9 + k];
    run.naive =
        (naive_numbers){run.x, run.w, run.dy, calloc((size_t)n_y, 8), calloc((size_t)n_x, 8), calloc((size_t)n_w, 8)};
    assert_true(run.naive.y && run.naive.dx && run.naive.dw);
    naive_convolution(&run.spec, naive_add, &run.naive);
    return run;
}

static void free_run(winograd_run *run)
{
    void *const all[] = {run->x,       run->w,       run->dy,       run->x_data,  run->w_data,
                         run->dy_data, run->naive.y, run->naive.dx, run->naive.dw};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static bool supported(void)
{
    return cr_engine_isa() >= CR_ISA_AVX2;
}

static float *run_pass(winograd_run *run, cr_pass pass, float *x, float *w, float *y, const float *bias,
                       const float *residual)
{
    run->spec.pass = pass;
    size_t bytes = cr_winograd_scratch_bytes(&run->spec);
    float *scratch = cpu_room(bytes);
    cr_winograd_arrays arrays = {
        .src = x, .weights = w, .dst = y, .bias = bias, .residual = residual, .scratch = scratch};
    cr_winograd_run(&run->spec, &arrays);
    free(scratch);
    return pass == CR_PASS_DATA ? x : pass == CR_PASS_WEIGHTS ? w : y;
}

/* Rounding of sums of `depth` products, enlarged by the transforms. */
static double bound(int64_t depth)
{
    return 4e-6 * sqrt((double)depth);
}

static void test_three_passes(void **state)
{
    (void)state;
    if (!supported())
        skip();
    for (unsigned s = 0; s < 2 * sizeof shapes / sizeof *shapes; s++) {
        const shape_case *c = &shapes[s / 2];
        winograd_run run = make_run(c, s % 2 ? CR_FORMAT_NHWC : CR_FORMAT_BLOCKED);
        float *y = cpu_room(cr_place_bytes(&run.spec.dst)), *dx = cpu_room(cr_place_bytes(&run.spec.src));
        float *dw = cpu_room((size_t)(c->in * c->out * 9) * sizeof(float));
        assert_true(cr_winograd_supports(&run.spec));
        float *plain =
            cpu_plain_copy(&run.spec.dst, run_pass(&run, CR_PASS_TRAINING, run.x_data, run.w_data, y, NULL, NULL));
        for (int64_t i = 0; i < cr_place_elements(&run.spec.dst); i++)
            cpu_assert_near("y", i, plain[i], run.naive.y[i], bound(c->in * 9));
        free(plain);
        plain = cpu_plain_copy(&run.spec.src, run_pass(&run, CR_PASS_DATA, dx, run.w_data, run.dy_data, NULL, NULL));
        for (int64_t i = 0; i < cr_place_elements(&run.spec.src); i++)
            cpu_assert_near("dx", i, plain[i], run.naive.dx[i], bound(c->out * 9));
        free(plain);
        run_pass(&run, CR_PASS_WEIGHTS, run.x_data, dw, run.dy_data, NULL, NULL);
        for (int64_t o = 0; o < c->out; o++)
            for (int64_t i = 0; i < c->in; i++)
                for (int64_t k = 0; k < 9; k++)
                    cpu_assert_near("dw", (o * c->in + i) * 9 + k, dw[native_offset(&run.spec, o, i, k)],
                                    run.naive.dw[(o * c->in + i) * 9 + k], bound(c->n * c->height * c->width));
        free(y);
        free(dx);
        free(dw);
        free_run(&run);
    }
}

static void test_bias_residual_relu(void **state)
{
    (void)state;
    if (!supported())
        skip();
    winograd_run run = make_run(&shapes[1], CR_FORMAT_NHWC);
    float *bias = cpu_numbers(128, 4), *y = cpu_room(cr_place_bytes(&run.spec.dst));
    run.spec.relu = true;
    float *plain =
        cpu_plain_copy(&run.spec.dst, run_pass(&run, CR_PASS_EVALUATION, run.x_data, run.w_data, y, bias, run.dy_data));
    int64_t pixels = run.spec.dst.shape.height * run.spec.dst.shape.width;
    for (int64_t i = 0; i < cr_place_elements(&run.spec.dst); i++) {
        double z = run.naive.y[i] + bias[i / pixels % 128] + run.dy[i];
        cpu_assert_near("y", i, plain[i], z > 0 ? z : 0, bound(64 * 9));
    }
    free(plain);
    run.w_data[5] = NAN; /* of output channel 5: noticed through ReLU */
    plain =
        cpu_plain_copy(&run.spec.dst, run_pass(&run, CR_PASS_EVALUATION, run.x_data, run.w_data, y, bias, run.dy_data));
    assert_true(isnan(plain[5 * pixels]));
    assert_false(isnan(plain[6 * pixels]));
    free(plain);
    free(bias);
    free(y);
    free_run(&run);
}

/* The bits depend on the shapes alone. */
static void test_threads_change_no_bit(void **state)
{
    (void)state;
    if (!supported())
        skip();
    winograd_run run = make_run(&shapes[5], CR_FORMAT_BLOCKED);
    size_t y_bytes = cr_place_bytes(&run.spec.dst), x_bytes = cr_place_bytes(&run.spec.src);
    size_t w_bytes = (size_t)(128 * 64 * 9) * sizeof(float);
    float *y[2], *dx[2], *dw[2];
    for (int t = 0; t < 2; t++) {
        cr_engine_set_threads(t == 0 ? 1 : 3);
        y[t] = cpu_room(y_bytes);
        dx[t] = cpu_room(x_bytes);
        dw[t] = cpu_room(w_bytes);
        run_pass(&run, CR_PASS_TRAINING, run.x_data, run.w_data, y[t], NULL, NULL);
        run_pass(&run, CR_PASS_DATA, dx[t], run.w_data, run.dy_data, NULL, NULL);
        run_pass(&run, CR_PASS_WEIGHTS, run.x_data, dw[t], run.dy_data, NULL, NULL);
    }
    cr_engine_set_threads(1);
    assert_memory_equal(y[0], y[1], y_bytes);
    assert_memory_equal(dx[0], dx[1], x_bytes);
    assert_memory_equal(dw[0], dw[1], w_bytes);
    for (int t = 0; t < 2; t++) {
        free(y[t]);
        free(dx[t]);
        free(dw[t]);
    }
    free_run(&run);
}

static void test_what_it_leaves_to_others(void **state)
{
    (void)state;
    cr_shape shape = {64, 8, 8};
    cr_convolution_spec good = {
        .src = cr_place_make(1, shape, CR_FORMAT_BLOCKED, false), .kernel = 3, .stride = 1, .padding = 1};
    good.dst = good.src;
    assert_int_equal(cr_winograd_supports(&good), supported());
    cr_convolution_spec bad = good;
    bad.stride = 2;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.padding = 0;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.src.bf16 = bad.dst.bf16 = true;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.src.shape.channels = 48;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.src.format = bad.dst.format = CR_FORMAT_PLAIN;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.kernel = 5;
    assert_false(cr_winograd_supports(&bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_three_passes), cmocka_unit_test(test_bias_residual_relu),
                                       cmocka_unit_test(test_threads_change_no_bit),
                                       cmocka_unit_test(test_what_it_leaves_to_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
