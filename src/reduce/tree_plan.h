/* Which nodes there are, who holds them and what is added to what: all of it a pure function of counts, apart from the
 * numbers that are added (memory.h) and from how they travel (transport.h). */
#ifndef CRISOL_TREE_PLAN_H
#define CRISOL_TREE_PLAN_H

#include "crisol/reduce.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CR_TREE_MAX_LEAVES = 1 << 20,
    CR_TREE_MAX_NODES = 64, /* a contiguous range of leaves is at most 2 × 20 nodes, and one more while appending */
    CR_TREE_UNIT = 16       /* floats of 64 bytes: slices begin at multiples */
};
static const int64_t CR_TREE_MAX_FLOATS = (int64_t)1 << 36;

/* Node (level, index), whose numbers lie in the buffer that the caller knows by `slot`. */
typedef struct cr_tree_mark {
    int level;
    int64_t index;
    int slot;
} cr_tree_mark;

/* Puts node `next` to the right of the `*n_marks` nodes and merges for as long as two neighbours are one node's
 * children; the right one's buffer is free afterwards. Writes the additions in order and returns their number, at most
 * *n_marks. */
int cr_tree_append(int64_t n_leaves, cr_tree_mark next, cr_tree_mark marks[CR_TREE_MAX_NODES], int *n_marks,
                   cr_addition adds[CR_TREE_MAX_NODES]);

/* The nodes that leaves [begin, end) of the tree merge to, left to right; slots are not set. Returns their number. */
int cr_tree_cover(int64_t n_leaves, int64_t begin, int64_t end, cr_tree_mark marks[CR_TREE_MAX_NODES]);

/* All leaves of the step are pushed. */
bool cr_tree_stack_is_full(const cr_tree_stack *stack);

/* From now on the merges of the last leaf of a step are left for cr_tree_stack_merge(), which makes them for floats
 * [begin, begin + n), in the order of `memory`: the stack's, or its lane. */
void cr_tree_stack_defer(cr_tree_stack *stack);
CR_NODISCARD cr_status cr_tree_stack_merge(cr_tree_stack *stack, const cr_memory *memory, cr_workers *workers,
                                           int64_t begin, int64_t n);

/* How ranks exchange. Every rank owns one slice of the n floats; a slice is treated in pieces ("chunks") so that what
 * is received stays small. In round j of a chunk every rank sends the others their slices of its j-th node. */
typedef struct cr_exchange {
    int n_ranks, rank;
    int64_t chunk;       /* floats, a multiple of CR_TREE_UNIT */
    int64_t n_chunks;    /* the same on every rank */
    int n_rounds;        /* most nodes of a rank */
    int *n_nodes;        /* [n_ranks] nodes of each rank */
    int *first_node;     /* [n_ranks] number of each rank's first node, counted through all ranks */
    int n_all;           /* nodes of all ranks */
    int64_t *slice;      /* [n_ranks + 1] slice r is floats [slice[r], slice[r + 1]) */
    cr_addition *adds;   /* [n_adds] over node numbers; the last one makes the root */
    int n_adds;          /* n_all - 1 */
    size_t *counts;      /* [4 × n_ranks] bytes: send counts and offsets, receive counts and offsets */
    int64_t chunk_begin; /* floats [chunk_begin, chunk_end) of this rank's slice, set by cr_exchange_moves() */
    int64_t chunk_end;
} cr_exchange;

CR_NODISCARD cr_status cr_exchange_create(int64_t n, int64_t n_leaves, int n_ranks, int rank, int64_t chunk,
                                          cr_exchange **exchange);
void cr_exchange_destroy(cr_exchange **exchange);
/* Sets `counts` for round `round` of chunk `c`: offsets into a node's n floats for sending and into the receive buffer
 * for receiving. Nothing goes from a rank to itself. */
void cr_exchange_moves(cr_exchange *exchange, int64_t c, int round);
/* Floats of the receive buffer: a chunk for each node of the other ranks. */
int64_t cr_exchange_receive_floats(const cr_exchange *exchange);
/* Where rank `from`'s j-th node lies in the receive buffer; `from` is not this rank. */
int64_t cr_exchange_receive_offset(const cr_exchange *exchange, int from, int j);

#endif
