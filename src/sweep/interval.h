#ifndef CRISOL_INTERVAL_H
#define CRISOL_INTERVAL_H

#include <stdint.h>

/* Mean of n ≤ 30 values and its 95 % confidence interval by Student's t, mean ± t(0.975, n - 1) · s / √n (NIST/SEMATECH
 * e-Handbook of Statistical Methods, 1.3.5.2). NaN where undefined: all of it for n = 0, the interval for n = 1. */
void cr_mean_interval(const double *values, int64_t n, double *mean, double *low, double *high);

#endif
