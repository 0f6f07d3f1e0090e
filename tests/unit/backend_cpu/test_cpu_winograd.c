/* Winograd's method against the definition of a convolution, for planes that tiles fit and do not fit, in both types.
 */
#include "cpu_fill.h"
#include "naive_convolution.h"
#include "winograd.h"
#include "winograd_inner.h"

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
    float *x, *w, *dy; /* plain */
    float *w_data;     /* as the kernels want them */
    void *x_data, *dy_data;
} winograd_run;

static int64_t native_offset(const cr_convolution_spec *spec, int64_t o, int64_t i, int64_t k)
{
    return (((o / 16 * (spec->src.shape.channels / 16) + i / 16) * 9 + k) * 16 + i % 16) * 16 + o % 16;
}

static winograd_run make_run(const shape_case *c, cr_format format, bool bf16)
{
    winograd_run run = {.spec = {.kernel = 3, .stride = 1, .padding = 1, .winograd = true}};
    cr_shape in = {c->in, c->height, c->width}, out = {c->out, c->height, c->width};
    run.spec.src = cr_place_make(c->n, in, format, bf16);
    run.spec.dst = cr_place_make(c->n, out, format, bf16);
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

static void *run_pass(winograd_run *run, cr_pass pass, void *x, float *w, void *y, const float *bias,
                      const void *residual)
{
    run->spec.pass = pass;
    size_t bytes = cr_winograd_scratch_bytes(&run->spec);
    float *scratch = cpu_room(bytes);
    cr_winograd_arrays arrays = {
        .src = x, .weights = w, .dst = y, .bias = bias, .residual = residual, .scratch = scratch};
    cr_winograd_run(&run->spec, &arrays);
    free(scratch);
    return pass == CR_PASS_DATA ? x : y;
}

/* Rounding of sums of `depth` products, enlarged by the transforms. */
static double bound(int64_t depth)
{
    return 4e-6 * sqrt((double)depth);
}

/* And of the result to its type: bf16 keeps 8 bits, so that the nearest is within 2⁻⁸ of it. */
static double value_bound(const winograd_run *run, int64_t depth)
{
    return bound(depth) + (run->spec.src.bf16 ? 1.0 / 256 : 0.0);
}

static void test_three_passes(void **state)
{
    (void)state;
    if (!supported())
        skip();
    for (unsigned s = 0; s < 4 * sizeof shapes / sizeof *shapes; s++) {
        const shape_case *c = &shapes[s / 4];
        winograd_run run = make_run(c, s % 2 ? CR_FORMAT_NHWC : CR_FORMAT_BLOCKED, s % 4 >= 2);
        void *y = cpu_room(cr_place_bytes(&run.spec.dst)), *dx = cpu_room(cr_place_bytes(&run.spec.src));
        float *dw = cpu_room((size_t)(c->in * c->out * 9) * sizeof(float));
        assert_true(cr_winograd_supports(&run.spec));
        float *plain =
            cpu_plain_copy(&run.spec.dst, run_pass(&run, CR_PASS_TRAINING, run.x_data, run.w_data, y, NULL, NULL));
        for (int64_t i = 0; i < cr_place_elements(&run.spec.dst); i++)
            cpu_assert_near("y", i, plain[i], run.naive.y[i], value_bound(&run, c->in * 9));
        free(plain);
        plain = cpu_plain_copy(&run.spec.src, run_pass(&run, CR_PASS_DATA, dx, run.w_data, run.dy_data, NULL, NULL));
        for (int64_t i = 0; i < cr_place_elements(&run.spec.src); i++)
            cpu_assert_near("dx", i, plain[i], run.naive.dx[i], value_bound(&run, c->out * 9));
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

static void check_bias_residual_relu(bool bf16)
{
    winograd_run run = make_run(&shapes[1], CR_FORMAT_NHWC, bf16);
    float *bias = cpu_numbers(128, 4);
    void *y = cpu_room(cr_place_bytes(&run.spec.dst));
    run.spec.relu = true;
    float *plain =
        cpu_plain_copy(&run.spec.dst, run_pass(&run, CR_PASS_EVALUATION, run.x_data, run.w_data, y, bias, run.dy_data));
    int64_t pixels = run.spec.dst.shape.height * run.spec.dst.shape.width;
    for (int64_t i = 0; i < cr_place_elements(&run.spec.dst); i++) {
        double z = run.naive.y[i] + bias[i / pixels % 128] + run.dy[i];
        cpu_assert_near("y", i, plain[i], z > 0 ? z : 0, value_bound(&run, 64 * 9));
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

static void test_bias_residual_relu(void **state)
{
    (void)state;
    if (!supported())
        skip();
    check_bias_residual_relu(false);
    check_bias_residual_relu(true);
}

/* The bits depend on the shapes alone. */
static void test_threads_change_no_bit(void **state)
{
    (void)state;
    if (!supported())
        skip();
    winograd_run run = make_run(&shapes[5], CR_FORMAT_BLOCKED, false);
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
    bad.src.shape.channels = 48;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.src.format = bad.dst.format = CR_FORMAT_PLAIN;
    assert_false(cr_winograd_supports(&bad));
    bad = good;
    bad.kernel = 5;
    assert_false(cr_winograd_supports(&bad));
}

/* bf16 is float32 on the same numbers, rounded once; and weights' gradients are not rounded at all. */
static void test_bf16_rounds_once(void **state)
{
    (void)state;
    if (!supported())
        skip();
    winograd_run half = make_run(&shapes[1], CR_FORMAT_BLOCKED, true), full = half;
    cr_place *x = &half.spec.src, *y = &half.spec.dst;
    full.spec.src.bf16 = full.spec.dst.bf16 = false;
    full.x_data = cpu_laid_out(&full.spec.src, full.x);
    full.dy_data = cpu_laid_out(&full.spec.dst, full.dy);
    half.spec.relu = full.spec.relu = true;
    float *bias = cpu_numbers(128, 4), *dw[2];
    void *to[2], *rounded = cpu_room(cr_place_bytes(y));
    winograd_run *runs[] = {&full, &half};
    for (int r = 0; r < 2; r++) {
        to[r] = cpu_room(cr_place_bytes(&full.spec.dst));
        run_pass(runs[r], CR_PASS_EVALUATION, runs[r]->x_data, half.w_data, to[r], bias, runs[r]->dy_data);
    }
    cr_place_convert(&full.spec.dst, to[0], y, rounded);
    assert_memory_equal(to[1], rounded, cr_place_bytes(y));
    for (int r = 0; r < 2; r++)
        run_pass(runs[r], CR_PASS_DATA, to[r], half.w_data, runs[r]->dy_data, NULL, NULL);
    cr_place_convert(&full.spec.src, to[0], x, rounded);
    assert_memory_equal(to[1], rounded, cr_place_bytes(x));
    size_t w_bytes = (size_t)(64 * 128 * 9) * sizeof(float);
    for (int r = 0; r < 2; r++) {
        dw[r] = cpu_room(w_bytes);
        run_pass(runs[r], CR_PASS_WEIGHTS, runs[r]->x_data, dw[r], runs[r]->dy_data, NULL, NULL);
    }
    assert_memory_equal(dw[0], dw[1], w_bytes);
    void *const all[] = {full.x_data, full.dy_data, bias, to[0], to[1], rounded, dw[0], dw[1]};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free_run(&half);
}

/* Every tile of a plane through one processor's kernels, every pass: `results` after `results`. */
static void run_kernels(const cr_wino_kernels *kernels, bool bf16, float *results, float *pixels)
{
    enum {
        STRIDE = 64,
        TILES = 9
    };
    cr_place place = cr_place_make(1, (cr_shape){16, 9, 10}, CR_FORMAT_BLOCKED, bf16);
    cr_wino_plane plane = {9, 10, 3, 3, 16, bf16};
    float *numbers = cpu_numbers(16 * 9 * 10, 5), *w = cpu_numbers(16 * 9 * 256, 6), *bias = cpu_numbers(16, 7);
    void *x = cpu_laid_out(&place, numbers);
    cr_wino_after after = {.bias = bias, .residual = x, .relu = true};
    for (int t = 0; t < TILES; t++, results += 2 * CR_WINO_POINTS * STRIDE) {
        kernels->input(&plane, t / 3, t % 3, x, results, STRIDE);
        kernels->gradient(&plane, t / 3, t % 3, x, results + CR_WINO_POINTS * STRIDE, STRIDE);
        kernels->output(&plane, t / 3, t % 3, results, STRIDE, &after, pixels);
    }
    float *u = results, *v = u + CR_WINO_POINTS * CR_WINO_MATRIX;
    kernels->weights_forward(w, 4 * 9 * 256, u);
    kernels->weights_data(w, 4 * 9 * 256, v);
    kernels->product(CR_WINO_CHANNELS, 17, u, true, v, v + CR_WINO_MATRIX, true);
    kernels->weights_gradient(u, v + CR_WINO_POINTS * CR_WINO_MATRIX, 4 * 9 * 256);
    void *const all[] = {numbers, w, bias, x};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_both_widths_give_the_same_bits(void **state)
{
    (void)state;
    if (cr_engine_isa() < CR_ISA_AVX512)
        skip();
    size_t bytes = sizeof(float) * (18 * 36 * 64 + 2 * 36 * CR_WINO_MATRIX + 16 * 9 * 256), y_bytes = 16 * 90 * 4;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        float *narrow = cpu_room(bytes), *wide = cpu_room(bytes), *y = cpu_room(y_bytes), *z = cpu_room(y_bytes);
        run_kernels(&cr_wino_kernels_avx2, bf16, narrow, y);
        run_kernels(&cr_wino_kernels_avx512, bf16, wide, z);
        assert_memory_equal(narrow, wide, bytes);
        assert_memory_equal(y, z, y_bytes);
        free(narrow);
        free(wide);
        free(y);
        free(z);
    }
}

/* The rule that winograd.c gives with its figures. */
static void test_when_it_pays(void **state)
{
    (void)state;
    const struct {
        int64_t n, channels, side;
        cr_pass pass;
        bool bf16;
        cr_isa isa;
        bool pays;
    } cases[] = {{8, 512, 7, CR_PASS_TRAINING, false, CR_ISA_AMX, true},
                 {8, 128, 28, CR_PASS_TRAINING, true, CR_ISA_AVX512_BF16, true},
                 {1, 64, 4, CR_PASS_WEIGHTS, true, CR_ISA_AVX512_BF16, true},
                 {8, 256, 14, CR_PASS_TRAINING, true, CR_ISA_AVX512_BF16, false},
                 {16, 512, 7, CR_PASS_EVALUATION, true, CR_ISA_AVX512_BF16, false},
                 {8, 512, 7, CR_PASS_DATA, true, CR_ISA_AVX512_BF16, true},
                 {8, 512, 7, CR_PASS_WEIGHTS, true, CR_ISA_AVX512_BF16, true},
                 {4, 512, 7, CR_PASS_DATA, true, CR_ISA_AVX512_BF16, false},
                 {8, 64, 56, CR_PASS_TRAINING, true, CR_ISA_AMX, false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_shape shape = {cases[i].channels, cases[i].side, cases[i].side};
        cr_convolution_spec spec = {.kernel = 3, .stride = 1, .padding = 1, .pass = cases[i].pass};
        spec.src = spec.dst = cr_place_make(cases[i].n, shape, CR_FORMAT_BLOCKED, cases[i].bf16);
        assert_int_equal(cr_winograd_pays(&spec, cases[i].isa), cases[i].pays);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_three_passes),
                                       cmocka_unit_test(test_bias_residual_relu),
                                       cmocka_unit_test(test_threads_change_no_bit),
                                       cmocka_unit_test(test_bf16_rounds_once),
                                       cmocka_unit_test(test_both_widths_give_the_same_bits),
                                       cmocka_unit_test(test_when_it_pays),
                                       cmocka_unit_test(test_what_it_leaves_to_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
