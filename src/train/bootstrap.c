#include "bootstrap.h"

#include "crisol/metrics.h"
#include "crisol/rng.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked { /* a sample in the order of a probability, most probable first */
    int32_t sample;
    bool positive;   /* the class is the sample's */
    bool ends_a_tie; /* the next one is less probable */
} ranked;

typedef struct keyed {
    double probability;
    int32_t sample, label;
} keyed;

typedef struct resampler {
    const cr_bootstrap_params *params;
    int64_t n_groups;
    int32_t *group;   /* [n] 0 … n_groups - 1 */
    int32_t *times;   /* [n_groups] how often a group was drawn */
    ranked *by_class; /* [n_classes][n] */
    ranked *pooled;   /* [n · n_classes] */
    double *losses;   /* [n] log loss of a sample */
    cr_confusion confusion;
    double *draws; /* [figures][n_resamples] */
} resampler;

const char *cr_bootstrap_name(cr_bootstrap_figure figure)
{
    static const char *const names[CR_N_BOOTSTRAP_FIGURES] = {
        "accuracy", "balanced_accuracy", "precision_macro",      "recall_macro", "f1_macro", "f1_weighted",
        "kappa",    "log_loss",          "roc_auc_over_defined", "odir_score"};
    return names[figure];
}

/* --- once ------------------------------------------------------------------------------------------------------- */

static int compare_groups(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static cr_status number_groups(resampler *r)
{
    int64_t n = r->params->n, n_groups = 0;
    int64_t *sorted = malloc((size_t)n * sizeof *sorted);
    r->group = malloc((size_t)n * sizeof *r->group);
    r->times = calloc((size_t)n, sizeof *r->times);
    if (!sorted || !r->group || !r->times) {
        free(sorted);
        return cr_fail_memory("groups", (size_t)n * sizeof *sorted);
    }
    memcpy(sorted, r->params->groups, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_groups);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || sorted[i] != sorted[n_groups - 1])
            sorted[n_groups++] = sorted[i];
    for (int64_t i = 0; i < n; i++) {
        const int64_t *found = bsearch(&r->params->groups[i], sorted, (size_t)n_groups, sizeof *sorted, compare_groups);
        r->group[i] = found ? (int32_t)(found - sorted) : 0;
    }
    r->n_groups = n_groups;
    free(sorted);
    return CR_OK;
}

/* Descending; of equal ones the order is of no account, but must not depend on the library's sort. */
static int compare_keyed(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? 1 : -1;
    return x->sample != y->sample ? (x->sample > y->sample ? 1 : -1) : (x->label > y->label) - (x->label < y->label);
}

/* Sorts `n` pairs of sample and class. */
static void rank_pairs(const resampler *r, keyed *keys, int64_t n, ranked *order)
{
    qsort(keys, (size_t)n, sizeof *keys, compare_keyed);
    for (int64_t i = 0; i < n; i++)
        order[i] = (ranked){keys[i].sample, r->params->labels[keys[i].sample] == keys[i].label,
                            i + 1 == n || keys[i + 1].probability != keys[i].probability};
}

static cr_status rank_samples(resampler *r)
{
    int64_t n = r->params->n, k = r->params->n_classes;
    keyed *keys = malloc((size_t)(n * k) * sizeof *keys);
    r->by_class = malloc((size_t)(n * k) * sizeof *r->by_class);
    r->pooled = malloc((size_t)(n * k) * sizeof *r->pooled);
    r->losses = malloc((size_t)n * sizeof *r->losses);
    if (!keys || !r->by_class || !r->pooled || !r->losses) {
        free(keys);
        return cr_fail_memory("ranked samples", (size_t)(n * k) * sizeof *keys);
    }
    for (int64_t c = 0; c < k; c++) {
        for (int64_t i = 0; i < n; i++)
            keys[i] = (keyed){r->params->probabilities[i * k + c], (int32_t)i, (int32_t)c};
        rank_pairs(r, keys, n, r->by_class + c * n);
    }
    for (int64_t i = 0; i < n * k; i++)
        keys[i] = (keyed){r->params->probabilities[i], (int32_t)(i / k), (int32_t)(i % k)};
    rank_pairs(r, keys, n * k, r->pooled);
    for (int64_t i = 0; i < n; i++) { /* clipped as in cr_probability_scores */
        double p = r->params->probabilities[i * k + r->params->labels[i]];
        r->losses[i] = -log(fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON));
    }
    free(keys);
    return CR_OK;
}

/* --- each resample ---------------------------------------------------------------------------------------------- */

static int64_t weight(const resampler *r, int64_t sample)
{
    return r->times[r->group[sample]];
}

/* ROC AUC with integer weights, ties counting half; NaN where one side has no weight. As cr_metrics_rank_class(). */
static double weighted_auc(const resampler *r, const ranked *order, int64_t n)
{
    int64_t n_true = 0, n_false = 0, more_true = 0, more_false = 0;
    double double_area = 0; /* twice the pairs in the right order: a whole number, exact below 2^53 */
    for (int64_t i = 0; i < n; i++) {
        int64_t w = weight(r, order[i].sample);
        more_true += order[i].positive ? w : 0;
        more_false += order[i].positive ? 0 : w;
        if (!order[i].ends_a_tie)
            continue;
        double_area += (double)more_false * (double)(2 * n_true + more_true);
        n_true += more_true;
        n_false += more_false;
        more_true = more_false = 0;
    }
    return n_true && n_false ? double_area / (2 * (double)n_true * (double)n_false) : NAN;
}

