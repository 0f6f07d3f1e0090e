/* A step's sum over ranks. Inside the rank the workers' nodes merge first, so that a rank sends one node a maximal
 * subtree. Then, chunk by chunk: everybody sends everybody their slices, and each adds what belongs to its own slice,
 * in the tree's order, into the buffer of its first node (the part of it that is never sent). At last the slices are
 * gathered in that same buffer. So besides the stacks there is only the receive buffer: a chunk for each node of the
 * other ranks. */
#include "crisol/clock.h"
#include "transport.h"
#include "tree_plan.h"

#include <stdlib.h>

#ifndef CR_REDUCER_CHUNK
#define CR_REDUCER_CHUNK (256 * 1024) /* floats: 1 MiB, still in the second-level cache when it is added */
#endif

enum {
    DEVICE_CHUNK = 16 * CR_REDUCER_CHUNK, /* a device has no such cache, and each call to it costs more */
    MAX_WORKERS = 4096,
    N_SHARED = 4 /* parameters that must be equal on all ranks */
};

struct cr_reducer {
    cr_comm *comm;
    cr_reducer_params params;
    int rank, size;
    int64_t begin, end;     /* this rank's leaves */
    cr_tree_stack **stacks; /* [n_workers], null where a worker has no leaf */

    /* inside the rank: the workers' nodes in order; slots are their places */
    int n_held;
    float **held;      /* [n_held] found anew each step */
    cr_addition *adds; /* [n_adds] */
    int n_adds;
    cr_tree_mark kept[CR_TREE_MAX_NODES]; /* what is left after `adds`: this rank's nodes */
    int n_kept;

    /* between ranks; null at size 1, and all but the transport for LIBRARY */
    cr_transport *transport;
    cr_exchange *exchange;
    float *receive;
    float **operands;      /* [n_all] where each rank's node lies in the current chunk */
    size_t *gather_counts; /* [2 × size] bytes and offsets of the slices */

    int64_t sent_bytes;
    double seconds;
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
    int64_t mine[N_SHARED] = {p->n, p->n_leaves, p->reduction, p->transport};
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

static cr_status create_exchange(cr_reducer *reducer)
{
    const cr_reducer_params *p = &reducer->params;
    cr_status status = CR_OK;
    size_t ranks = (size_t)reducer->size;
    int64_t chunk = cr_memory_is_host(p->memory) ? CR_REDUCER_CHUNK : DEVICE_CHUNK;
    CR_TRY(cr_exchange_create(p->n, p->n_leaves, reducer->size, reducer->rank, chunk, &reducer->exchange));
    const cr_exchange *x = reducer->exchange;
    CR_TRY(cr_memory_allocate(p->memory, cr_exchange_receive_floats(x), "received gradients", &reducer->receive));
    reducer->operands = calloc((size_t)x->n_all, sizeof *reducer->operands);
    reducer->gather_counts = calloc(2 * ranks, sizeof *reducer->gather_counts);
    if (!reducer->operands || !reducer->gather_counts)
        return cr_fail_memory("the reducer's tables", (size_t)x->n_all * sizeof *reducer->operands);
    for (int r = 0; r < reducer->size; r++) {
        reducer->gather_counts[r] = (size_t)(x->slice[r + 1] - x->slice[r]) * sizeof(float);
        reducer->gather_counts[ranks + (size_t)r] = (size_t)x->slice[r] * sizeof(float);
    }
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
        if (status == CR_OK && made->size > 1 && params->reduction == CR_REDUCTION_ORDERED)
            status = create_exchange(made);
    } else {
        status = cr_fail_memory("the reducer", sizeof *made);
    }
    status = cr_comm_agree(comm, status); /* all have one, or none has */
    if (status == CR_OK && made && made->size > 1)
        status = cr_transport_open(comm, made->params.memory, params->transport, &made->transport);
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
    cr_exchange_destroy(&r->exchange);
    cr_memory_release(r->params.memory, &r->receive);
    cr_transport_close(&r->transport);
    free(r->operands);
    free(r->gather_counts);
    free(r);
    *reducer = NULL;
}

cr_tree_stack *cr_reducer_stack(cr_reducer *reducer, int worker)
{
    return reducer->stacks[worker];
}

