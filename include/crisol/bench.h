/* Benchmarks that someone else can repeat: what ran, on what, how often, with median and spread, as JSON and as a
 * table. */
#ifndef CRISOL_BENCH_H
#define CRISOL_BENCH_H

#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cr_bench_kind {
    CR_BENCH_TRAIN,  /* whole steps: reading, forward and backward, reduction, update; time by phase and by layer */
    CR_BENCH_EVAL,   /* the validation split in evaluation mode */
    CR_BENCH_LOADER, /* reading alone: from the pack to memory */
    CR_BENCH_REDUCE, /* a gradient's sum over the ranks: in fixed order, and as the library likes */
    CR_BENCH_STEP,   /* of whole steps only the arithmetic: forward and backward, reduction, update */
    CR_N_BENCH_KINDS
} cr_bench_kind;
const char *cr_bench_kind_name(cr_bench_kind kind); /* "train" */

typedef struct cr_bench_options {
    cr_bench_kind kind;
    cr_config *config;     /* data.pack "": a small synthetic pack is made and removed again; may be changed */
    int64_t n_warmup;      /* repetitions that do not count */
    int64_t n_repetitions; /* steps, passes or sums that do, ≥ 1 */
    bool strong, weak;     /* also with the first 1, 2, 4, … ranks: the same batch, or as much a rank */
    const char *scratch;   /* folder for a synthetic pack, on each node */
    const char *output;    /* JSON file, or null */
    const char *command;   /* for the JSON */
} cr_bench_options;

/* Measures, prints a table on rank 0 and writes the JSON (docs/bench.md). Every rank has the same number of workers at
 * every number of ranks. Errors: CR_BAD_CONFIG, CR_MISSING, what cr_train() returns. Collective. */
CR_NODISCARD cr_status cr_bench(cr_comm *comm, const cr_bench_options *options);

/* Prints runs of the same kind side by side, by ranks, with speed-up and efficiency against the smallest. Errors:
 * CR_BAD_DATA naming the file that is no benchmark, or of another kind. Local. */
CR_NODISCARD cr_status cr_bench_join(const char *const files[], int n);

#endif
