/* A step's sum over ranks. Inside the rank the workers' nodes merge first, so that a rank sends one node a maximal
 * subtree. Then, chunk by chunk: everybody sends everybody their slices, and each adds what belongs to its own slice,
 * in the tree's order, into the buffer of its first node (the part of it that is never sent). At last the slices are
 * gathered in that same buffer. So besides the stacks there is only the receive buffer: a chunk for each node of the
 * other ranks.
 *
 * With buckets, all of this goes into the memory's lane, bucket by bucket, each behind the mark that backward sets when
 * the last leaf has written it. */
#include "crisol/clock.h"
#include "reducer_parts.h"

/* The floats of the nodes from `begin` on. */
static cr_status find_nodes(cr_reducer *reducer, int64_t begin)
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
            reducer->held[n_found++] = nodes[j].data + begin;
    }
    return CR_OK;
}

static cr_status sum_chunk(cr_reducer *reducer, cr_workers *workers, cr_exchange *x, int64_t c)
{
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
    CR_TRY(cr_memory_add(reducer->memory, workers, x->adds, x->n_adds, reducer->operands, root + x->chunk_begin,
                         x->chunk_end - x->chunk_begin));
done:
    return status;
}

static cr_status sum_ranks_ordered(cr_reducer *reducer, cr_workers *workers, const cr_reducer_bucket *bucket)
{
    cr_status status = CR_OK;
    float *root = reducer->held[reducer->kept[0].slot];
    for (int64_t c = 0; c < bucket->exchange->n_chunks; c++)
        CR_TRY(sum_chunk(reducer, workers, bucket->exchange, c));
    CR_TRY(reducer->transport->ops->allgatherv(reducer->transport, root, bucket->gather_counts,
                                               bucket->gather_counts + reducer->size));
    reducer->sent_bytes += (int64_t)bucket->gather_counts[reducer->rank] * (reducer->size - 1);
done:
    return status;
}

/* The rank's nodes left to right, then the library's sum. */
static cr_status sum_ranks_library(cr_reducer *reducer, cr_workers *workers, const cr_reducer_bucket *bucket)
{
    cr_status status = CR_OK;
    cr_addition rest[CR_TREE_MAX_NODES];
    int64_t n = bucket->end - bucket->begin;
    for (int j = 1; j < reducer->n_kept; j++)
        rest[j - 1] = (cr_addition){reducer->kept[0].slot, reducer->kept[j].slot};
    CR_TRY(cr_memory_add(reducer->memory, workers, rest, reducer->n_kept - 1, reducer->held, NULL, n));
    CR_TRY(reducer->transport->ops->sum_unordered(reducer->transport, reducer->held[reducer->kept[0].slot], n));
    /* what a library sends is its secret; this is the least that an all-reduce can do with */
    reducer->sent_bytes += 2 * (reducer->size - 1) * (n * (int64_t)sizeof(float) / reducer->size);
done:
    return status;
}

static cr_status sum_bucket(cr_reducer *reducer, cr_workers *workers, int b)
{
    cr_status status = CR_OK;
    const cr_reducer_bucket *bucket = &reducer->buckets[b];
    int64_t n = bucket->end - bucket->begin;
    CR_TRY(find_nodes(reducer, bucket->begin));
    if (reducer->n_buckets > 1) {
        CR_TRY(cr_memory_follow(reducer->memory, b));
        for (int w = 0; w < reducer->params.n_workers; w++)
            if (reducer->stacks[w])
                CR_TRY(cr_tree_stack_merge(reducer->stacks[w], reducer->memory, workers, bucket->begin, n));
    }
    CR_TRY(cr_memory_add(reducer->memory, workers, reducer->adds, reducer->n_adds, reducer->held, NULL, n));
    if (reducer->size > 1 && reducer->params.reduction == CR_REDUCTION_ORDERED)
        CR_TRY(sum_ranks_ordered(reducer, workers, bucket));
    else if (reducer->size > 1)
        CR_TRY(sum_ranks_library(reducer, workers, bucket));
done:
    return status;
}

bool cr_reducer_overlaps(const cr_reducer *reducer)
{
    return reducer->n_buckets > 1;
}

cr_status cr_reducer_begin(cr_reducer *reducer, cr_workers *workers)
{
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    reducer->sent_bytes = 0;
    for (int b = 0; b < reducer->n_buckets; b++)
        CR_TRY(sum_bucket(reducer, workers, b));
done:
    reducer->is_begun = status == CR_OK;
    reducer->seconds = cr_clock_s() - start_s;
    return cr_comm_fail_alone(reducer->comm, status);
}

cr_status cr_reducer_sum(cr_reducer *reducer, cr_workers *workers, const float **sum)
{
    cr_status status = CR_OK;
    *sum = NULL;
    if (!reducer->is_begun)
        CR_TRY(cr_reducer_begin(reducer, workers));
    double start_s = cr_clock_s();
    reducer->is_begun = false;
    if (reducer->size > 1)
        status = cr_transport_wait(reducer->transport);
    if (status == CR_OK && reducer->n_buckets > 1)
        status = cr_memory_join(reducer->params.memory);
    reducer->seconds += cr_clock_s() - start_s;
    CR_TRY(cr_comm_fail_alone(reducer->comm, status));
    CR_TRY(find_nodes(reducer, 0));
    *sum = reducer->held[reducer->kept[0].slot];
done:
    return status;
}

void cr_reducer_abandon(cr_reducer *reducer)
{
    cr_transport_close(&reducer->transport);
}
