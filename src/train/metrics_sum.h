/* The order in which NumPy adds, so that an average rounds as scikit-learn's does and a report's last digit agrees. */
#ifndef CRISOL_TRAIN_METRICS_SUM_H
#define CRISOL_TRAIN_METRICS_SUM_H

#include <stdint.h>

typedef double cr_metrics_term(const void *context, int64_t i);

/* Σ term(i) over [begin, begin + n): NumPy's pairwise summation (numpy/_core/src/umath/loops_utils.h, pairwise_sum):
 * up to 7 terms in turn, up to 128 in eight partial sums, more by halves. */
double cr_metrics_sum(cr_metrics_term *term, const void *context, int64_t begin, int64_t n);

#endif
