/* A fixed set of threads that run one function side by side. A worker's thread is always the same one, so that what
 * is made by worker w (a oneDNN program with its thread count) is used by the same thread ever after. */
#ifndef CRISOL_WORKERS_H
#define CRISOL_WORKERS_H

#include "crisol/status.h"

#include <stdint.h>

typedef struct cr_workers cr_workers;

/* The work of one worker, 0 ≤ worker < n. Its failure message is carried to the caller of cr_workers_run(). */
typedef cr_status (*cr_worker_function)(void *context, int worker);

/* Starts n ≥ 1 threads. */
CR_NODISCARD cr_status cr_workers_create(int n, cr_workers **workers);
void cr_workers_destroy(cr_workers **workers);
int cr_workers_count(const cr_workers *workers);

/* Runs `function` once on every worker and waits for all. Returns the first failure by worker number, with its message;
 * the others still ran to their end. Blocking; from one thread only. */
CR_NODISCARD cr_status cr_workers_run(cr_workers *workers, cr_worker_function function, void *context);

/* Contiguous share of `part` of `n_parts` in n things: [*begin, *end). Sizes differ by at most 1, the larger ones
 * first. */
void cr_share(int64_t n, int n_parts, int part, int64_t *begin, int64_t *end);

/* Cores that this process may run on (affinity mask), at least 1. */
int cr_cores_available(void);

#endif
