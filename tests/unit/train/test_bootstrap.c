/* Bootstrap intervals: against the figures of an expanded sample, and where they are known. */
#include "bootstrap.h"

#include "crisol/metrics.h"
#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 60,
    K = 3,
    GROUPS = 25
};
typedef struct draw {
    double probabilities[N * K];
    int32_t labels[N], predictions[N];
    int64_t groups[N];
    cr_bootstrap_params params;
} draw;

/* Probabilities on a coarse grid, so that many are tied; group numbers with holes. */
static void draw_samples(draw *d)
{
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        float row[K];
        d->labels[i] = (int32_t)cr_rng_below(&rng, K);
        d->groups[i] = 1000 * (int64_t)(cr_rng_below(&rng, GROUPS)) - 7;
        for (int c = 0; c < K; c++)
            sum += d->probabilities[i * K + c] = 1 + (double)cr_rng_below(&rng, 4) + 2 * (c == d->labels[i]);
        for (int c = 0; c < K; c++) {
            d->probabilities[i * K + c] /= sum;
            row[c] = (float)d->probabilities[i * K + c];
        }
        d->predictions[i] = cr_argmax(row, K);
    }
    d->params = (cr_bootstrap_params){.n = N,
                                      .n_classes = K,
                                      .probabilities = d->probabilities,
                                      .labels = d->labels,
                                      .predictions = d->predictions,
                                      .groups = d->groups,
                                      .n_resamples = 1,
                                      .seed = 5,
                                      .stream = 2};
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One resample's sample, each member as often as its group was drawn: [n][K] and [n], n returned. */
static int64_t expand(const draw *d, double *probabilities, int32_t *labels, int64_t room)
{
    int64_t sorted[N], n_groups = 0, n = 0;
    int times[N] = {0};
    memcpy(sorted, d->groups, sizeof sorted);
    qsort(sorted, N, sizeof *sorted, compare);
    for (int i = 0; i < N; i++)
        if (i == 0 || sorted[i] != sorted[n_groups - 1])
            sorted[n_groups++] = sorted[i];
    cr_rng rng = cr_rng_make(d->params.seed, CR_RNG_BOOTSTRAP, d->params.stream, 0);
    for (int64_t g = 0; g < n_groups; g++)
        times[cr_rng_below(&rng, (uint64_t)n_groups)]++;
    for (int i = 0; i < N; i++) {
        int64_t g = 0;
        while (sorted[g] != d->groups[i])
            g++;
        for (int t = 0; t < times[g] && n < room; t++, n++) {
            memcpy(probabilities + n * K, d->probabilities + i * K, K * sizeof *probabilities);
            labels[n] = d->labels[i];
        }
    }
    return n;
}

/* With one resample both bounds are its figure: the weighted computation must give what the plain one gives on the
 * sample written out. */
static void test_one_resample(void **state)
{
    (void)state;
    static draw d;
    static double probabilities[8 * N * K];
    static int32_t labels[8 * N];
    draw_samples(&d);
    cr_bootstrap result;
    assert_int_equal(cr_bootstrap_compute(&d.params, &result), CR_OK);
    int64_t n = expand(&d, probabilities, labels, 8 * N);
    cr_confusion confusion;
    cr_scores scores;
    cr_probability_scores ranked;
    cr_odir_scores odir;
    assert_int_equal(cr_confusion_create(K, &confusion), CR_OK);
    for (int64_t i = 0; i < n; i++) {
        float row[K];
        for (int c = 0; c < K; c++)
            row[c] = (float)probabilities[i * K + c];
        cr_confusion_add(&confusion, labels[i], cr_argmax(row, K));
    }
    cr_scores_compute(&confusion, &scores, NULL);
    cr_confusion_destroy(&confusion);
    assert_int_equal(cr_probability_scores_compute(n, K, probabilities, labels, &ranked, NULL, NULL), CR_OK);
    assert_int_equal(cr_odir_scores_compute(n, K, probabilities, labels, &odir), CR_OK);
    const double expected[CR_N_BOOTSTRAP_FIGURES] = {
        [CR_BOOTSTRAP_ACCURACY] = scores.accuracy,
        [CR_BOOTSTRAP_BALANCED_ACCURACY] = scores.balanced_accuracy,
        [CR_BOOTSTRAP_PRECISION_MACRO] = scores.precision_macro,
        [CR_BOOTSTRAP_RECALL_MACRO] = scores.recall_macro,
        [CR_BOOTSTRAP_F1_MACRO] = scores.f1_macro,
        [CR_BOOTSTRAP_F1_WEIGHTED] = scores.f1_weighted,
        [CR_BOOTSTRAP_KAPPA] = scores.kappa,
        [CR_BOOTSTRAP_LOG_LOSS] = ranked.log_loss,
        [CR_BOOTSTRAP_ROC_AUC_OVER_DEFINED] = ranked.roc_auc_over_defined,
        [CR_BOOTSTRAP_ODIR_SCORE] = odir.score,
    };
    for (int f = 0; f < CR_N_BOOTSTRAP_FIGURES; f++) {
        if (!(fabs(result.low[f] - expected[f]) <= 1e-12))
            fail_msg("%s: %.17g instead of %.17g", cr_bootstrap_name((cr_bootstrap_figure)f), result.low[f],
                     expected[f]);
        assert_true(result.low[f] == result.high[f]);
    }
}

