/* A sweep: many trainings of one config, each with other values of some options, shared out over groups of ranks and
 * over jobs that know nothing of each other but a folder. docs/sweeps.md has the file's form and the rules.
 *
 *   DIR/trials.jsonl   the ledger: append-only, one fact a line; what stands in it is replayed at every start
 *   DIR/trials/ID/     a trial's run directory; its lease says who trains it
 *   DIR/sweep.csv      one row a trial, written at the end
 */
#ifndef CRISOL_SWEEP_H
#define CRISOL_SWEEP_H

#include "crisol/comm.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct cr_sweep cr_sweep;

/* Reads a sweep file and its base config, and expands it into trials. `sets`: overrides "name=value" of the base
 * config. Errors: CR_BAD_CONFIG with file:line:column, CR_MISSING for a file or a pack that is not there. Local. */
CR_NODISCARD cr_status cr_sweep_read(const char *path, const char *const *sets, int n_sets, cr_sweep **sweep);
void cr_sweep_destroy(cr_sweep **sweep);
int64_t cr_sweep_n_trials(const cr_sweep *sweep);
/* Prints the table of trials: number, id, seed, values. Local. */
void cr_sweep_print(const cr_sweep *sweep, FILE *out);

typedef struct cr_sweep_options {
    const cr_sweep *sweep;
    const char *output;  /* sweep directory */
    const char *command; /* the command line, for the records */
    int64_t shard,
        n_shards;           /* this job's trials come first: those whose number modulo n_shards is shard; 0 of 1: all */
    bool retry;             /* trials that failed are run again */
    bool quiet;             /* only warnings and errors */
    cr_comm_lost rank_lost; /* for cr_comm_set_patience(), while a trial trains */
} cr_sweep_options;

/* Runs what is left of the sweep on groups of ranks, and waits for what others run, so as to take it over if they die.
 * Returns CR_OK when every trial is done or pruned, CR_STOPPED when asked to stop or out of time (the same call goes
 * on), otherwise the status of the first trial that failed; on rank 0 sweep.csv is written in any case. Other errors
 * are of the sweep directory itself. Collective. */
CR_NODISCARD cr_status cr_sweep_run(cr_comm *world, const cr_sweep_options *options);

/* The folder is a sweep directory. Local. */
bool cr_sweep_is_folder(const char *path);
/* Prints the ranking and each parameter's marginal effect, from the ledger alone. Local. */
CR_NODISCARD cr_status cr_sweep_inspect(const char *folder, FILE *out);

#endif
