/* Creation of a reducer: what merges inside the rank, and how ranks exchange. */
#include "reducer_parts.h"

#include <stdlib.h>

#ifndef CR_REDUCER_CHUNK
#define CR_REDUCER_CHUNK (256 * 1024) /* floats: 1 MiB, still in the second-level cache when it is added */
#endif

enum {
    DEVICE_CHUNK = 16 * CR_REDUCER_CHUNK, /* a device has no such cache, and each call to it costs more */
    MAX_WORKERS = 4096,
    N_SHARED = 5 /* parameters that must be equal on all ranks */
};

void cr_reducer_leaves(const cr_reducer *reducer, int worker, int64_t *begin, int64_t *end)
{
    cr_share(reducer->end - reducer->begin, reducer->params.n_workers, worker, begin, end);
    *begin += reducer->begin;
    *end += reducer->begin;
}

static cr_status check_params(const cr_comm *comm, const cr_reducer_params *p)
{
    if (p->n < 1 || p->n > CR_TREE_MAX_FLOATS)
        return cr_fail(CR_INTERNAL, "a gradient of %lld floats", (long long)p->n);
    if (p->n_workers < 1 || p->n_workers > MAX_WORKERS)
        return cr_fail(CR_BAD_CONFIG, "%d workers a rank; allowed are 1 to %d", p->n_workers, MAX_WORKERS);
    if (p->n_leaves < 1 || p->n_leaves > CR_TREE_MAX_LEAVES)
        return cr_fail(CR_BAD_CONFIG, "%lld micro-batches a step; allowed are 1 to %d", (long long)p->n_leaves,
                       CR_TREE_MAX_LEAVES);
    if (cr_comm_size(comm) > p->n_leaves)
        return cr_fail(CR_BAD_CONFIG,
                       "%d ranks but only %lld micro-batches a step; use at most %lld ranks or a smaller micro-batch",
                       cr_comm_size(comm), (long long)p->n_leaves, (long long)p->n_leaves);
    return CR_OK;
}

/* Ranks that disagree would wait for each other for ever, or add apples to pears. */
static cr_status check_agreement(cr_comm *comm, const cr_reducer_params *p)
{
    cr_status status = CR_OK;
    int64_t mine[N_SHARED] = {p->n, p->n_leaves, p->reduction, p->transport, p->buckets.n};
    size_t bytes = (size_t)cr_comm_size(comm) * sizeof mine;
    int64_t(*all)[N_SHARED] = malloc(bytes);
    CR_TRY(cr_comm_agree(comm, all ? CR_OK : cr_fail_memory("the ranks' parameters", bytes)));
    CR_TRY(cr_comm_allgather(comm, mine, sizeof mine, all));
    for (int r = 1; r < cr_comm_size(comm); r++) {
        for (int i = 0; i < N_SHARED; i++) {
            if (all[r][i] != all[0][i] && status == CR_OK)
                status =
                    cr_fail(CR_INTERNAL,
                            "ranks 0 and %d disagree on the gradient: %lld and %lld floats, %lld and "
                            "%lld micro-batches",
                            r, (long long)all[0][0], (long long)all[r][0], (long long)all[0][1], (long long)all[r][1]);
        }
    }
done:
    free(all);
    return status;
}

/* The workers' stacks, and how their nodes merge to the rank's. */
static cr_status create_local(cr_reducer *reducer)
{
    const cr_reducer_params *p = &reducer->params;
    cr_status status = CR_OK;
    int64_t n_mine = reducer->end - reducer->begin;
    reducer->stacks = calloc((size_t)p->n_workers, sizeof(cr_tree_stack *));
    reducer->held = calloc((size_t)n_mine, sizeof *reducer->held); /* a leaf is one node at most */
    reducer->adds = calloc((size_t)n_mine, sizeof *reducer->adds);
    if (!reducer->stacks || !reducer->held || !reducer->adds)
        return cr_fail_memory("the reducer's tables", (size_t)n_mine * 16);
    for (int w = 0; w < p->n_workers; w++) {
        cr_tree_mark cover[CR_TREE_MAX_NODES];
        cr_addition adds[CR_TREE_MAX_NODES];
        int64_t begin, end;
        cr_reducer_leaves(reducer, w, &begin, &end);
        if (begin == end)
            continue;
        CR_TRY(cr_tree_stack_create(p->memory, p->n, p->n_leaves, begin, end, &reducer->stacks[w]));
        int n_cover = cr_tree_cover(p->n_leaves, begin, end, cover);
        for (int j = 0; j < n_cover; j++) {
            cover[j].slot = reducer->n_held++;
            int n_new = cr_tree_append(p->n_leaves, cover[j], reducer->kept, &reducer->n_kept, adds);
            for (int a = 0; a < n_new; a++)
                reducer->adds[reducer->n_adds++] = adds[a];
        }
    }
done:
    return status;
}

