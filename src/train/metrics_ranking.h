/* Scores of one class against the rest that depend only on the order of the samples by probability. */
#ifndef CRISOL_TRAIN_METRICS_RANKING_H
#define CRISOL_TRAIN_METRICS_RANKING_H

#include <stdint.h>

/* `column`: the class's probability of sample i is column[i * stride], ≥ 0. `keys`, `spare`: [n] scratch. NaN where
 * undefined: the area when the class is absent or the only one, the precision when it is absent.
 * Source: sklearn.metrics.roc_auc_score (trapezoids, so ties count half) and average_precision_score
 * (Σ (R_n - R_{n-1}) · P_n over the distinct probabilities, descending). */
void cr_metrics_rank_class(int64_t n, const double *column, int64_t stride, const int32_t *labels, int32_t label,
                           uint64_t *keys, uint64_t *spare, double *roc_auc, double *average_precision);

#endif
