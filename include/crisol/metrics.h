/* Classification metrics with scikit-learn's definitions (sklearn.metrics 1.9, labels = range(K), zero_division = 0),
 * from integer counts and from per-sample probabilities in sample order, so the same at any number of ranks. */
#ifndef CRISOL_METRICS_H
#define CRISOL_METRICS_H

#include "crisol/status.h"

#include <stdint.h>

struct json_t;

typedef struct cr_confusion { /* counts[truth * n_classes + prediction] */
    int64_t n_classes;
    int64_t *counts;
} cr_confusion;
CR_NODISCARD cr_status cr_confusion_create(int64_t n_classes, cr_confusion *confusion);
void cr_confusion_destroy(cr_confusion *confusion);
/* Both in 0 … n_classes - 1; anything else is not counted. */
void cr_confusion_add(cr_confusion *confusion, int32_t truth, int32_t prediction);

typedef struct cr_class_scores {
    double precision, recall, f1;
    int64_t support;
} cr_class_scores;

typedef struct cr_scores {
    double accuracy, balanced_accuracy; /* balanced: over classes present in truth */
    double precision_macro, recall_macro, f1_macro;
    double precision_weighted, recall_weighted, f1_weighted;
    double kappa; /* Cohen's; NaN where undefined */
    int64_t n_samples;
} cr_scores;
/* `classes` [n_classes] may be null. */
void cr_scores_compute(const cr_confusion *confusion, cr_scores *scores, cr_class_scores *classes);

/* From probabilities [n, n_classes] in double, rows summing to 1. Errors: CR_BAD_DATA (no sample, a label out of range,
 * a negative probability), CR_NON_FINITE, each naming the sample. */
typedef struct cr_probability_scores {
    double log_loss;                /* clipped at 2^-52 */
    double roc_auc_macro;           /* one against rest; NaN if any class is undefined */
    double roc_auc_over_defined;    /* mean of the defined ones; NaN if none */
    double average_precision_macro; /* over the classes that truth has; NaN if none */
    double top2_accuracy;           /* ties to the lower index */
    double ece;                     /* 15 bins */
} cr_probability_scores;
/* roc_auc, average_precision: [n_classes], NaN where undefined; may be null. */
CR_NODISCARD cr_status cr_probability_scores_compute(int64_t n, int64_t n_classes, const double *probabilities,
                                                     const int32_t *labels, cr_probability_scores *scores,
                                                     double *roc_auc, double *average_precision);

/* The score of the ODIR-2019 challenge (odir2019.grand-challenge.org/task) as its published script computes it
 * (ODIR_evaluation.py, Shanggong Medical Technology, July 2019, function ODIR_Metrics; a public copy is in
 * github.com/serdna1/ODIR-5K-multi-label-classification), over all n · n_classes pairs of sample and
 * class pooled together (is this the sample's class? yes when its probability is above 0.5): Cohen's kappa of the
 * pairs, their F1 with average="micro" (both answers counted, so it is the share of right answers), the ROC AUC of the
 * pairs; score is the mean of the three. The challenge counts patients with several labels; here a sample has one
 * label. */
typedef struct cr_odir_scores {
    double kappa, f1, auc, score;
} cr_odir_scores;
/* Probabilities and labels as cr_probability_scores_compute() accepts them. */
CR_NODISCARD cr_status cr_odir_scores_compute(int64_t n, int64_t n_classes, const double *probabilities,
                                              const int32_t *labels, cr_odir_scores *scores);
/* The same from counts[truth * 2 + answer] of the pairs and their AUC. */
void cr_odir_scores_from(const int64_t counts[4], double auc, cr_odir_scores *scores);

/* First maximum. */
int32_t cr_argmax(const float *values, int64_t n);
/* Softmax of a row in double. */
void cr_softmax(const float *logits, int64_t n, double *probabilities);

/* scikit-learn's classification_report, byte for byte, malloc'ed; the caller frees. digits 2 or 4. */
CR_NODISCARD cr_status cr_classification_report(const cr_confusion *confusion, const char *const class_names[],
                                                int digits, char **text);
/* The confusion matrix as aligned text for a terminal, malloc'ed. */
CR_NODISCARD cr_status cr_confusion_text(const cr_confusion *confusion, const char *const class_names[], char **text);

#endif
