/* What a run directory's metrics.csv says about a trial: the truth from which the ledger's lines are made. */
#ifndef CRISOL_TRIAL_METRICS_H
#define CRISOL_TRIAL_METRICS_H

#include "crisol/status.h"

#include <stdint.h>

typedef struct cr_trial_metrics {
    double *metrics; /* [n_epochs], owned */
    int64_t n_epochs;
    double seconds; /* training and validation of these epochs, without what was lost by stops */
} cr_trial_metrics;

/* None when there is no file yet. Errors: CR_BAD_DATA, CR_IO. */
CR_NODISCARD cr_status cr_trial_metrics_read(const char *run_folder, const char *metric, cr_trial_metrics *found);
void cr_trial_metrics_clear(cr_trial_metrics *metrics);

#endif
