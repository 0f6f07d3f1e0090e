/* Where a label formula's values are cut into two classes. */
#ifndef CRISOL_LABEL_CUT_H
#define CRISOL_LABEL_CUT_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cr_label_cut {
    double lowest, span; /* scaled = (value - lowest) / span; 0 and 1 without scaling */
    double cut;          /* of the scaled values: class 1 lies strictly above */
} cr_label_cut;

/* Range (when `scale`) and median of `values` [n], n ≥ 1, all finite. The median of an even number is the mean of the
 * middle two. Errors: CR_BAD_DATA when all values are equal and `scale`; CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_label_cut_find(const double *values, int64_t n, bool scale, cr_label_cut *cut);
double cr_label_cut_scaled(const cr_label_cut *cut, double value);
/* 1 strictly above the cut, otherwise 0. */
int cr_label_cut_class(const cr_label_cut *cut, double value);

#endif
