#include "crisol/metrics.h"
#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-13))
        fail_msg("%.17g, expected %.17g", got, want);
}

static void scores_of_a_small_matrix(void **state)
{
    (void)state;
    static const int64_t counts[9] = {5, 1, 0, /**/ 2, 3, 0, /**/ 0, 0, 0}; /* class 2 never occurs */
    cr_confusion confusion;
    assert_int_equal(cr_confusion_create(3, &confusion), CR_OK);
    for (int32_t truth = 0; truth < 3; truth++)
        for (int32_t prediction = 0; prediction < 3; prediction++)
            for (int64_t i = 0; i < counts[truth * 3 + prediction]; i++)
                cr_confusion_add(&confusion, truth, prediction);
    assert_memory_equal(confusion.counts, counts, sizeof counts);
    cr_scores s;
    cr_class_scores classes[3];
    cr_scores_compute(&confusion, &s, classes);
    double p0 = 5 / 7., r0 = 5 / 6., f0 = 10 / 13., p1 = 3 / 4., r1 = 3 / 5., f1 = 6 / 9.;
    assert_int_equal(s.n_samples, 11);
    assert_close(s.accuracy, 8 / 11.);
    assert_close(s.balanced_accuracy, (r0 + r1) / 2);
    assert_close(s.precision_macro, (p0 + p1) / 3);
    assert_close(s.recall_macro, (r0 + r1) / 3);
    assert_close(s.f1_macro, (f0 + f1) / 3);
    assert_close(s.f1_weighted, (6 * f0 + 5 * f1) / 11);
    double chance = (6 * 7 + 5 * 4) / 121.;
    assert_close(s.kappa, (8 / 11. - chance) / (1 - chance));
    assert_close(classes[1].precision, p1);
    assert_close(classes[1].f1, f1);
    assert_int_equal(classes[1].support, 5);
    assert_true(classes[2].precision == 0 && classes[2].f1 == 0 && classes[2].support == 0);
    cr_scores without_classes;
    cr_scores_compute(&confusion, &without_classes, NULL);
    assert_memory_equal(&s, &without_classes, sizeof s);
    cr_confusion_destroy(&confusion);
    assert_null(confusion.counts);
    cr_confusion_destroy(&confusion);
    cr_confusion_destroy(NULL);
}

static void empty_and_impossible_matrices(void **state)
{
    (void)state;
    cr_confusion confusion;
    assert_int_equal(cr_confusion_create(0, &confusion), CR_BAD_CONFIG);
    assert_int_equal(cr_confusion_create(-3, &confusion), CR_BAD_CONFIG);
    assert_int_equal(cr_confusion_create((int64_t)1 << 40, &confusion), CR_BAD_CONFIG);
    assert_null(confusion.counts);
    assert_int_equal(cr_confusion_create(2, &confusion), CR_OK);
    cr_confusion_add(&confusion, 2, 0);
    cr_confusion_add(&confusion, 0, -1);
    cr_scores s;
    cr_scores_compute(&confusion, &s, NULL);
    assert_int_equal(s.n_samples, 0);
    assert_true(s.accuracy == 0 && s.f1_macro == 0 && s.f1_weighted == 0 && isnan(s.kappa));
    cr_confusion_destroy(&confusion);
}

enum {
    N = 400,
    K = 5
};
typedef struct draw {
    double p[N * K];
    int32_t labels[N];
} draw;

/* Probabilities on a coarse grid, so that most are tied. */
static void draw_samples(draw *d, uint64_t seed)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        d->labels[i] = (int32_t)cr_rng_below(&rng, K - 1); /* the last class never occurs */
        for (int c = 0; c < K; c++)
            sum += d->p[i * K + c] = 1 + (double)cr_rng_below(&rng, 4) + 3 * (c == d->labels[i]);
        for (int c = 0; c < K; c++)
            d->p[i * K + c] /= sum;
    }
}

/* Over all pairs, and over all thresholds: the definitions, in squared time. */
static double auc_by_pairs(const draw *d, int c)
{
    double good = 0, pairs = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            if (d->labels[i] != c || d->labels[j] == c)
                continue;
            double a = d->p[i * K + c], b = d->p[j * K + c];
            good += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    }
    return good / pairs;
}