static double mean_auc(const resampler *r)
{
    double sum = 0;
    int64_t n_defined = 0;
    for (int64_t c = 0; c < r->params->n_classes; c++) {
        double auc = weighted_auc(r, r->by_class + c * r->params->n, r->params->n);
        if (isnan(auc))
            continue;
        sum += auc;
        n_defined++;
    }
    return n_defined ? sum / (double)n_defined : NAN;
}

static double odir_score(const resampler *r)
{
    const cr_bootstrap_params *p = r->params;
    int64_t counts[4] = {0};
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t c = 0; c < p->n_classes; c++)
            counts[2 * (p->labels[i] == c) + (p->probabilities[i * p->n_classes + c] > 0.5)] += weight(r, i);
    cr_odir_scores scores;
    cr_odir_scores_from(counts, weighted_auc(r, r->pooled, p->n * p->n_classes), &scores);
    return scores.score;
}

static void draw_groups(resampler *r, int64_t resample)
{
    cr_rng rng = cr_rng_make(r->params->seed, CR_RNG_BOOTSTRAP, r->params->stream, (uint64_t)resample);
    memset(r->times, 0, (size_t)r->n_groups * sizeof *r->times);
    for (int64_t g = 0; g < r->n_groups; g++)
        r->times[cr_rng_below(&rng, (uint64_t)r->n_groups)]++;
}

static void resample(resampler *r, int64_t at)
{
    const cr_bootstrap_params *p = r->params;
    cr_scores scores;
    double loss = 0, n_weighted = 0;
    draw_groups(r, at);
    memset(r->confusion.counts, 0, (size_t)(p->n_classes * p->n_classes) * sizeof *r->confusion.counts);
    for (int64_t i = 0; i < p->n; i++) {
        r->confusion.counts[p->labels[i] * p->n_classes + p->predictions[i]] += weight(r, i);
        loss += (double)weight(r, i) * r->losses[i];
        n_weighted += (double)weight(r, i);
    }
    cr_scores_compute(&r->confusion, &scores, NULL);
    const double figures[CR_N_BOOTSTRAP_FIGURES] = {
        [CR_BOOTSTRAP_ACCURACY] = scores.accuracy,
        [CR_BOOTSTRAP_BALANCED_ACCURACY] = scores.balanced_accuracy,
        [CR_BOOTSTRAP_PRECISION_MACRO] = scores.precision_macro,
        [CR_BOOTSTRAP_RECALL_MACRO] = scores.recall_macro,
        [CR_BOOTSTRAP_F1_MACRO] = scores.f1_macro,
        [CR_BOOTSTRAP_F1_WEIGHTED] = scores.f1_weighted,
        [CR_BOOTSTRAP_KAPPA] = scores.kappa,
        [CR_BOOTSTRAP_LOG_LOSS] = loss / n_weighted,
        [CR_BOOTSTRAP_ROC_AUC_OVER_DEFINED] = mean_auc(r),
        [CR_BOOTSTRAP_ODIR_SCORE] = odir_score(r),
    };
    for (int f = 0; f < CR_N_BOOTSTRAP_FIGURES; f++)
        r->draws[f * p->n_resamples + at] = figures[f];
}

/* --- percentiles ------------------------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* numpy.percentile, method "linear" */
static double percentile(const double *sorted, int64_t n, double share)
{
    double position = share * (double)(n - 1);
    int64_t below = (int64_t)position;
    int64_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (position - (double)below);
}

static void find_bounds(double *draws, int64_t n, double *low, double *high)
{
    int64_t n_defined = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(draws[i]))
            draws[n_defined++] = draws[i];
    qsort(draws, (size_t)n_defined, sizeof *draws, compare_doubles);
    *low = n_defined ? percentile(draws, n_defined, 0.025) : NAN;
    *high = n_defined ? percentile(draws, n_defined, 0.975) : NAN;
}

cr_status cr_bootstrap_compute(const cr_bootstrap_params *params, cr_bootstrap *result)
{
    resampler r = {.params = params};
    cr_status status = CR_OK;
    size_t bytes = (size_t)(CR_N_BOOTSTRAP_FIGURES * params->n_resamples) * sizeof *r.draws;
    if (params->n < 1 || params->n > INT32_MAX || params->n_resamples < 1)
        return cr_fail(CR_BAD_DATA, "a bootstrap needs 1 to %d samples, not %lld", INT32_MAX, (long long)params->n);
    CR_TRY(cr_confusion_create(params->n_classes, &r.confusion));
    r.draws = malloc(bytes);
    if (!r.draws) {
        status = cr_fail_memory("bootstrap resamples", bytes);
        goto done;
    }
    CR_TRY(number_groups(&r));
    CR_TRY(rank_samples(&r));
    for (int64_t i = 0; i < params->n_resamples; i++)
        resample(&r, i);
    *result = (cr_bootstrap){.n_groups = r.n_groups, .n_resamples = params->n_resamples};
    for (int f = 0; f < CR_N_BOOTSTRAP_FIGURES; f++)
        find_bounds(r.draws + f * params->n_resamples, params->n_resamples, &result->low[f], &result->high[f]);
done:
    cr_confusion_destroy(&r.confusion);
    free(r.group);
    free(r.times);
    free(r.by_class);
    free(r.pooled);
    free(r.losses);
    free(r.draws);
    return status;
}