/* Independent coin tosses: accuracy is binomial, whose 95 % interval is known. */
static void test_width(void **state)
{
    (void)state;
    enum {
        MANY = 2000
    };
    static double probabilities[MANY * 2];
    static int32_t labels[MANY], predictions[MANY];
    static int64_t groups[MANY];
    for (int i = 0; i < MANY; i++) {
        groups[i] = i;
        predictions[i] = i % 5 == 0; /* a fifth is wrong */
        probabilities[2 * i + predictions[i]] = 0.75;
        probabilities[2 * i + 1 - predictions[i]] = 0.25;
    }
    cr_bootstrap_params params = {MANY, 2, probabilities, labels, predictions, groups, 1000, 1, 0};
    cr_bootstrap result, again;
    assert_int_equal(cr_bootstrap_compute(&params, &result), CR_OK);
    double half = 1.959964 * sqrt(0.2 * 0.8 / MANY);
    assert_int_equal(result.n_groups, MANY);
    assert_true(fabs(result.low[CR_BOOTSTRAP_ACCURACY] - (0.8 - half)) < 0.2 * half);
    assert_true(fabs(result.high[CR_BOOTSTRAP_ACCURACY] - (0.8 + half)) < 0.2 * half);
    assert_true(isnan(result.low[CR_BOOTSTRAP_ROC_AUC_OVER_DEFINED])); /* one class only */
    assert_int_equal(cr_bootstrap_compute(&params, &again), CR_OK);
    assert_memory_equal(result.high, again.high, sizeof(double) * CR_BOOTSTRAP_LOG_LOSS);
    for (int i = 0; i < MANY; i++)
        groups[i] = i / 5; /* every group has the same share of errors: nothing varies but the last digit */
    assert_int_equal(cr_bootstrap_compute(&params, &result), CR_OK);
    assert_true(result.low[CR_BOOTSTRAP_ACCURACY] == 0.8 && result.high[CR_BOOTSTRAP_ACCURACY] == 0.8);
}

/* 2 samples, 2 classes: pairs (truth: probability) 1: .9, 0: .1, 0: .6, 1: .4. */
static void test_odir_score(void **state)
{
    (void)state;
    const double probabilities[4] = {0.9, 0.1, 0.6, 0.4};
    const int32_t labels[2] = {0, 1};
    cr_odir_scores scores;
    assert_int_equal(cr_odir_scores_compute(2, 2, probabilities, labels, &scores), CR_OK);
    assert_true(scores.f1 == 0.5 && scores.auc == 0.75);
    assert_true(fabs(scores.kappa) < 1e-15);
    assert_true(fabs(scores.score - (0.5 + 0.75) / 3) < 1e-15);
}

static void test_refusals(void **state)
{
    (void)state;
    cr_bootstrap result;
    cr_bootstrap_params params = {.n_classes = 2, .n_resamples = 10};
    assert_int_equal(cr_bootstrap_compute(&params, &result), CR_BAD_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_resample), cmocka_unit_test(test_width),
                                       cmocka_unit_test(test_odir_score), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("bootstrap", tests, NULL, NULL);
}
