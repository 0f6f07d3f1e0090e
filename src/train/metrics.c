#include "crisol/metrics.h"

#include "metrics_sum.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    MAX_CLASSES = 4096
};

cr_status cr_confusion_create(int64_t n_classes, cr_confusion *confusion)
{
    *confusion = (cr_confusion){0};
    if (n_classes < 1 || n_classes > MAX_CLASSES)
        return cr_fail(CR_BAD_CONFIG, "%lld classes: from 1 to %d are possible", (long long)n_classes, MAX_CLASSES);
    confusion->counts = calloc((size_t)(n_classes * n_classes), sizeof *confusion->counts);
    if (!confusion->counts)
        return cr_fail(CR_INTERNAL, "out of memory for a confusion matrix of %lld classes", (long long)n_classes);
    confusion->n_classes = n_classes;
    return CR_OK;
}

void cr_confusion_destroy(cr_confusion *confusion)
{
    if (!confusion)
        return;
    free(confusion->counts);
    *confusion = (cr_confusion){0};
}

void cr_confusion_add(cr_confusion *confusion, int32_t truth, int32_t prediction)
{
    if (truth >= 0 && truth < confusion->n_classes && prediction >= 0 && prediction < confusion->n_classes)
        confusion->counts[truth * confusion->n_classes + prediction]++;
}

typedef struct class_counts {
    int64_t truth, predicted, right;
} class_counts;

static class_counts count_class(const cr_confusion *confusion, int64_t c)
{
    int64_t k = confusion->n_classes;
    class_counts counts = {.right = confusion->counts[c * k + c]};
    for (int64_t i = 0; i < k; i++) {
        counts.truth += confusion->counts[c * k + i];
        counts.predicted += confusion->counts[i * k + c];
    }
    return counts;
}

/* zero_division = 0 */
static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Source: sklearn.metrics.precision_recall_fscore_support, beta 1. */
static cr_class_scores score_class(const cr_confusion *confusion, int64_t c)
{
    class_counts n = count_class(confusion, c);
    return (cr_class_scores){
        .precision = ratio((double)n.right, (double)n.predicted),
        .recall = ratio((double)n.right, (double)n.truth),
        .f1 = ratio(2 * (double)n.right, (double)n.truth + (double)n.predicted),
        .support = n.truth,
    };
}

typedef struct average {
    const cr_confusion *confusion;
    enum {
        PRECISION,
        RECALL,
        F1
    } which;
    bool weighted; /* by support */
} average;

static double average_term(const void *context, int64_t c)
{
    const average *a = context;
    cr_class_scores scores = score_class(a->confusion, c);
    double value = a->which == PRECISION ? scores.precision : a->which == RECALL ? scores.recall : scores.f1;
    return a->weighted ? value * (double)scores.support : value;
}

static double macro(const cr_confusion *confusion, int which)
{
    average a = {.confusion = confusion, .which = which};
    return cr_metrics_sum(average_term, &a, 0, confusion->n_classes) / (double)confusion->n_classes;
}

static double weighted(const cr_confusion *confusion, int which, int64_t n_samples)
{
    average a = {.confusion = confusion, .which = which, .weighted = true};
    return ratio(cr_metrics_sum(average_term, &a, 0, confusion->n_classes), (double)n_samples);
}

/* Source: sklearn.metrics.cohen_kappa_score without weights, with both sides multiplied by the number of samples
 * squared, so that everything but the last division is a whole number. */
static double kappa(int64_t n_samples, int64_t n_right, double chance)
{
    double n = (double)n_samples;
    return 1 - (n - (double)n_right) * n / (n * n - chance);
}

void cr_scores_compute(const cr_confusion *confusion, cr_scores *scores, cr_class_scores *classes)
{
    *scores = (cr_scores){0};
    int64_t n_right = 0, n_present = 0;
    double chance = 0; /* Σ truth · predicted */
    for (int64_t c = 0; c < confusion->n_classes; c++) {
        class_counts n = count_class(confusion, c);
        scores->n_samples += n.truth;
        n_right += n.right;
        n_present += n.truth > 0;
        chance += (double)n.truth * (double)n.predicted;
        if (classes)
            classes[c] = score_class(confusion, c);
    }
    scores->accuracy = ratio((double)n_right, (double)scores->n_samples);
    scores->precision_macro = macro(confusion, PRECISION);
    scores->recall_macro = macro(confusion, RECALL);
    scores->f1_macro = macro(confusion, F1);
    scores->precision_weighted = weighted(confusion, PRECISION, scores->n_samples);
    scores->recall_weighted = weighted(confusion, RECALL, scores->n_samples);
    scores->f1_weighted = weighted(confusion, F1, scores->n_samples);
    average recalls = {.confusion = confusion, .which = RECALL}; /* 0 where a class is absent */
    scores->balanced_accuracy =
        ratio(cr_metrics_sum(average_term, &recalls, 0, confusion->n_classes), (double)n_present);
    scores->kappa = kappa(scores->n_samples, n_right, chance);
}
