/* Points of a sweep, best first, as its ledger has them: for people who look at a sweep without its file. */
#ifndef CRISOL_RANKING_H
#define CRISOL_RANKING_H

#include "ledger.h"

typedef struct cr_ranked {      /* a point */
    char *key;                  /* its values as JSON, the same for all of its seeds; owned */
    const struct json_t *point; /* {name: text}; of the ledger */
    const cr_record *best;      /* its best trial, or any */
    int64_t n_done;             /* trials that are */
    double mean, low, high;     /* of the best metric over the seeds that are done; mean: of the best trial without */
} cr_ranked;

typedef struct cr_ranking {
    const char *metric; /* of the ledger; null when there are no trials */
    bool maximize;
    cr_ranked *points; /* [n] owned */
    int64_t n;
    int64_t n_trials, n_states[CR_TRIAL_FAILED + 1];
} cr_ranking;

/* Of the trials with the metric of the ledger's youngest trial. Points that are done come first, by their mean. */
CR_NODISCARD cr_status cr_ranking_make(const cr_ledger *ledger, cr_ranking *ranking);
void cr_ranking_clear(cr_ranking *ranking);

/* Prints for each parameter the mean metric of the points that are done by its value; of a parameter with many values,
 * by quarters of them. */
CR_NODISCARD cr_status cr_ranking_print_effects(const cr_ranking *ranking, FILE *out);

#endif
