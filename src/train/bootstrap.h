/* Bootstrap intervals of the figures of an evaluation, over groups: samples of one group (one patient) are not
 * independent, so whole groups are drawn. Source: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter
 * 13 (percentile intervals). */
#ifndef CRISOL_BOOTSTRAP_H
#define CRISOL_BOOTSTRAP_H

#include "crisol/status.h"

#include <stdint.h>

typedef enum cr_bootstrap_figure { /* cr_bootstrap_name() names them as metrics.json does */
    CR_BOOTSTRAP_ACCURACY,
    CR_BOOTSTRAP_BALANCED_ACCURACY,
    CR_BOOTSTRAP_PRECISION_MACRO,
    CR_BOOTSTRAP_RECALL_MACRO,
    CR_BOOTSTRAP_F1_MACRO,
    CR_BOOTSTRAP_F1_WEIGHTED,
    CR_BOOTSTRAP_KAPPA,
    CR_BOOTSTRAP_LOG_LOSS,
    CR_BOOTSTRAP_ROC_AUC_OVER_DEFINED,
    CR_BOOTSTRAP_ODIR_SCORE,
    CR_N_BOOTSTRAP_FIGURES
} cr_bootstrap_figure;
const char *cr_bootstrap_name(cr_bootstrap_figure figure);

enum {
    CR_BOOTSTRAP_RESAMPLES = 1000
};

typedef struct cr_bootstrap_params {
    int64_t n, n_classes;
    const double *probabilities; /* [n, n_classes] */
    const int32_t *labels;       /* [n] */
    const int32_t *predictions;  /* [n] */
    const int64_t *groups;       /* [n] any numbers */
    int64_t n_resamples;
    uint64_t seed, stream; /* resample r draws from Philox (seed, CR_RNG_BOOTSTRAP, stream, r) */
} cr_bootstrap_params;

typedef struct cr_bootstrap {
    int64_t n_groups, n_resamples;
    double low[CR_N_BOOTSTRAP_FIGURES], high[CR_N_BOOTSTRAP_FIGURES]; /* 2.5 and 97.5 percent; NaN where no resample
                                                                         defines the figure */
} cr_bootstrap;

/* A resample draws as many groups as there are, with replacement, and takes each sample as often as its group was
 * drawn: integer weights, so every count is exact. Percentiles are numpy's (linear) over the resamples that define the
 * figure. A resample may lack a class: it then counts 0 in the macro averages, as everywhere. Local. */
CR_NODISCARD cr_status cr_bootstrap_compute(const cr_bootstrap_params *params, cr_bootstrap *result);

#endif
