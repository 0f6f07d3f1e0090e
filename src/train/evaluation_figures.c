#include "evaluation_figures.h"

#include "split_logits.h"

#include <stdlib.h>

void cr_figures_destroy(cr_figures *f)
{
    free(f->probabilities);
    free(f->predictions);
    free(f->classes);
    free(f->roc_auc);
    free(f->average_precision);
    cr_confusion_destroy(&f->confusion);
}

static cr_status compute_intervals(const cr_evaluation *evaluation, cr_figures *f)
{
    const cr_session *session = evaluation->session;
    const cr_subset *subset = &session->subsets[evaluation->split];
    int64_t *groups = malloc((size_t)f->n * sizeof *groups);
    if (!groups)
        return cr_fail_memory("groups", (size_t)f->n * sizeof *groups);
    for (int64_t i = 0; i < f->n; i++)
        groups[i] = cr_pack_group(session->pack, evaluation->split, subset->samples[i]);
    cr_bootstrap_params params = {.n = f->n,
                                  .n_classes = f->n_classes,
                                  .probabilities = f->probabilities,
                                  .labels = subset->labels,
                                  .predictions = f->predictions,
                                  .groups = groups,
                                  .n_resamples = CR_BOOTSTRAP_RESAMPLES,
                                  .seed = session->config->train.seed,
                                  .stream = (uint64_t)evaluation->split};
    cr_status status = cr_bootstrap_compute(&params, &f->intervals);
    free(groups);
    return status;
}

cr_status cr_figures_compute(const cr_evaluation *evaluation, cr_figures *f)
{
    const cr_subset *subset = &evaluation->session->subsets[evaluation->split];
    cr_status status = CR_OK;
    f->n = subset->n_samples;
    f->n_classes = evaluation->session->n_classes;
    size_t bytes = (size_t)(f->n * f->n_classes) * sizeof(double);
    f->probabilities = malloc(bytes ? bytes : 1);
    f->predictions = calloc((size_t)f->n + 1, sizeof *f->predictions);
    f->classes = calloc((size_t)f->n_classes, sizeof *f->classes);
    f->roc_auc = calloc((size_t)f->n_classes, sizeof *f->roc_auc);
    f->average_precision = calloc((size_t)f->n_classes, sizeof *f->average_precision);
    if (!f->probabilities || !f->predictions || !f->classes || !f->roc_auc || !f->average_precision) {
        status = cr_fail_memory("probabilities", bytes);
        goto done;
    }
    CR_TRY(cr_confusion_create(f->n_classes, &f->confusion));
    for (int64_t i = 0; i < f->n; i++) {
        const float *row = evaluation->logits + i * f->n_classes;
        cr_softmax(row, f->n_classes, f->probabilities + i * f->n_classes);
        f->predictions[i] = cr_argmax(row, f->n_classes);
        cr_confusion_add(&f->confusion, subset->labels[i], f->predictions[i]);
    }
    cr_scores_compute(&f->confusion, &f->scores, f->classes);
    CR_TRY(cr_probability_scores_compute(f->n, f->n_classes, f->probabilities, subset->labels, &f->ranked, f->roc_auc,
                                         f->average_precision));
    CR_TRY(cr_odir_scores_compute(f->n, f->n_classes, f->probabilities, subset->labels, &f->odir));
    CR_TRY(compute_intervals(evaluation, f));
    CR_TRY(cr_split_loss(evaluation->session, evaluation->split, evaluation->logits, &f->loss));
done:
    return status;
}