static cr_status find_nodes(cr_reducer *reducer)
{
    int n_found = 0;
    for (int w = 0; w < reducer->params.n_workers; w++) {
        const cr_tree_node *nodes;
        const cr_tree_stack *stack = reducer->stacks[w];
        if (!stack)
            continue;
        if (!cr_tree_stack_is_full(stack))
            return cr_fail(CR_INTERNAL, "worker %d of rank %d did not push all its micro-batches", w, reducer->rank);
        int n_nodes = cr_tree_stack_nodes(stack, &nodes);
        for (int j = 0; j < n_nodes; j++)
            reducer->held[n_found++] = nodes[j].data;
    }
    return CR_OK;
}

static cr_status sum_chunk(cr_reducer *reducer, cr_workers *workers, int64_t c)
{
    cr_exchange *x = reducer->exchange;
    cr_status status = CR_OK;
    int size = reducer->size;
    float *root = reducer->held[reducer->kept[0].slot];
    for (int round = 0; round < x->n_rounds; round++) {
        cr_exchange_moves(x, c, round);
        const float *node = round < reducer->n_kept ? reducer->held[reducer->kept[round].slot] : NULL;
        CR_TRY(reducer->transport->ops->alltoallv(reducer->transport, node, x->counts, x->counts + size,
                                                  reducer->receive, x->counts + 2 * size, x->counts + 3 * size));
        for (int r = 0; r < size; r++)
            reducer->sent_bytes += (int64_t)x->counts[r];
    }
    for (int r = 0; r < size; r++) {
        for (int j = 0; j < x->n_nodes[r]; j++)
            reducer->operands[x->first_node[r] + j] = r == reducer->rank
                                                          ? reducer->held[reducer->kept[j].slot] + x->chunk_begin
                                                          : reducer->receive + cr_exchange_receive_offset(x, r, j);
    }
    CR_TRY(cr_memory_add(reducer->params.memory, workers, x->adds, x->n_adds, reducer->operands, root + x->chunk_begin,
                         x->chunk_end - x->chunk_begin));
done:
    return status;
}

static cr_status sum_ranks_ordered(cr_reducer *reducer, cr_workers *workers)
{
    cr_status status = CR_OK;
    float *root = reducer->held[reducer->kept[0].slot];
    for (int64_t c = 0; c < reducer->exchange->n_chunks; c++)
        CR_TRY(sum_chunk(reducer, workers, c));
    CR_TRY(reducer->transport->ops->allgatherv(reducer->transport, root, reducer->gather_counts,
                                               reducer->gather_counts + reducer->size));
    reducer->sent_bytes += (int64_t)reducer->gather_counts[reducer->rank] * (reducer->size - 1);
done:
    return status;
}

/* The rank's nodes left to right, then the library's sum. */
static cr_status sum_ranks_library(cr_reducer *reducer, cr_workers *workers)
{
    cr_status status = CR_OK;
    const cr_reducer_params *p = &reducer->params;
    cr_addition rest[CR_TREE_MAX_NODES];
    for (int j = 1; j < reducer->n_kept; j++)
        rest[j - 1] = (cr_addition){reducer->kept[0].slot, reducer->kept[j].slot};
    CR_TRY(cr_memory_add(p->memory, workers, rest, reducer->n_kept - 1, reducer->held, NULL, p->n));
    CR_TRY(reducer->transport->ops->sum_unordered(reducer->transport, reducer->held[reducer->kept[0].slot], p->n));
    /* what a library sends is its secret; this is the least that an all-reduce can do with */
    reducer->sent_bytes += 2 * (reducer->size - 1) * (p->n * (int64_t)sizeof(float) / reducer->size);
done:
    return status;
}

cr_status cr_reducer_sum(cr_reducer *reducer, cr_workers *workers, const float **sum)
{
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    *sum = NULL;
    reducer->sent_bytes = 0;
    CR_TRY(find_nodes(reducer));
    CR_TRY(cr_memory_add(reducer->params.memory, workers, reducer->adds, reducer->n_adds, reducer->held, NULL,
                         reducer->params.n));
    if (reducer->size > 1 && reducer->params.reduction == CR_REDUCTION_ORDERED)
        CR_TRY(sum_ranks_ordered(reducer, workers));
    else if (reducer->size > 1)
        CR_TRY(sum_ranks_library(reducer, workers));
    if (reducer->size > 1)
        CR_TRY(cr_transport_wait(reducer->transport));
    *sum = reducer->held[reducer->kept[0].slot];
done:
    reducer->seconds = cr_clock_s() - start_s;
    return cr_comm_fail_alone(reducer->comm, status);
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
