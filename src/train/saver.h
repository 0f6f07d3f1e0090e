/* Checkpoints written by a thread of their own, one at a time, while the training goes on. The thread touches only the
 * copy of the state that it was given and the run directory's checkpoints; it makes no MPI call. */
#ifndef CRISOL_SAVER_H
#define CRISOL_SAVER_H

#include "model_state.h"

typedef struct cr_saver cr_saver;

typedef struct cr_save { /* what is to be written */
    int64_t step;
    cr_state_image image;
    struct json_t *state;
    cr_checkpoint_policy policy;
    double stall_s; /* how long the training stood still for it so far */
} cr_save;

typedef struct cr_save_outcome {
    int64_t step;
    cr_status status;
    char message[CR_ERROR_MAX]; /* of a failure */
    int64_t bytes;              /* of the tensors */
    double write_s, stall_s;
} cr_save_outcome;

/* `run` is borrowed, and may meanwhile be appended to by the caller. */
CR_NODISCARD cr_status cr_saver_create(cr_run *run, cr_saver **saver);
/* Waits for what is being written. */
void cr_saver_destroy(cr_saver **saver);
/* Takes image and state over. Only while nothing is being written and no outcome waits. */
void cr_saver_start(cr_saver *saver, cr_save *save);
/* A save was started whose outcome has not been taken. */
bool cr_saver_is_busy(const cr_saver *saver);
/* Hands over the outcome of the save that was started: true once for each. Without `wait`, false while it is still
 * being written. */
bool cr_saver_take(cr_saver *saver, bool wait, cr_save_outcome *outcome);

#endif
