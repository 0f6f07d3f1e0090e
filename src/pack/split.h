/* Deals groups of rows out to the splits: no group is on two sides, and every split gets its share of every class.
 *
 * A greedy in the manner of iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the Stratification of
 * Multi-Label Data", ECML PKDD 2011), with a group in the place of their example and its rows' labels in the place of
 * its label set. Groups are dealt in the order: rarest class among their rows, rarest first; more rows first;
 * Philox(seed, CR_RNG_SPLIT, 0, group). Each goes to the split s with the largest
 *
 *     sum over classes c:  k_c · (f_s·(n_c + k_c) − n_sc) / N_c   +   k · (f_s·(n + k) − n_s) / N
 *
 * where the group has k rows, k_c of class c; n and n_c are dealt so far, n_s and n_sc of them to split s; the table
 * has N and N_c; f_s is the split's fraction. That choice keeps the squared distance of all n_sc from f_s·n_c smallest,
 * each class weighted by 1 / N_c. (Against the final targets f_s·N_c instead, the classes not yet dealt would pull
 * every group to the training split.) A tie goes to the earlier split; a split with a fraction above 0 gets a group if
 * there are as many groups as such splits.
 */
#ifndef CRISOL_SPLIT_H
#define CRISOL_SPLIT_H

#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdint.h>

typedef struct cr_split_rows {
    int64_t n_rows;
    const int64_t *groups; /* [n_rows] ≥ 0 */
    const int32_t *labels; /* [n_rows] 0 … n_classes - 1 */
    int64_t n_classes;
} cr_split_rows;

/* `splits` [n_rows] is the result. A pure function of its arguments. Errors: CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_split_by_group(const cr_split_rows *rows, const double fractions[CR_N_SPLITS], uint64_t seed,
                                         cr_split *splits);

#endif
