/* trials.jsonl: what is known about a sweep, as facts that are appended and never changed. Every process reads all of
 * it and folds it into the state of each trial.
 *
 * A line is {"time": …, "event": …, …, "sum": S}, S being XXH3-64 of the line up to the comma before "sum". Lines are
 * written by whoever holds the lease of the trial that they are about, each by one write(2) to a file opened for
 * appending, after a newline where the last line was torn. A line that does not add up is passed over: losing one means
 * no more than that its writer died before it, because each trial's run directory holds the same facts. A line of an
 * older lease ("fence") than the trial's youngest is passed over, too: its writer was taken for dead. */
#ifndef CRISOL_LEDGER_H
#define CRISOL_LEDGER_H

#include "crisol/status.h"
#include "plan.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

typedef enum cr_trial_state {
    CR_TRIAL_WAITING,
    CR_TRIAL_RUNNING, /* started, and no end is known: its lease says whether it lives */
    CR_TRIAL_STOPPED,
    CR_TRIAL_PRUNED,
    CR_TRIAL_DONE,
    CR_TRIAL_FAILED
} cr_trial_state;
const char *cr_trial_state_name(cr_trial_state state);

typedef struct cr_record { /* of a trial */
    char id[CR_TRIAL_ID];
    cr_trial_state state;
    int64_t fence;   /* of its youngest start */
    int64_t n_idle;  /* starts since an epoch ended */
    double *metrics; /* [n_epochs] the metric after each epoch; NaN: undefined, or not known */
    int64_t n_epochs, n_room;
    double seconds;    /* that its epochs took, when it has ended */
    cr_status failure; /* when it failed */
    char *cause;
    struct json_t *about; /* the "trial" line: number, seed, metric, maximize, point {name: value}; null: not seen */
} cr_record;

/* The best value of the first `epochs` epochs, NaN when there is none; *epoch (from 1) may be null. */
double cr_record_best(const cr_record *record, int64_t epochs, bool maximize, int64_t *epoch);

typedef struct cr_ledger cr_ledger;

/* Opens a sweep directory's ledger; with `create`, makes both. Errors: CR_MISSING, CR_IO, CR_PERMISSION. */
CR_NODISCARD cr_status cr_ledger_open(const char *folder, bool create, cr_ledger **ledger);
void cr_ledger_close(cr_ledger **ledger);
/* Reads what has been appended since. */
CR_NODISCARD cr_status cr_ledger_refresh(cr_ledger *ledger);
/* How many lines were damaged and passed over so far; *latest: the number of the last of them, from 1. */
int64_t cr_ledger_damaged(const cr_ledger *ledger, int64_t *latest);
/* Appends an event; `fields` (an object) is stolen. It is on the disk when this returns. */
CR_NODISCARD cr_status cr_ledger_append(cr_ledger *ledger, const char *event, struct json_t *fields);

/* The record of a trial, null when nothing is known of it. Valid until the ledger is closed. */
const cr_record *cr_ledger_find(const cr_ledger *ledger, const char *id);
/* All of them, in the order of their first line; [*n] borrowed. */
const cr_record *const *cr_ledger_all(const cr_ledger *ledger, int64_t *n);
/* The latest session (a start of the sweep) that was told to stop, or "". */
const char *cr_ledger_stopped_session(const cr_ledger *ledger);

#endif
