/* Which trial a group of ranks does next. Groups share nothing but the sweep directory: a trial belongs to whoever
 * holds the lease of its run directory, and the ledger says which are finished. So it is the same for the groups of one
 * job and for the jobs of an array, and a group that dies leaves a trial that another one takes when the lease runs
 * out. */
#ifndef CRISOL_SCHEDULER_H
#define CRISOL_SCHEDULER_H

#include "crisol/run.h"
#include "ledger.h"
#include "plan.h"
#include "prune.h"

typedef struct cr_scheduler cr_scheduler;

/* `ledger` is borrowed. */
CR_NODISCARD cr_status cr_scheduler_create(const cr_sweep_options *options, cr_ledger *ledger, double heartbeat_s,
                                           cr_scheduler **scheduler);
void cr_scheduler_destroy(cr_scheduler **scheduler);

typedef struct cr_claim {
    int64_t trial; /* -1: none can be had now */
    bool is_over;  /* then: and none ever will, all are finished; otherwise: others run trials that may yet be lost */
    cr_run *run;   /* the trial's run directory, taken; the caller closes it, after the ledger says how it ended */
} cr_claim;

/* Takes a trial, in this order: begun and left by its owner; to be promoted; new; in each, this shard's first. Notes
 * the start in the ledger. Local. */
CR_NODISCARD cr_status cr_scheduler_claim(cr_scheduler *scheduler, cr_claim *claim);

/* After an epoch of a claimed trial: notes the metric, says whether it goes on. Local. */
CR_NODISCARD cr_status cr_scheduler_end_epoch(cr_scheduler *scheduler, const cr_claim *claim, int64_t epoch,
                                              double metric, bool *go_on);

typedef struct cr_trial_end {
    cr_trial_state state;  /* stopped, pruned, done or failed */
    const double *metrics; /* [n_epochs] */
    int64_t n_epochs;
    double seconds;
    cr_status failure; /* when failed, with its message */
    const char *cause;
} cr_trial_end;
/* Notes how a claimed trial ended and gives it back: closes claim->run. CR_BAD_CONFIG when it was taken over. */
CR_NODISCARD cr_status cr_scheduler_end_trial(cr_scheduler *scheduler, cr_claim *claim, const cr_trial_end *end);

const cr_record *cr_scheduler_record(const cr_scheduler *scheduler, int64_t trial);

#endif
