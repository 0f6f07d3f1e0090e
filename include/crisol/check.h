/* Whether what was said is so: a run repeated from its record, and what a machine has and whether it works. */
#ifndef CRISOL_CHECK_H
#define CRISOL_CHECK_H

#include "crisol/comm.h"
#include "crisol/status.h"

#include <stdbool.h>

typedef struct cr_repeat_options {
    const char *run;         /* run directory; only its record is needed, checkpoints help to find the step */
    const char *output;      /* run directory of the repetition */
    const char *packs;       /* folder that is searched for the pack by its id, or null */
    const char *const *sets; /* [n_sets] overrides "a.b=value": what would that change? */
    int n_sets;
    const char *command; /* for the repetition's record */
    cr_comm_lost lost;   /* what to do when a rank hangs (cr_comm_set_patience) */
} cr_repeat_options;

/* Trains again from RUN/record.json alone, up to the last epoch that it has, compares the hash of the weights and every
 * metric of every epoch, prints on rank 0 where the first difference lies and which recorded facts differ, and writes
 * it to OUTPUT/repeat.json. CR_OK only when all is identical. Errors: CR_BAD_DATA when it is not, or when the record
 * was changed or does not reach back to the run's start; CR_MISSING when there is no record, or the pack or the file of
 * pretrained weights is nowhere as it was; what cr_train() returns. Collective. */
CR_NODISCARD cr_status cr_repeat(cr_comm *comm, const cr_repeat_options *options);

typedef struct cr_doctor_options {
    const char *folder; /* where runs are to be written */
    bool json;          /* print JSON instead of lines */
    bool only_ranks;    /* only what several ranks are needed for */
} cr_doctor_options;

/* Prints on rank 0 what this machine has and whether it works, a line each with the remedy where something is not well;
 * leaves nothing in the folder. Errors: CR_INTERNAL naming the first check that failed. Collective. */
CR_NODISCARD cr_status cr_doctor_run(cr_comm *comm, const cr_doctor_options *options);

#endif
