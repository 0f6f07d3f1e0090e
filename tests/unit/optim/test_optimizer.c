#include "crisol/optim.h"
#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 5003, /* no multiple of any vector length */
    STEPS = 4
};

typedef struct problem {
    float gradient[N], parameters[N], first[N], second[N];
} problem;

static void fill(problem *p)
{
    memset(p, 0, sizeof *p);
    cr_rng rng = cr_rng_make(7, CR_RNG_INIT, 0, 0);
    for (int i = 0; i < N; i++)
        p->parameters[i] = (float)cr_rng_normal(&rng);
}

static void draw_gradient(problem *p, int step)
{
    cr_rng rng = cr_rng_make(8, CR_RNG_INIT, (uint64_t)step, 0);
    for (int i = 0; i < N; i++) {
        double scale = pow(10, 6 - (int)cr_rng_below(&rng, 18));
        p->gradient[i] = cr_rng_below(&rng, 20) ? (float)(cr_rng_normal(&rng) * scale) : 0;
    }
}

static cr_optimizer_params make_params(int which)
{
    cr_optimizer_params params = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    params.kind = which == 0 ? CR_OPTIMIZER_ADAMW : which == 1 ? CR_OPTIMIZER_ADAM : CR_OPTIMIZER_SGD;
    if (which == 5)
        params = (cr_optimizer_params){.kind = CR_OPTIMIZER_ADAMW, .beta1 = 0.3, .beta2 = 0.9, .eps = 1e-4};
    params.momentum = which == 3 || which == 4 ? 0.9 : 0;
    params.nesterov = which == 4;
    return params;
}
enum {
    N_KINDS = 6
};

/* A second writing of torch.optim, one element at a time: what the vectorised loops must equal bit for bit. */
static void adam_element(const cr_optimizer_params *params, double wd, int64_t step, double lr, float g, float *p,
                         float *m, float *v)
{
    if (params->kind == CR_OPTIMIZER_ADAMW && wd != 0)
        *p *= (float)(1 - lr * wd);
    if (params->kind == CR_OPTIMIZER_ADAM && wd != 0) {
        float decay = (float)wd * *p;
        g += decay;
    }
    float w = (float)(1 - params->beta1);
    if (w < 0.5F) {
        float move = w * (g - *m);
        *m += move;
    } else {
        float move = (g - *m) * (1 - w);
        *m = g - move;
    }
    *v *= (float)params->beta2;
    float square = (float)(1 - params->beta2) * g;
    square *= g;
    *v += square;
    float denominator = sqrtf(*v) / (float)sqrt(1 - pow(params->beta2, (double)step));
    denominator += (float)params->eps;
    float change = (float)-(lr / (1 - pow(params->beta1, (double)step))) * *m;
    change /= denominator;
    *p += change;
}

static void sgd_element(const cr_optimizer_params *params, double wd, int64_t step, double lr, float g, float *p,
                        float *buffer)
{
    if (wd != 0) {
        float decay = (float)wd * *p;
        g += decay;
    }
    if (params->momentum != 0) {
        if (step > 1)
            *buffer *= (float)params->momentum;
        *buffer = step > 1 ? *buffer + g : g;
        float ahead = (float)params->momentum * *buffer;
        g = params->nesterov ? g + ahead : *buffer;
    }
    float change = (float)-lr * g;
    *p += change;
}

static void expected_step(problem *p, const cr_optimizer_params *params, const cr_optimizer_span *spans, int n_spans,
                          int64_t step, double lr)
{
    for (int s = 0; s < n_spans; s++) {
        double span_lr = lr * spans[s].lr_factor;
        for (int64_t i = spans[s].begin; i < spans[s].end; i++) {
            if (params->kind == CR_OPTIMIZER_SGD)
                sgd_element(params, spans[s].weight_decay, step, span_lr, p->gradient[i], &p->parameters[i],
                            &p->first[i]);
            else
                adam_element(params, spans[s].weight_decay, step, span_lr, p->gradient[i], &p->parameters[i],
                             &p->first[i], &p->second[i]);
        }
    }
}

static const cr_optimizer_span spans[] = {
    {.begin = 3, .end = 1000, .lr_factor = 1, .weight_decay = 0.05},
    {.begin = 1000, .end = 1001, .lr_factor = 0.1, .weight_decay = 0},
    {.begin = 1700, .end = N - 2, .lr_factor = 0.25, .weight_decay = 0.01},
};
enum {
    N_SPANS = 3
};

static void assert_same_bits(const problem *a, const problem *b)
{
    assert_memory_equal(a->parameters, b->parameters, sizeof a->parameters);
    assert_memory_equal(a->first, b->first, sizeof a->first);
    assert_memory_equal(a->second, b->second, sizeof a->second);
}

static void equals_the_element_by_element_form(void **state)
{
    (void)state;
    static problem got, want;
    for (int kind = 0; kind < N_KINDS; kind++) {
        cr_optimizer_params params = make_params(kind);
        fill(&got);
        fill(&want);
        float before = got.parameters[5], frozen = got.parameters[1500];
        for (int step = 1; step <= STEPS; step++) {
            draw_gradient(&got, step);
            draw_gradient(&want, step);
            cr_optimizer_step(&params, spans, N_SPANS, 0, N, step, 0.01, got.gradient, got.parameters,
                              (float *[]){got.first, got.second});
            expected_step(&want, &params, spans, N_SPANS, step, 0.01);
        }
        assert_same_bits(&got, &want);
        assert_true(got.parameters[5] != before);
        assert_true(got.parameters[1500] == frozen); /* between the spans */
    }
}

