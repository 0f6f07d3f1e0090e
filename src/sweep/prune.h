/* Which trials end early, from what the ledger says at that time. Trials run at once, and nobody waits for another, so
 * with more than one group the answer may depend on who came first; with one group it does not. */
#ifndef CRISOL_PRUNE_H
#define CRISOL_PRUNE_H

#include "ledger.h"
#include "plan.h"

/* records[i] is what is known of trial i, null for nothing. */
typedef struct cr_standings {
    const cr_prune *prune;
    bool maximize;
    const cr_record **records; /* [n_trials] */
    int64_t n_trials;
} cr_standings;

/* Median rule (Golovin et al. 2017, "Google Vizier", section 3.2.2 there called median stopping): after an epoch that
 * is not before prune.epochs, and when prune.trials others are done that had as many epochs, a trial ends if its best
 * value so far is worse than the median of the others' mean values up to that epoch.
 *
 * Successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", ASHA): at a rung, which
 * is an epoch prune.epochs · prune.factor^k, a trial goes on if its best value so far is among the best max(1, n /
 * factor) of the n trials that have got there; of equals the one with the lower number. */
CR_NODISCARD cr_status cr_prune_judge(const cr_standings *standings, int64_t trial, int64_t epoch, bool *go_on);

/* Halving: the trial of the highest rung that was pruned there and would go on by what is known now; -1 for none, and
 * for the other rules. `skip` [n_trials]: trials that are not to be named. */
CR_NODISCARD cr_status cr_prune_find_promotion(const cr_standings *standings, const bool *skip, int64_t *trial);

#endif
