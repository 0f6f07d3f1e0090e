/* The parts of a benchmark. Each measurement returns, on every rank, an object of results (new reference); times are
 * spreads as cr_spread_json() makes them, in seconds. */
#ifndef CRISOL_BENCH_PARTS_H
#define CRISOL_BENCH_PARTS_H

#include "crisol/bench.h"

#include <stdio.h>

struct json_t;

/* {"median", "low", "high", "min", "max", "n"}: quartiles and ends; sorts `values` [n], n ≥ 1. */
struct json_t *cr_spread_json(double *values, int64_t n);
/* The median of a spread that is a member of `results`; 0 when absent. */
double cr_spread_median(const struct json_t *results, const char *key);
/* Of the ranks' values at each repetition the largest (or the mean): [n] on every rank. Collective. */
CR_NODISCARD cr_status cr_over_ranks(cr_comm *comm, const double *mine, int64_t n, bool largest, double *all);

/* A pack of about `n_samples` samples, through the ordinary recipe, in a folder of its own that each node makes on its
 * own disk; all have the same id. Collective. */
CR_NODISCARD cr_status cr_bench_make_pack(cr_comm *comm, const char *scratch, int64_t n_samples, char folder[4096]);
/* Removes it. Collective. */
void cr_bench_remove_pack(cr_comm *comm, const char *folder);

/* Collective, all of them. */
CR_NODISCARD cr_status cr_bench_steps(cr_comm *comm, const cr_bench_options *options, struct json_t **results);
CR_NODISCARD cr_status cr_bench_eval(cr_comm *comm, const cr_bench_options *options, struct json_t **results);
CR_NODISCARD cr_status cr_bench_loader(cr_comm *comm, const cr_bench_options *options, struct json_t **results);
CR_NODISCARD cr_status cr_bench_reduce(cr_comm *comm, const cr_bench_options *options, struct json_t **results);
/* The two ways of one reduction, in turns; `n` floats. */
CR_NODISCARD cr_status cr_bench_reductions(cr_comm *comm, const cr_bench_options *options, int64_t n,
                                           struct json_t **results);
/* The measurement that options->kind names. */
CR_NODISCARD cr_status cr_bench_measure(cr_comm *comm, const cr_bench_options *options, struct json_t **results);
/* The same with 1, 2, 4, … of the ranks: an array of {"ranks", "batch", "images_s", "efficiency", …}. */
CR_NODISCARD cr_status cr_bench_scaling(cr_comm *comm, const cr_bench_options *options, bool strong,
                                        struct json_t **rows);

/* The whole benchmark in words. */
void cr_bench_print(FILE *out, const struct json_t *bench);

#endif