static void any_cut_gives_the_same_bits(void **state)
{
    (void)state;
    static problem whole, cut;
    for (int kind = 0; kind < N_KINDS; kind++) {
        cr_optimizer_params params = make_params(kind);
        fill(&whole);
        fill(&cut);
        for (int step = 1; step <= STEPS; step++) {
            draw_gradient(&whole, step);
            draw_gradient(&cut, step);
            cr_optimizer_step(&params, spans, N_SPANS, 0, N, step, 0.01, whole.gradient, whole.parameters,
                              (float *[]){whole.first, whole.second});
            int64_t piece = 1 + 37 * step;
            for (int64_t begin = 0; begin < N; begin += piece)
                cr_optimizer_step(&params, spans, N_SPANS, begin, begin + piece < N ? begin + piece : N, step, 0.01,
                                  cut.gradient, cut.parameters, (float *[]){cut.first, cut.second});
        }
        assert_same_bits(&whole, &cut);
    }
}

/* Away from rounding, float and double are the same computation. */
static void double_agrees_with_float(void **state)
{
    (void)state;
    enum {
        FEW = 40
    };
    for (int kind = 0; kind < N_KINDS; kind++) {
        cr_optimizer_params params = make_params(kind);
        cr_optimizer_span span = {.begin = 1, .end = FEW, .lr_factor = 0.5, .weight_decay = 0.1};
        float g[FEW], p[FEW], m[FEW] = {0}, v[FEW] = {0};
        double gd[FEW], pd[FEW], md[FEW] = {0}, vd[FEW] = {0};
        cr_rng rng = cr_rng_make(3, CR_RNG_INIT, 0, 0);
        for (int i = 0; i < FEW; i++)
            pd[i] = p[i] = (float)cr_rng_normal(&rng);
        for (int step = 1; step <= 10; step++) {
            for (int i = 0; i < FEW; i++)
                gd[i] = g[i] = (float)cr_rng_normal(&rng);
            cr_optimizer_step(&params, &span, 1, 0, FEW, step, 0.01, g, p, (float *[]){m, v});
            cr_optimizer_step_f64(&params, &span, 1, 0, FEW, step, 0.01, gd, pd, (double *[]){md, vd});
        }
        for (int i = 0; i < FEW; i++)
            assert_true(fabs(p[i] - pd[i]) < 2e-5);
    }
}

static void moments_are_counted_and_named(void **state)
{
    (void)state;
    static const int count[] = {2, 2, 0, 1, 1};
    for (int kind = 0; kind < 5; kind++) {
        cr_optimizer_params params = make_params(kind);
        assert_int_equal(cr_optimizer_n_moments(&params), count[kind]);
        assert_null(cr_optimizer_moment_name(&params, count[kind]));
        assert_null(cr_optimizer_moment_name(&params, -1));
    }
    cr_optimizer_params adamw = make_params(0), sgd = make_params(3);
    assert_string_equal(cr_optimizer_moment_name(&adamw, 0), "exp_avg");
    assert_string_equal(cr_optimizer_moment_name(&adamw, 1), "exp_avg_sq");
    assert_string_equal(cr_optimizer_moment_name(&sgd, 0), "momentum_buffer");
}

/* The order of the additions as the header says it, written by recursion. */
static double expected_chunk(const float *values, int64_t n)
{
    double lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] += (double)values[i] * (double)values[i];
    for (int width = 8; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

static double expected_tree(const float *values, int64_t n)
{
    if (n <= 4096)
        return expected_chunk(values, n);
    int64_t left = 4096;
    while (2 * left < n)
        left *= 2;
    double a = expected_tree(values, left);
    return a + expected_tree(values + left, n - left);
}

static void sum_of_squares_keeps_its_order(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 4095, 4096, 4097, 12288, 40961, 3 * 4096 + 5, 65536};
    float *values = malloc(65536 * sizeof *values);
    assert_non_null(values);
    cr_rng rng = cr_rng_make(1, CR_RNG_INIT, 0, 0);
    for (int i = 0; i < 65536; i++)
        values[i] = (float)cr_rng_normal(&rng);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double got = cr_sum_of_squares(values, sizes[s]), want = expected_tree(values, sizes[s]);
        assert_memory_equal(&got, &want, sizeof got);
    }
    values[40000] = INFINITY;
    assert_false(isfinite(cr_sum_of_squares(values, 65536)));
    values[40000] = NAN;
    assert_false(isfinite(cr_sum_of_squares(values, 65536)));
    values[40000] = 3e38F; /* its square is no float, but a double */
    assert_true(isfinite(cr_sum_of_squares(values, 65536)));
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_element_by_element_form), cmocka_unit_test(any_cut_gives_the_same_bits),
        cmocka_unit_test(double_agrees_with_float),           cmocka_unit_test(moments_are_counted_and_named),
        cmocka_unit_test(sum_of_squares_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
