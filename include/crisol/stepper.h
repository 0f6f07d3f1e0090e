/* A training that its caller drives step by step and that writes nothing: no run directory, journal or checkpoint. It
 * is the trainer of cr_train() with the same steps; for whoever measures them. */
#ifndef CRISOL_STEPPER_H
#define CRISOL_STEPPER_H

#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

typedef struct cr_stepper cr_stepper;

typedef struct cr_step_times { /* seconds of this rank */
    double total;
    double wait;    /* for samples that were still being read */
    double compute; /* forward and backward of this rank's micro-batches */
    double reduce;  /* the tree over workers and ranks */
    double update;
} cr_step_times; /* what is missing to the total: the report of losses and predictions to all ranks */

/* `profile`: time each layer. The config must outlive it. Errors: as cr_train(). Collective. */
CR_NODISCARD cr_status cr_stepper_open(cr_comm *comm, const cr_config *config, bool profile, cr_stepper **stepper);
void cr_stepper_close(cr_stepper **stepper);

/* One step; when the epoch is over, the next begins. Collective. */
CR_NODISCARD cr_status cr_stepper_step(cr_stepper *stepper, cr_step_times *times);
/* A whole split in evaluation mode. Errors: CR_MISSING when the pack has no sample of it. Collective. */
CR_NODISCARD cr_status cr_stepper_evaluate(cr_stepper *stepper, cr_split split, int64_t *n_samples, double *seconds);

int64_t cr_stepper_state_count(const cr_stepper *stepper); /* floats of a gradient: parameters and statistics */
int cr_stepper_workers(const cr_stepper *stepper);         /* of this rank */
const char *cr_stepper_backend(const cr_stepper *stepper); /* "oneDNN 2.6.3, …" */
const char *cr_stepper_pack_id(const cr_stepper *stepper);
/* Time by layer of worker 0 (cr_program_times()), and its kernels (cr_program_describe()). New references, null when
 * the backend does not say. */
struct json_t *cr_stepper_times(const cr_stepper *stepper);
struct json_t *cr_stepper_kernels(const cr_stepper *stepper);

#endif
