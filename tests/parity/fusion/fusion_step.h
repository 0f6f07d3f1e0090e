/* Whole training steps of a fused reference through a backend, by the micro-batch rule: each micro-batch has its own
 * batch statistics, gradients are summed, running = 0.9·running + 0.1·mean over the micro-batches, once a step.
 * Micro-batches run side by side on workers, each with programs of its own; sums are taken in order. */
#ifndef CRISOL_TEST_FUSION_STEP_H
#define CRISOL_TEST_FUSION_STEP_H

#include "crisol/backend.h"
#include "crisol/optim.h"
#include "crisol/workers.h"

#include "fusion_case.h"

enum {
    FUSION_MAX_WORKERS = 8
};

typedef struct fusion_run {
    const fusion_case *source; /* borrowed */
    cr_backend *backend;       /* borrowed */
    const cr_memory *memory;   /* the backend's, of all arrays but the results */
    cr_program_params params;
    cr_workers *workers;
    cr_program *training[FUSION_MAX_WORKERS], *evaluation[FUSION_MAX_WORKERS]; /* of each worker */
    int64_t micro_batch, step;
    float *state, *gradient; /* native layout; gradient: summed, statistics part summed too */
    float **parts;           /* [n_micro]: gradient of each micro-batch */
    float *moments[CR_OPTIMIZER_MAX_MOMENTS];
    float *logits;  /* [batch, classes], of the last call */
    double *losses; /* [batch], of the last fusion_run_gradient */
    double loss;    /* Σ losses / weight_sum */
} fusion_run;

/* `params`: precision, convolution, n_threads; micro-batch and kind are the case's. CR_BAD_CONFIG where the machine
 * cannot do it. */
CR_NODISCARD cr_status fusion_run_open(const fusion_case *source, cr_backend *backend, cr_program_params params,
                                       fusion_run *run);
void fusion_run_close(fusion_run *run);

/* Fails the test when the backend fails. */
void fusion_run_evaluate(fusion_run *run);
void fusion_run_gradient(fusion_run *run);
void fusion_run_update(fusion_run *run, const cr_optimizer_params *params, double lr, double weight_decay);

#endif
