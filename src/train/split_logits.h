/* A whole split through the network in evaluation mode, over all ranks, each sample exactly once. */
#ifndef CRISOL_SPLIT_LOGITS_H
#define CRISOL_SPLIT_LOGITS_H

#include "team.h"

/* logits [n_samples, n_classes] in subset order, the same bits on every rank and at any number of ranks and workers:
 * micro-batches are cut by sample index, and the last one is filled up with its last sample. Collective; errors are
 * agreed. */
CR_NODISCARD cr_status cr_split_logits(const cr_session *session, cr_team *team, const cr_model_state *state,
                                       cr_split split, float *logits);

/* Σ numerators / Σ class weights over a split, with the training's class weights and smoothing. Local. */
CR_NODISCARD cr_status cr_split_loss(const cr_session *session, cr_split split, const float *logits, double *loss);

typedef struct cr_split_scores {
    double loss; /* cr_split_loss */
    double accuracy, balanced_accuracy, precision_macro, recall_macro, f1_macro, f1_weighted, kappa;
    double roc_auc, average_precision, log_loss, top2_accuracy, ece; /* cr_probability_scores, macro */
    double odir_score;                                               /* cr_odir_scores */
    double seconds;
    int64_t n_samples;
} cr_split_scores;
/* The split's figures as the training watches them. Collective. */
CR_NODISCARD cr_status cr_split_score(const cr_session *session, cr_team *team, const cr_model_state *state,
                                      cr_split split, cr_split_scores *scores);

#endif
