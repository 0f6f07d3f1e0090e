/* The price of a fixed order: the ordered reduction against MPI_Allreduce (`reduction: library`) on a gradient of
 * ResNet-18's size, in turns, medians over the rounds of the slowest rank's time.
 *
 *   mpirun --oversubscribe -np 4 reduce_bench [FLOATS [MICRO_BATCHES]] */
#include "crisol/clock.h"
#include "crisol/reduce.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROUNDS = 15,
    DEFAULT_FLOATS = 11300000
};

typedef struct leaves {
    cr_reducer *reducer;
    int64_t n;
} leaves;

static cr_status write_leaves(void *context, int worker)
{
    const leaves *l = context;
    cr_tree_stack *stack = cr_reducer_stack(l->reducer, worker);
    int64_t begin, end;
    cr_reducer_leaves(l->reducer, worker, &begin, &end);
    if (!stack)
        return CR_OK;
    cr_tree_stack_reset(stack);
    for (int64_t leaf = begin; leaf < end; leaf++) {
        float *at = cr_tree_stack_leaf(stack);
        for (int64_t i = 0; i < l->n; i++)
            at[i] = (float)(leaf + i % 1024);
        cr_tree_stack_push(stack);
    }
    return CR_OK;
}

/* Milliseconds of the slowest rank. */
static cr_status time_once(cr_comm *comm, cr_reducer *reducer, cr_workers *workers, int64_t n, double *slowest_ms)
{
    cr_status status = CR_OK;
    const float *sum;
    leaves l = {reducer, n};
    double *all = calloc((size_t)cr_comm_size(comm), sizeof *all);
    if (!all)
        return cr_fail_memory("times", sizeof *all);
    CR_TRY(cr_workers_run(workers, write_leaves, &l));
    CR_TRY(cr_comm_barrier(comm));
    double start_s = cr_clock_s();
    CR_TRY(cr_reducer_sum(reducer, workers, &sum));
    double mine = 1e3 * (cr_clock_s() - start_s);
    CR_TRY(cr_comm_allgather(comm, &mine, sizeof mine, all));
    *slowest_ms = 0;
    for (int r = 0; r < cr_comm_size(comm); r++)
        *slowest_ms = all[r] > *slowest_ms ? all[r] : *slowest_ms;
done:
    free(all);
    return status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static cr_status measure(cr_comm *comm, int64_t n, int64_t n_leaves)
{
    cr_status status = CR_OK;
    cr_workers *workers = NULL;
    cr_reducer *reducers[2] = {NULL, NULL};
    double ms[2][ROUNDS + 1];
    int n_workers = cr_cores_available() / cr_comm_local_size(comm);
    cr_reducer_params params = {n, n_leaves, n_workers > 0 ? n_workers : 1, CR_REDUCTION_ORDERED};
    CR_TRY(cr_workers_create(params.n_workers, &workers));
    for (int kind = 0; kind < 2; kind++) {
        params.reduction = kind == 0 ? CR_REDUCTION_ORDERED : CR_REDUCTION_LIBRARY;
        CR_TRY(cr_reducer_create(comm, &params, &reducers[kind]));
    }
    for (int round = 0; round <= ROUNDS; round++) /* round 0 warms up */
        for (int kind = 0; kind < 2; kind++)
            CR_TRY(time_once(comm, reducers[kind], workers, n, &ms[kind][round]));
    for (int kind = 0; kind < 2; kind++)
        qsort(&ms[kind][1], ROUNDS, sizeof ms[0][0], compare);
    if (cr_comm_rank(comm) == 0) {
        double ordered = ms[0][1 + ROUNDS / 2], library = ms[1][1 + ROUNDS / 2];
        printf(
            "%d ranks x %d workers, %lld floats, %lld micro-batches, %s: ordered %.1f ms (%.1f to %.1f), library %.1f "
            "ms (%.1f to %.1f), ratio %.2f\n",
            cr_comm_size(comm), params.n_workers, (long long)n, (long long)n_leaves, cr_comm_library(comm), ordered,
            ms[0][1], ms[0][ROUNDS], library, ms[1][1], ms[1][ROUNDS], ordered / library);
    }
done:
    cr_reducer_destroy(&reducers[0]);
    cr_reducer_destroy(&reducers[1]);
    cr_workers_destroy(&workers);
    return status;
}

int main(int argc, char **argv)
{
    cr_comm *comm = NULL;
    cr_status status = cr_comm_open_world(&comm);
    if (status == CR_OK) {
        int64_t n = argc > 1 ? atoll(argv[1]) : DEFAULT_FLOATS;
        int64_t n_leaves = argc > 2 ? atoll(argv[2]) : cr_comm_size(comm);
        status = measure(comm, n, n_leaves);
    }
    if (status != CR_OK)
        fprintf(stderr, "reduce_bench: %s\n", cr_error_message());
    cr_comm_close(&comm);
    return status;
}
