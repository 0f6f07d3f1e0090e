/* The gradient's sum in one fixed order: a balanced binary tree over the micro-batch index 0 … W-1, in float32,
 * whatever ranks and workers computed the leaves. Node (level l, k) covers leaves [k·2^l, min((k+1)·2^l, W)); its value
 * is left + right, or left alone when the right part is empty.
 *
 * Inside a worker: a binary-counter stack over its contiguous leaves. Then worker by worker. Between ranks: all-to-all
 * of slices, the same tree over the slices, all-gather; the communication only moves bytes. All arrays are of one
 * memory (memory.h), which does the additions.
 *
 * Every step of it is elementwise, and an exchange is planned over a range of floats. So that it may overlap with
 * backward, the gradient can be cut into buckets (buckets.h): as soon as the last leaf has written a bucket, the sum
 * runs on that alone, with the same bits. */
#ifndef CRISOL_REDUCE_H
#define CRISOL_REDUCE_H

#include "crisol/buckets.h"
#include "crisol/comm.h"
#include "crisol/memory.h"
#include "crisol/status.h"
#include "crisol/workers.h"

#include <stdint.h>

typedef struct cr_tree_node {
    int level;     /* height above the leaves */
    int64_t index; /* k */
    float *data;   /* [n] in the stack's memory, owned by its pool */
} cr_tree_node;

/* A worker's stack over leaves [begin, end) of W. All buffers are made at creation, 64-byte aligned: as many of n
 * floats as are in use at once, the leaf being written included. For m leaves that begin at a multiple of a power of
 * two ≥ m, that is 1 + log2(m), rounded down; otherwise at most twice as many. */
typedef struct cr_tree_stack cr_tree_stack;
CR_NODISCARD cr_status cr_tree_stack_create(const cr_memory *memory, int64_t n, int64_t n_leaves, int64_t begin,
                                            int64_t end, cr_tree_stack **stack);
void cr_tree_stack_destroy(cr_tree_stack **stack);
void cr_tree_stack_reset(cr_tree_stack *stack);  /* before the first leaf of a step */
float *cr_tree_stack_leaf(cr_tree_stack *stack); /* where the next leaf's gradient is to be written, [n]; null
                                                     after the last leaf */
/* That leaf is written, or will be in the order of the memory: merge what can be merged. Errors: the memory's. */
CR_NODISCARD cr_status cr_tree_stack_push(cr_tree_stack *stack);
int cr_tree_stack_nodes(const cr_tree_stack *stack,
                        const cr_tree_node **nodes); /* left to right, after the last leaf */

/* The step's exchange for one rank: owns the buffers between workers' stacks and ranks. */
typedef enum cr_reduction {
    CR_REDUCTION_ORDERED,
    CR_REDUCTION_LIBRARY
} cr_reduction;
typedef enum cr_transport_kind { /* what moves the bytes between ranks */
    CR_TRANSPORT_AUTO,           /* NCCL where the memory is a GPU's and the library is there, otherwise MPI */
    CR_TRANSPORT_MPI,            /* a device's memory goes through the host; several ranks may share a device */
    CR_TRANSPORT_NCCL
} cr_transport_kind;
typedef struct cr_reducer cr_reducer;
typedef struct cr_reducer_params {
    int64_t n;        /* floats of a gradient */
    int64_t n_leaves; /* W */
    int n_workers;    /* of this rank, may differ between ranks; the rank's leaves are shared among them by cr_share */
    cr_reduction reduction; /* LIBRARY: the transport's all-reduce of the ranks' sums; the result then depends on the
                               number of ranks */
    cr_transport_kind transport; /* between ranks; none is opened in a group of one */
    const cr_memory *memory;     /* of the gradients; null: the host's */
    cr_buckets buckets;          /* none: all at once; otherwise those of the programs that write the leaves */
} cr_reducer_params;
/* Leaves are shared among ranks by cr_share(W, size, rank); 1 ≤ size ≤ W, otherwise CR_BAD_CONFIG. Fails on all ranks
 * or on none; CR_INTERNAL when ranks disagree on n, W or reduction; CR_MISSING when NCCL
 * is asked for and not there. Memory beside the workers' stacks: one receive
 * buffer of 1 MiB for each node of the other ranks (a rank's leaves are one node when W is a power of two and the ranks
 * divide it), at most a slice. The root is made in a stack's buffer. Collective. */
CR_NODISCARD cr_status cr_reducer_create(cr_comm *comm, const cr_reducer_params *params, cr_reducer **reducer);
void cr_reducer_destroy(cr_reducer **reducer);
cr_tree_stack *cr_reducer_stack(cr_reducer *reducer, int worker); /* null for a worker without leaves */
void cr_reducer_leaves(const cr_reducer *reducer, int worker, int64_t *begin,
                       int64_t *end); /* global micro-batch indices of a worker */

/* After every worker of every rank pushed its leaves: *sum [n] is the tree's root, the same bits on every rank, valid
 * until a stack is reset or written to for the next step. The additions run on `workers`, cut into slices (elementwise,
 * so the cut changes no bit); their number need not be n_workers. LIBRARY: a rank's nodes are added from left to right,
 * then cr_comm_sum_unordered() or NCCL's all-reduce. Errors: CR_INTERNAL when a worker did not push all its leaves
 * (found before anything is sent: agree on the workers' status first, cr_comm_agree()) or the exchange failed.
 * Collective, blocking. */
CR_NODISCARD cr_status cr_reducer_sum(cr_reducer *reducer, cr_workers *workers, const float **sum);

/* With more than one bucket between ranks, the sum may begin when all leaves are queued and before they are written: it
 * goes into the memory's lane, behind the programs' marks, and cr_reducer_sum() waits for what is left of it. Agree on
 * all that can fail before, as there. Errors: as there. Collective. */
bool cr_reducer_overlaps(const cr_reducer *reducer);
CR_NODISCARD cr_status cr_reducer_begin(cr_reducer *reducer, cr_workers *workers);
/* After a failure behind cr_reducer_begin(): others may never come to what was begun, so it is given up, and the
 * reducer is of no more use. Local. */
void cr_reducer_abandon(cr_reducer *reducer);

/* What moves the bytes: "MPI", "MPI through host memory", "NCCL 2.28.9", or "none". */
const char *cr_reducer_transport(const cr_reducer *reducer);
/* The library's sum that LIBRARY calls: "MPI_Allreduce" (in a group of one, too, which calls none), "ncclAllReduce". */
const char *cr_reducer_all_reduce(const cr_reducer *reducer);

/* Bytes that this rank sent in the latest cr_reducer_sum (LIBRARY: the least that an all-reduce sends; what the library
 * really sent is not known), and seconds it took. */
void cr_reducer_cost(const cr_reducer *reducer, int64_t *sent_bytes, double *seconds);

#endif