static double precision_by_thresholds(const draw *d, int c)
{
    double sum = 0, n_true = 0;
    for (int i = 0; i < N; i++) {
        if (d->labels[i] != c)
            continue; /* every positive counts with the precision at its own threshold */
        double right = 0, taken = 0;
        for (int j = 0; j < N; j++) {
            if (d->p[j * K + c] >= d->p[i * K + c]) {
                taken++;
                right += d->labels[j] == c;
            }
        }
        sum += right / taken;
        n_true++;
    }
    return sum / n_true;
}

static void ranking_equals_its_definition(void **state)
{
    (void)state;
    static draw d;
    for (uint64_t seed = 0; seed < 5; seed++) {
        draw_samples(&d, seed);
        cr_probability_scores s;
        double auc[K], precision[K], auc_sum = 0, precision_sum = 0;
        assert_int_equal(cr_probability_scores_compute(N, K, d.p, d.labels, &s, auc, precision), CR_OK);
        for (int c = 0; c < K - 1; c++) {
            assert_close(auc[c], auc_by_pairs(&d, c));
            assert_close(precision[c], precision_by_thresholds(&d, c));
            auc_sum += auc[c];
            precision_sum += precision[c];
        }
        assert_true(isnan(auc[K - 1]) && isnan(precision[K - 1]) && isnan(s.roc_auc_macro));
        assert_close(s.roc_auc_over_defined, auc_sum / (K - 1));
        assert_close(s.average_precision_macro, precision_sum / (K - 1));
        cr_probability_scores alone;
        assert_int_equal(cr_probability_scores_compute(N, K, d.p, d.labels, &alone, NULL, NULL), CR_OK);
        assert_true(alone.log_loss == s.log_loss && alone.ece == s.ece && alone.top2_accuracy == s.top2_accuracy);
    }
}

/* Positives are the odd samples; sample i has probability i/n: each positive beats all negatives below it. */
static void a_million_samples(void **state)
{
    (void)state;
    enum {
        MANY = 1000000
    };
    double *p = malloc(2 * MANY * sizeof *p);
    int32_t *labels = malloc(MANY * sizeof *labels);
    assert_non_null(p);
    assert_non_null(labels);
    for (int i = 0; i < MANY; i++) {
        int at = (int)((uint64_t)i * 700001 % MANY); /* not in order */
        p[2 * i + 1] = (double)at / MANY;
        p[2 * i] = 1 - p[2 * i + 1];
        labels[i] = at & 1;
    }
    cr_probability_scores s;
    double auc[2];
    assert_int_equal(cr_probability_scores_compute(MANY, 2, p, labels, &s, auc, NULL), CR_OK);
    double half = MANY / 2., pairs = half * half, good = half * (half + 1) / 2;
    assert_close(auc[1], good / pairs);
    assert_true(s.top2_accuracy == 1);
    free(p);
    free(labels);
}

static void bad_samples_are_named(void **state)
{
    (void)state;
    double p[4] = {0.5, 0.5, 0.25, 0.75};
    int32_t labels[2] = {0, 1};
    cr_probability_scores s;
    assert_int_equal(cr_probability_scores_compute(2, 2, p, labels, &s, NULL, NULL), CR_OK);
    assert_int_equal(cr_probability_scores_compute(0, 2, p, labels, &s, NULL, NULL), CR_BAD_DATA);
    labels[1] = 2;
    assert_int_equal(cr_probability_scores_compute(2, 2, p, labels, &s, NULL, NULL), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "sample 1 has label 2"));
    labels[1] = 1;
    p[2] = NAN;
    assert_int_equal(cr_probability_scores_compute(2, 2, p, labels, &s, NULL, NULL), CR_NON_FINITE);
    p[2] = -0.25;
    assert_int_equal(cr_probability_scores_compute(2, 2, p, labels, &s, NULL, NULL), CR_BAD_DATA);
}

static void argmax_and_softmax(void **state)
{
    (void)state;
    assert_int_equal(cr_argmax((float[]){1, 3, 3, 2}, 4), 1);
    assert_int_equal(cr_argmax((float[]){-1}, 1), 0);
    double p[3];
    cr_softmax((float[]){1000, 1001, -INFINITY}, 3, p);
    assert_close(p[0], 1 / (1 + exp(1)));
    assert_close(p[1], exp(1) / (1 + exp(1)));
    assert_true(p[2] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_of_a_small_matrix),      cmocka_unit_test(empty_and_impossible_matrices),
        cmocka_unit_test(ranking_equals_its_definition), cmocka_unit_test(a_million_samples),
        cmocka_unit_test(bad_samples_are_named),         cmocka_unit_test(argmax_and_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