static void place_buckets(cr_reducer *reducer)
{
    const cr_reducer_params *p = &reducer->params;
    bool cut = reducer->size > 1 && p->buckets.n > 1;
    reducer->n_buckets = cut ? p->buckets.n : 1;
    reducer->buckets[0].end = p->n;
    for (int b = 0; cut && b < p->buckets.n; b++)
        reducer->buckets[b] =
            (cr_reducer_bucket){.begin = p->buckets.begin[b], .end = cr_bucket_end(&p->buckets, b, p->n)};
    reducer->memory = cut ? cr_memory_lane(p->memory) : p->memory;
    for (int w = 0; cut && w < p->n_workers; w++)
        if (reducer->stacks[w])
            cr_tree_stack_defer(reducer->stacks[w]);
}

static cr_status create_bucket(cr_reducer *reducer, int b)
{
    cr_reducer_bucket *bucket = &reducer->buckets[b];
    const cr_reducer_params *p = &reducer->params;
    cr_status status = CR_OK;
    size_t ranks = (size_t)reducer->size;
    int64_t chunk = cr_memory_is_host(p->memory) ? CR_REDUCER_CHUNK : DEVICE_CHUNK;
    CR_TRY(cr_exchange_create(bucket->end - bucket->begin, p->n_leaves, reducer->size, reducer->rank, chunk,
                              &bucket->exchange));
    bucket->gather_counts = calloc(2 * ranks, sizeof *bucket->gather_counts);
    if (!bucket->gather_counts)
        return cr_fail_memory("the reducer's tables", 2 * ranks * sizeof *bucket->gather_counts);
    const int64_t *slice = bucket->exchange->slice;
    for (int r = 0; r < reducer->size; r++) {
        bucket->gather_counts[r] = (size_t)(slice[r + 1] - slice[r]) * sizeof(float);
        bucket->gather_counts[ranks + (size_t)r] = (size_t)slice[r] * sizeof(float);
    }
done:
    return status;
}

static cr_status create_exchange(cr_reducer *reducer)
{
    cr_status status = CR_OK;
    int64_t most = 0;
    size_t n_all = 1;
    for (int b = 0; b < reducer->n_buckets; b++) {
        CR_TRY(create_bucket(reducer, b));
        const cr_exchange *x = reducer->buckets[b].exchange;
        int64_t receives = cr_exchange_receive_floats(x);
        most = receives > most ? receives : most;
        n_all = (size_t)x->n_all; /* of the ranks, not of the bucket */
    }
    CR_TRY(cr_memory_allocate(reducer->params.memory, most, "received gradients", &reducer->receive));
    reducer->operands = calloc(n_all, sizeof *reducer->operands);
    if (!reducer->operands)
        return cr_fail_memory("the reducer's tables", n_all * sizeof *reducer->operands);
done:
    return status;
}

cr_status cr_reducer_create(cr_comm *comm, const cr_reducer_params *params, cr_reducer **reducer)
{
    cr_status status = CR_OK;
    *reducer = NULL;
    CR_TRY(cr_comm_agree(comm, check_params(comm, params)));
    CR_TRY(check_agreement(comm, params));
    cr_reducer *made = calloc(1, sizeof *made);
    if (made) {
        *made = (cr_reducer){.comm = comm, .params = *params, .rank = cr_comm_rank(comm), .size = cr_comm_size(comm)};
        if (!params->memory)
            made->params.memory = cr_memory_host();
        cr_share(params->n_leaves, made->size, made->rank, &made->begin, &made->end);
        status = create_local(made);
        if (status == CR_OK)
            place_buckets(made);
        if (status == CR_OK && made->size > 1 && params->reduction == CR_REDUCTION_ORDERED)
            status = create_exchange(made);
    } else {
        status = cr_fail_memory("the reducer", sizeof *made);
    }
    status = cr_comm_agree(comm, status); /* all have one, or none has */
    if (status == CR_OK && made && made->size > 1)
        status = cr_transport_open(comm, made->memory, params->transport, &made->transport);
    if (status != CR_OK)
        cr_reducer_destroy(&made);
    *reducer = made;
done:
    return status;
}

void cr_reducer_destroy(cr_reducer **reducer)
{
    if (!reducer || !*reducer)
        return;
    cr_reducer *r = *reducer;
    for (int w = 0; r->stacks && w < r->params.n_workers; w++)
        cr_tree_stack_destroy(&r->stacks[w]);
    free(r->stacks);
    free(r->held);
    free(r->adds);
    for (int b = 0; b < r->n_buckets; b++) {
        cr_exchange_destroy(&r->buckets[b].exchange);
        free(r->buckets[b].gather_counts);
    }
    cr_memory_release(r->params.memory, &r->receive);
    cr_transport_close(&r->transport);
    free(r->operands);
    free(r);
    *reducer = NULL;
}

cr_tree_stack *cr_reducer_stack(cr_reducer *reducer, int worker)
{
    return reducer->stacks[worker];
}

const char *cr_reducer_transport(const cr_reducer *reducer)
{
    return reducer->transport ? reducer->transport->name : "none";
}

const char *cr_reducer_all_reduce(const cr_reducer *reducer)
{
    return reducer->transport ? reducer->transport->ops->all_reduce : "MPI_Allreduce";
}

void cr_reducer_cost(const cr_reducer *reducer, int64_t *sent_bytes, double *seconds)
{
    *sent_bytes = reducer->sent_bytes;
    *seconds = reducer->seconds;
}
