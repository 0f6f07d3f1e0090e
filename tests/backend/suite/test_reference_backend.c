/* The reference backend against finite differences, and through the suite that it judges others by. */
#include "backend_suite.h"
#include "fusion_case.h"
#include "parity.h"
#include "reference_backend.h"
#include "suite_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ELEMENTS = 6 /* of each tensor */
};
static const double step = 0x1p-13; /* exact in float32 beside weights of order 1 */

static const suite_target target = {.name = "reference",
                                    .open = reference_backend_open,
                                    .precision = CR_PRECISION_F32,
                                    .tolerance = 1e-7,
                                    .margin = 1e-6};

typedef struct probe {
    suite_case c;
    suite_result result;
    cr_program *program;
} probe;

/* Loss with element i of the state moved by about `by`; *moved is what float32 made of it. */
static double loss_at(probe *p, int64_t i, double by, double *moved, uint64_t *piece)
{
    float kept = p->c.state[i];
    p->c.state[i] = (float)((double)kept + by);
    *moved = (double)p->c.state[i] - (double)kept;
    assert_int_equal(suite_train(p->program, &p->c, p->c.state, &p->result), CR_OK);
    p->c.state[i] = kept;
    *piece = reference_piece(p->program);
    double loss = 0;
    for (int64_t s = 0; s < p->c.n; s++)
        loss += p->result.losses[s] / p->c.loss.weight_sum;
    return loss;
}

/* Worst error over the largest derivative of the net; elements whose two sides lie on different smooth pieces (a ReLU
 * or a pool's choice turned over) have no difference quotient and are only counted. */
static double worst_difference(probe *p, int64_t *n_compared, int64_t *n_all)
{
    const cr_net *net = p->c.net;
    int64_t n = net->n_params;
    double *gradient = calloc((size_t)n, sizeof *gradient), worst = 0, scale = 0, unused;
    assert_non_null(gradient);
    uint64_t piece, below, above;
    loss_at(p, 0, 0, &unused, &piece);
    memcpy(gradient, reference_gradient(p->program), (size_t)n * sizeof *gradient);
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(gradient[i]));
    for (int t = 0; t < net->n_param_tensors; t++)
        for (int64_t k = 0; k < ELEMENTS; k++) {
            int64_t i = net->tensors[t].offset + k * net->tensors[t].count / ELEMENTS;
            double up, down;
            double high = loss_at(p, i, step, &up, &above), low = loss_at(p, i, -step, &down, &below);
            ++*n_all;
            if (above != piece || below != piece)
                continue;
            ++*n_compared;
            worst = fmax(worst, fabs((high - low) / (up - down) - gradient[i]) / scale);
        }
    free(gradient);
    return worst;
}

static void test_finite_differences(void **state)
{
    (void)state;
    cr_backend *backend = NULL;
    bool good = true;
    int64_t n_compared = 0, n_all = 0;
    assert_int_equal(reference_backend_open(&backend), CR_OK);
    for (int i = 0; i < suite_n_nets(); i++)
        for (int smooth = 0; smooth <= 1; smooth++) {
            probe p = {0};
            suite_case_open(i, 1, smooth, &p.c);
            suite_result_make(&p.c, &p.result);
            assert_int_equal(suite_program(backend, &target, &p.c, true, &p.program), CR_OK);
            double worst = worst_difference(&p, &n_compared, &n_all);
            char what[128];
            snprintf(what, sizeof what, "finite differences, %s", p.c.name);
            good &= parity_line(what, worst, 1e-7);
            cr_program_destroy(&p.program);
            suite_result_free(&p.result);
            suite_case_close(&p.c);
        }
    cr_backend_close(&backend);
    printf("%lld of %lld elements compared\n", (long long)n_compared, (long long)n_all);
    assert_true(n_compared > n_all * 3 / 4);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finite_differences)};
    return cmocka_run_group_tests_name("reference backend", tests, NULL, NULL) + backend_suite_run(&target);
}
