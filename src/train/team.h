/* The workers of a rank: one thread each, with a compiled program of its own, side by side over the rank's
 * micro-batches. */
#ifndef CRISOL_TEAM_H
#define CRISOL_TEAM_H

#include "crisol/reduce.h"
#include "crisol/workers.h"
#include "model_state.h"
#include "session.h"

typedef struct cr_team {
    const cr_session *session; /* borrowed */
    cr_workers *workers;
    int n_workers;
    bool profile;
    int frozen_layers;           /* of train_programs */
    cr_buckets buckets;          /* of the gradient; none where its sum over ranks has nothing to overlap with */
    cr_program **train_programs; /* [n_workers], null before cr_team_compile_training */
    cr_program **eval_programs;  /* [n_workers], made by the first evaluation */
} cr_team;

/* Starts n workers; 0: as many as this rank's share of cores, at most `n_micro_batches`. Local. */
CR_NODISCARD cr_status cr_team_create(const cr_session *session, int64_t n_wanted, int64_t n_micro_batches,
                                      bool profile, cr_team *team);
void cr_team_destroy(cr_team *team);

/* What the session's config asks of a program; frozen_layers: of training. */
cr_program_params cr_team_params(const cr_session *session, bool training, int frozen_layers);
/* Replaces programs of an earlier call. */
CR_NODISCARD cr_status cr_team_compile_training(cr_team *team, int frozen_layers);
CR_NODISCARD cr_status cr_team_compile_evaluation(cr_team *team);

typedef struct cr_team_step { /* one training step of this rank's micro-batches */
    const cr_model_state *state;
    const cr_loaded *batch;     /* the rank's samples of the training split, micro-batch after micro-batch */
    const cr_augment *augments; /* [batch->n] */
    const int64_t *samples;     /* [batch->n] pack sample numbers: keys of dropout */
    const cr_mix *mixes;        /* [batch->n], or null */
    const float *targets;       /* [batch->n, n_classes], or null */
    const cr_loss *loss;
    uint64_t epoch;
    int64_t first;       /* global index of the rank's first micro-batch */
    cr_reducer *reducer; /* receives the gradients */
    float *logits;       /* [batch->n, n_classes], out */
    double *losses;      /* [batch->n], out: numerators */
} cr_team_step;
/* Returns when all of it is queued; logits, losses and what went wrong are there when it is waited for. */
CR_NODISCARD cr_status cr_team_train(cr_team *team, const cr_team_step *step);
CR_NODISCARD cr_status cr_team_wait(cr_team *team);

/* Logits [n_micro_batches · eval_batch, n_classes] of `n_micro_batches` ≤ n_workers evaluation micro-batches of a
 * split, one a worker. */
CR_NODISCARD cr_status cr_team_evaluate(cr_team *team, const cr_model_state *state, cr_split split,
                                        const cr_loaded *batch, int64_t n_micro_batches, float *logits);

#endif
