#include "comm_threads.h"

#include "comm_ops.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_RANKS = 64
};

typedef struct shared {
    pthread_barrier_t barrier;
    const char *data[MOST_RANKS]; /* what each rank shows the others during a call */
    const size_t *counts[MOST_RANKS], *offsets[MOST_RANKS];
    int numbers[MOST_RANKS];
    int n_ranks;
} shared;

static void meet(cr_comm *comm)
{
    pthread_barrier_wait(&((shared *)comm->state)->barrier);
}

static cr_status barrier_threads(cr_comm *comm)
{
    meet(comm);
    return CR_OK;
}

static void show(cr_comm *comm, const void *data, const size_t *counts, const size_t *offsets)
{
    shared *all = comm->state;
    all->data[comm->rank] = data;
    all->counts[comm->rank] = counts;
    all->offsets[comm->rank] = offsets;
    meet(comm);
}

static cr_status broadcast_threads(cr_comm *comm, void *data, size_t bytes, int root)
{
    shared *all = comm->state;
    show(comm, data, NULL, NULL);
    if (comm->rank != root)
        memcpy(data, all->data[root], bytes);
    meet(comm);
    return CR_OK;
}

static cr_status allgatherv_threads(cr_comm *comm, void *data, const size_t counts[], const size_t offsets[])
{
    shared *all = comm->state;
    show(comm, data, counts, offsets);
    cr_status status = CR_OK;
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank)
            continue;
        if (counts[r] != all->counts[r][r])
            status = cr_fail(CR_INTERNAL, "all-gather: ranks expect other sizes");
        memcpy((char *)data + offsets[r], all->data[r] + all->offsets[r][r], counts[r]);
    }
    meet(comm);
    return status;
}

static cr_status alltoallv_threads(cr_comm *comm, const void *send, const size_t send_counts[],
                                   const size_t send_offsets[], void *receive, const size_t receive_counts[],
                                   const size_t receive_offsets[])
{
    shared *all = comm->state;
    show(comm, send, send_counts, send_offsets);
    cr_status status = CR_OK;
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank)
            continue;
        if (receive_counts[r] != all->counts[r][comm->rank])
            status = cr_fail(CR_INTERNAL, "all-to-all: rank %d awaits another size than rank %d sends", comm->rank, r);
        else if (receive_counts[r] > 0)
            memcpy((char *)receive + receive_offsets[r], all->data[r] + all->offsets[r][comm->rank], receive_counts[r]);
    }
    meet(comm);
    return status;
}

static cr_status lowest_threads(cr_comm *comm, int mine, int *lowest)
{
    shared *all = comm->state;
    all->numbers[comm->rank] = mine;
    meet(comm);
    *lowest = mine;
    for (int r = 0; r < comm->size; r++)
        *lowest = all->numbers[r] < *lowest ? all->numbers[r] : *lowest;
    meet(comm);
    return CR_OK;
}

static cr_status sum_unordered_threads(cr_comm *comm, float *data, int64_t n)
{
    shared *all = comm->state;
    float *sum = calloc((size_t)n, sizeof *sum);
    if (!sum)
        abort();
    show(comm, data, NULL, NULL);
    for (int r = comm->size - 1; r >= 0; r--) { /* not the tree's order, as a library's may be */
        const float *theirs = (const void *)all->data[r];
        for (int64_t i = 0; i < n; i++)
            sum[i] += theirs[i];
    }
    meet(comm);
    memcpy(data, sum, (size_t)n * sizeof *sum);
    free(sum);
    return CR_OK;
}

static void close_threads(cr_comm *comm)
{
    (void)comm;
}

static const cr_comm_ops thread_ops = {
    .close = close_threads,
    .barrier = barrier_threads,
    .broadcast = broadcast_threads,
    .allgatherv = allgatherv_threads,
    .alltoallv = alltoallv_threads,
    .lowest = lowest_threads,
    .sum_unordered = sum_unordered_threads,
};

typedef struct rank_thread {
    shared *all;
    int rank;
    void (*rank_main)(void *context, cr_comm *comm);
    void *context;
} rank_thread;

static void *start_rank(void *argument)
{
    rank_thread *self = argument;
    cr_comm *comm = NULL;
    if (cr_comm_create_empty(&thread_ops, &comm) != CR_OK)
        abort();
    comm->state = self->all;
    comm->rank = self->rank;
    comm->size = self->all->n_ranks;
    self->rank_main(self->context, comm);
    cr_comm_close(&comm);
    return NULL;
}

void run_ranks(int n_ranks, void (*rank_main)(void *context, cr_comm *comm), void *context)
{
    shared all = {.n_ranks = n_ranks};
    pthread_t threads[MOST_RANKS];
    rank_thread ranks[MOST_RANKS];
    if (n_ranks > MOST_RANKS || pthread_barrier_init(&all.barrier, NULL, (unsigned)n_ranks) != 0)
        abort();
    for (int r = 0; r < n_ranks; r++) {
        ranks[r] = (rank_thread){&all, r, rank_main, context};
        if (pthread_create(&threads[r], NULL, start_rank, &ranks[r]) != 0)
            abort();
    }
    for (int r = 0; r < n_ranks; r++)
        pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&all.barrier);
}
