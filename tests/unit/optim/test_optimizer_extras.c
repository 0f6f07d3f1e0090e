/* Clipping, parameters that joined late, and the moving average, against PyTorch 2.15's numbers and properties. */
#include "crisol/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 9,
    STEPS = 4
};

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 4e-7 * fmax(1, fabs(want))))
        fail_msg("%.9g instead of %.9g", got, want);
}

/* torch.nn.utils.clip_grad_norm_ on two parameters with these gradients, then plain SGD of rate 1 from 0. */
static void clips_as_pytorch(void **state)
{
    (void)state;
    const float gradient[N] = {3, -4, 12, 0.5F, -0.25F, 7, 1, 2, -2.5F};
    const double limits[] = {1, 5, 100}, third[] = {0x1.9582580000000p-1, 0x1.fae2f00000000p+1, 12};
    double squares = cr_sum_of_squares(gradient, N);
    near(sqrt(squares), 15.151320457458496);
    for (int i = 0; i < 3; i++) {
        cr_optimizer_params params = {.kind = CR_OPTIMIZER_SGD, .gradient_scale = cr_clip_scale(squares, limits[i])};
        cr_optimizer_span all = {.begin = 0, .end = N, .lr_factor = 1};
        float weights[N] = {0};
        cr_optimizer_step(&params, &all, 1, 0, N, 1, 1, gradient, weights, NULL);
        near(weights[2], -third[i]);
        near(weights[8], third[i] * 2.5 / 12);
    }
    assert_true(cr_clip_scale(0, 1) == 1);
}

/* A scale is the gradient times that number, in every optimiser. */
static void scales_the_gradient(void **state)
{
    (void)state;
    const float gradient[N] = {3, -4, 12, 0.5F, -0.25F, 7, 1, 2, -2.5F};
    for (int kind = 0; kind < 4; kind++) {
        cr_optimizer_params params = {.kind = kind < 2 ? (cr_optimizer_kind)kind : CR_OPTIMIZER_SGD,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .eps = 1e-2,
                                      .momentum = kind == 2 ? 0.9 : 0};
        cr_optimizer_span all = {.begin = 0, .end = N, .lr_factor = 1, .weight_decay = 0.1};
        float a[3][N] = {{1, 2, 3, 4}}, b[3][N] = {{1, 2, 3, 4}}, scaled[N];
        for (int step = 1; step <= STEPS; step++) {
            params.gradient_scale = 0.3 / step;
            for (int i = 0; i < N; i++)
                scaled[i] = gradient[i] * (float)params.gradient_scale;
            cr_optimizer_step(&params, &all, 1, 0, N, step, 0.1, gradient, a[0], (float *[]){a[1], a[2]});
            params.gradient_scale = 0;
            cr_optimizer_step(&params, &all, 1, 0, N, step, 0.1, scaled, b[0], (float *[]){b[1], b[2]});
        }
        assert_memory_equal(a, b, sizeof a);
    }
}

/* Three steps frozen: what follows is what a fresh parameter would do. */
static void a_late_span_counts_its_own_steps(void **state)
{
    (void)state;
    const float gradient[N] = {3, -4, 12, 0.5F, -0.25F, 7, 1, 2, -2.5F};
    for (int kind = 0; kind < 3; kind++) {
        cr_optimizer_params params = {
            .kind = (cr_optimizer_kind)kind, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .momentum = 0.9};
        cr_optimizer_span fresh = {.begin = 0, .end = N, .lr_factor = 1, .weight_decay = 0.1}, late = fresh;
        late.skipped = 3;
        float a[3][N] = {{1, 2, 3, 4}}, b[3][N] = {{1, 2, 3, 4}};
        for (int step = 1; step <= STEPS; step++) {
            cr_optimizer_step(&params, &fresh, 1, 0, N, step, 0.1, gradient, a[0], (float *[]){a[1], a[2]});
            cr_optimizer_step(&params, &late, 1, 0, N, step + 3, 0.1, gradient, b[0], (float *[]){b[1], b[2]});
        }
        assert_memory_equal(a, b, sizeof a);
    }
}

/* AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) after four updates. */
static void averages_as_pytorch(void **state)
{
    (void)state;
    const double decays[] = {0.9, 0.999, 0.3};
    const double want[3][4] = {{1.561000108718872, 1.4630000591278076, 0.41224998235702515, 2.843899965286255},
                               {1.0059961080551147, -0.9740139842033386, 0.4990425109863281, 2.8994007110595703},
                               {3.5829999446868896, 11.368999481201172, 0.15174999833106995, 2.641700029373169}};
    for (int d = 0; d < 3; d++) {
        float average[4] = {NAN, NAN, NAN, NAN};
        for (int step = 1; step <= STEPS; step++) {
            float s = (float)step;
            cr_ema_update(decays[d], step, 4, (float[]){s, s * s - 2, 0.5F / s, 3 - 0.1F * s}, average);
        }
        for (int i = 0; i < 4; i++)
            near(average[i], want[d][i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clips_as_pytorch), cmocka_unit_test(scales_the_gradient),
                                       cmocka_unit_test(a_late_span_counts_its_own_steps),
                                       cmocka_unit_test(averages_as_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
