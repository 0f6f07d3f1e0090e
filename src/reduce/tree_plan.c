#include "tree_plan.h"

#include <stdlib.h>

/* Height of the root over n leaves: the least h with 2^h ≥ n. */
static int tree_height(int64_t n_leaves)
{
    int height = 0;
    while ((int64_t)1 << height < n_leaves)
        height++;
    return height;
}

int cr_tree_append(int64_t n_leaves, cr_tree_mark next, cr_tree_mark marks[CR_TREE_MAX_NODES], int *n_marks,
                   cr_addition adds[CR_TREE_MAX_NODES])
{
    int height = tree_height(n_leaves), n_adds = 0;
    marks[(*n_marks)++] = next;
    for (;;) {
        cr_tree_mark *top = &marks[*n_marks - 1];
        if (top->level == height)
            break;
        if (top->index % 2 == 0) { /* a left child: its parent has the same value if no leaf is to the right of it */
            if ((top->index + 1) << top->level < n_leaves)
                break;
        } else {
            cr_tree_mark *left = top - 1;
            if (*n_marks < 2 || left->level != top->level || left->index != top->index - 1)
                break;
            adds[n_adds++] = (cr_addition){left->slot, top->slot};
            --*n_marks;
            top = left;
        }
        top->level++;
        top->index /= 2;
    }
    return n_adds;
}

int cr_tree_cover(int64_t n_leaves, int64_t begin, int64_t end, cr_tree_mark marks[CR_TREE_MAX_NODES])
{
    cr_addition adds[CR_TREE_MAX_NODES];
    int n_marks = 0;
    for (int64_t leaf = begin; leaf < end; leaf++)
        cr_tree_append(n_leaves, (cr_tree_mark){0, leaf, 0}, marks, &n_marks, adds);
    return n_marks;
}

static void cut_slices(cr_exchange *x, int64_t n, int64_t chunk)
{
    int64_t n_units = (n + CR_TREE_UNIT - 1) / CR_TREE_UNIT, longest = 0;
    for (int r = 0; r < x->n_ranks; r++) {
        int64_t begin, end;
        cr_share(n_units, x->n_ranks, r, &begin, &end);
        x->slice[r] = begin * CR_TREE_UNIT < n ? begin * CR_TREE_UNIT : n;
        if (end - begin > longest)
            longest = end - begin;
    }
    x->slice[x->n_ranks] = n;
    int64_t chunk_units = (chunk + CR_TREE_UNIT - 1) / CR_TREE_UNIT;
    if (chunk_units > longest)
        chunk_units = longest;
    if (chunk_units < 1)
        chunk_units = 1;
    x->chunk = chunk_units * CR_TREE_UNIT;
    x->n_chunks = (longest + chunk_units - 1) / chunk_units;
}

/* All ranks' nodes left to right, merged to the root. */
static cr_status plan_adds(cr_exchange *x, int64_t n_leaves)
{
    cr_tree_mark merged[CR_TREE_MAX_NODES], cover[CR_TREE_MAX_NODES];
    cr_addition adds[CR_TREE_MAX_NODES];
    int n_merged = 0;
    for (int r = 0; r < x->n_ranks; r++) {
        int64_t begin, end;
        cr_share(n_leaves, x->n_ranks, r, &begin, &end);
        x->first_node[r] = x->n_all;
        x->n_nodes[r] = cr_tree_cover(n_leaves, begin, end, cover);
        if (x->n_nodes[r] > x->n_rounds)
            x->n_rounds = x->n_nodes[r];
        for (int j = 0; j < x->n_nodes[r]; j++) {
            cover[j].slot = x->n_all++;
            int n_new = cr_tree_append(n_leaves, cover[j], merged, &n_merged, adds);
            for (int a = 0; a < n_new; a++)
                x->adds[x->n_adds++] = adds[a];
        }
    }
    if (n_merged != 1 || x->n_adds != x->n_all - 1)
        return cr_fail(CR_INTERNAL, "the reduction tree over %lld micro-batches does not end in one root",
                       (long long)n_leaves);
    return CR_OK;
}

cr_status cr_exchange_create(int64_t n, int64_t n_leaves, int n_ranks, int rank, int64_t chunk, cr_exchange **exchange)
{
    cr_status status = CR_OK;
    size_t ranks = (size_t)n_ranks;
    cr_exchange *x = calloc(1, sizeof *x);
    *exchange = x;
    if (!x)
        return cr_fail_memory("the exchange's plan", sizeof *x);
    x->n_ranks = n_ranks;
    x->rank = rank;
    x->n_nodes = calloc(ranks, sizeof *x->n_nodes);
    x->first_node = calloc(ranks, sizeof *x->first_node);
    x->slice = calloc(ranks + 1, sizeof *x->slice);
    x->adds = calloc((size_t)n_leaves, sizeof *x->adds); /* a tree over W leaves has W - 1 additions at most */
    x->counts = calloc(4 * ranks, sizeof *x->counts);
    if (!x->n_nodes || !x->first_node || !x->slice || !x->adds || !x->counts) {
        status = cr_fail_memory("the exchange's plan", ranks * 64 + (size_t)n_leaves * sizeof *x->adds);
        goto done;
    }
    cut_slices(x, n, chunk);
    CR_TRY(plan_adds(x, n_leaves));
done:
    if (status != CR_OK)
        cr_exchange_destroy(exchange);
    return status;
}

void cr_exchange_destroy(cr_exchange **exchange)
{
    if (!exchange || !*exchange)
        return;
    free((*exchange)->n_nodes);
    free((*exchange)->first_node);
    free((*exchange)->slice);
    free((*exchange)->adds);
    free((*exchange)->counts);
    free(*exchange);
    *exchange = NULL;
}

/* Floats of chunk c in rank r's slice; empty when that slice is shorter. */
static void chunk_range(const cr_exchange *x, int64_t c, int r, int64_t *begin, int64_t *end)
{
    int64_t slice_end = x->slice[r + 1];
    *begin = x->slice[r] + c * x->chunk;
    *end = *begin + x->chunk;
    *begin = *begin < slice_end ? *begin : slice_end;
    *end = *end < slice_end ? *end : slice_end;
}

void cr_exchange_moves(cr_exchange *x, int64_t c, int round)
{
    size_t *send_counts = x->counts, *send_offsets = send_counts + x->n_ranks;
    size_t *receive_counts = send_offsets + x->n_ranks, *receive_offsets = receive_counts + x->n_ranks;
    chunk_range(x, c, x->rank, &x->chunk_begin, &x->chunk_end);
    for (int r = 0; r < x->n_ranks; r++) {
        int64_t begin, end;
        chunk_range(x, c, r, &begin, &end);
        bool other = r != x->rank;
        bool sends = other && round < x->n_nodes[x->rank], receives = other && round < x->n_nodes[r];
        send_counts[r] = sends ? (size_t)(end - begin) * sizeof(float) : 0;
        send_offsets[r] = (size_t)begin * sizeof(float);
        receive_counts[r] = receives ? (size_t)(x->chunk_end - x->chunk_begin) * sizeof(float) : 0;
        receive_offsets[r] = receives ? (size_t)cr_exchange_receive_offset(x, r, round) * sizeof(float) : 0;
    }
}

int64_t cr_exchange_receive_floats(const cr_exchange *x)
{
    return (x->n_all - x->n_nodes[x->rank]) * x->chunk;
}

int64_t cr_exchange_receive_offset(const cr_exchange *x, int from, int j)
{
    int place = x->first_node[from] + j; /* this rank's own nodes need none */
    return (from > x->rank ? place - x->n_nodes[x->rank] : place) * x->chunk;
}
