/* Everything that the files of an evaluation show, computed from logits alone. */
#ifndef CRISOL_EVALUATION_FIGURES_H
#define CRISOL_EVALUATION_FIGURES_H

#include "bootstrap.h"
#include "crisol/metrics.h"
#include "evaluation_files.h"

typedef struct cr_figures {
    int64_t n, n_classes;
    double *probabilities; /* [n, n_classes] */
    int32_t *predictions;  /* [n] */
    cr_confusion confusion;
    cr_scores scores;
    cr_class_scores *classes; /* [n_classes] */
    cr_probability_scores ranked;
    double *roc_auc, *average_precision; /* [n_classes] */
    cr_odir_scores odir;
    cr_bootstrap intervals;
    double loss;
} cr_figures;
CR_NODISCARD cr_status cr_figures_compute(const cr_evaluation *evaluation, cr_figures *f);
void cr_figures_destroy(cr_figures *f);

/* Each writes one file into FOLDER. */
CR_NODISCARD cr_status cr_write_predictions(const cr_evaluation *evaluation, const cr_figures *f, const char *folder);
CR_NODISCARD cr_status cr_write_confusion(const cr_evaluation *evaluation, const cr_figures *f, const char *folder);
CR_NODISCARD cr_status cr_write_errors(const cr_evaluation *evaluation, const cr_figures *f, const char *folder);
CR_NODISCARD cr_status cr_write_class_frequencies(const cr_evaluation *evaluation, const char *folder);
CR_NODISCARD cr_status cr_write_feature_weights(const cr_evaluation *evaluation, const char *folder);
CR_NODISCARD cr_status cr_write_importance(const cr_evaluation *evaluation, const char *folder);

#endif
