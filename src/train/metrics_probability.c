#include "crisol/metrics.h"

#include "metrics_ranking.h"
#include "metrics_sum.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    ECE_BINS = 15
};
static const int64_t max_samples = (int64_t)1 << 31; /* pairs of samples are counted in 64 bits */

typedef struct samples {
    int64_t n, n_classes;
    const double *probabilities;
    const int32_t *labels;
} samples;

int32_t cr_argmax(const float *values, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return (int32_t)best;
}

void cr_softmax(const float *logits, int64_t n, double *probabilities)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, (double)logits[i]);
    for (int64_t i = 0; i < n; i++) {
        probabilities[i] = exp((double)logits[i] - largest);
        sum += probabilities[i];
    }
    for (int64_t i = 0; i < n; i++)
        probabilities[i] /= sum;
}

static cr_status check_samples(const samples *s)
{
    if (s->n < 1 || s->n > max_samples || s->n_classes < 1 || s->n_classes > INT32_MAX / (int64_t)sizeof(double))
        return cr_fail(CR_BAD_DATA, "scores need 1 to %lld samples and at least 1 class; there are %lld and %lld",
                       (long long)max_samples, (long long)s->n, (long long)s->n_classes);
    for (int64_t i = 0; i < s->n; i++) {
        if (s->labels[i] < 0 || s->labels[i] >= s->n_classes)
            return cr_fail(CR_BAD_DATA, "sample %lld has label %d; there are %lld classes", (long long)i, s->labels[i],
                           (long long)s->n_classes);
        for (int64_t c = 0; c < s->n_classes; c++) {
            double p = s->probabilities[i * s->n_classes + c];
            if (!isfinite(p))
                return cr_fail(CR_NON_FINITE, "sample %lld has a probability that is not finite (class %lld)",
                               (long long)i, (long long)c);
            if (p < 0)
                return cr_fail(CR_BAD_DATA, "sample %lld has the negative probability %g (class %lld)", (long long)i, p,
                               (long long)c);
        }
    }
    return CR_OK;
}

static double log_loss_term(const void *context, int64_t i)
{
    const samples *s = context;
    double p = s->probabilities[i * s->n_classes + s->labels[i]];
    return -log(fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON));
}

/* Share of samples whose label is among the two most probable classes; of equal ones the lower index goes first. */
static double top2_accuracy(const samples *s)
{
    int64_t n_right = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const double *row = s->probabilities + i * s->n_classes;
        int32_t label = s->labels[i];
        int64_t before = 0;
        for (int64_t c = 0; c < s->n_classes; c++)
            before += row[c] > row[label] || (row[c] == row[label] && c < label);
        n_right += before < 2;
    }
    return (double)n_right / (double)s->n;
}

/* Expected calibration error, equal-width bins over the confidence. Source: Guo, Pleiss, Sun, Weinberger, "On
 * Calibration of Modern Neural Networks", 2017, equation 3. */
static double calibration_error(const samples *s)
{
    int64_t count[ECE_BINS] = {0}, n_right[ECE_BINS] = {0};
    double confidence[ECE_BINS] = {0};
    for (int64_t i = 0; i < s->n; i++) {
        const double *row = s->probabilities + i * s->n_classes;
        int64_t best = 0;
        for (int64_t c = 1; c < s->n_classes; c++)
            if (row[c] > row[best])
                best = c;
        int bin = (int)fmin(row[best] * ECE_BINS, ECE_BINS - 1);
        count[bin]++;
        n_right[bin] += best == s->labels[i];
        confidence[bin] += row[best];
    }
    double sum = 0;
    for (int b = 0; b < ECE_BINS; b++)
        sum += fabs((double)n_right[b] - confidence[b]);
    return sum / (double)s->n;
}

static cr_status rank_classes(const samples *s, cr_probability_scores *scores, double *roc_auc,
                              double *average_precision)
{
    cr_status status = CR_OK;
    double auc_sum = 0, precision_sum = 0;
    int64_t n_auc = 0, n_precision = 0;
    uint64_t *keys = malloc((size_t)s->n * sizeof *keys), *spare = malloc((size_t)s->n * sizeof *spare);
    if (!keys || !spare) {
        status = cr_fail(CR_INTERNAL, "out of memory for ranking %lld samples", (long long)s->n);
        goto done;
    }
    for (int64_t c = 0; c < s->n_classes; c++) {
        double auc, precision;
        cr_metrics_rank_class(s->n, s->probabilities + c, s->n_classes, s->labels, (int32_t)c, keys, spare, &auc,
                              &precision);
        if (!isnan(auc)) {
            auc_sum += auc;
            n_auc++;
        }
        if (!isnan(precision)) {
            precision_sum += precision;
            n_precision++;
        }
        if (roc_auc)
            roc_auc[c] = auc;
        if (average_precision)
            average_precision[c] = precision;
    }
    scores->roc_auc_over_defined = n_auc > 0 ? auc_sum / (double)n_auc : NAN;
    scores->roc_auc_macro = n_auc == s->n_classes ? scores->roc_auc_over_defined : NAN;
    scores->average_precision_macro = n_precision > 0 ? precision_sum / (double)n_precision : NAN;
done:
    free(keys);
    free(spare);
    return status;
}

cr_status cr_probability_scores_compute(int64_t n, int64_t n_classes, const double *probabilities,
                                        const int32_t *labels, cr_probability_scores *scores, double *roc_auc,
                                        double *average_precision)
{
    cr_status status = CR_OK;
    samples s = {n, n_classes, probabilities, labels};
    *scores = (cr_probability_scores){0};
    CR_TRY(check_samples(&s));
    CR_TRY(rank_classes(&s, scores, roc_auc, average_precision));
    scores->log_loss = cr_metrics_sum(log_loss_term, &s, 0, n) / (double)n;
    scores->top2_accuracy = top2_accuracy(&s);
    scores->ece = calibration_error(&s);
done:
    return status;
}
