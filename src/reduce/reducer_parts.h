/* Inside of a reducer: what its creation (reducer.c) prepares and a step's sum (reducer_sum.c) uses. */
#ifndef CRISOL_REDUCER_PARTS_H
#define CRISOL_REDUCER_PARTS_H

#include "transport.h"
#include "tree_plan.h"

typedef struct cr_reducer_bucket { /* floats [begin, end): without buckets, all of them in one */
    int64_t begin, end;
    cr_exchange *exchange; /* null at size 1 and for LIBRARY, as is gather_counts */
    size_t *gather_counts; /* [2 × size] bytes and offsets of the slices */
} cr_reducer_bucket;

struct cr_reducer {
    cr_comm *comm;
    cr_reducer_params params;
    int rank, size;
    int64_t begin, end;     /* this rank's leaves */
    cr_tree_stack **stacks; /* [n_workers], null where a worker has no leaf */

    /* inside the rank: the workers' nodes in order; slots are their places */
    int n_held;
    float **held;      /* [n_held] a bucket's part of them, found anew for each */
    cr_addition *adds; /* [n_adds] */
    int n_adds;
    cr_tree_mark kept[CR_TREE_MAX_NODES]; /* what is left after `adds`: this rank's nodes */
    int n_kept;

    /* between ranks; all but buckets and memory null at size 1, and all but these and the transport for LIBRARY */
    cr_reducer_bucket buckets[CR_MAX_BUCKETS];
    int n_buckets;           /* ≥ 1; more than one: what follows overlaps with backward */
    const cr_memory *memory; /* in whose order that happens: the lane of params.memory, or itself */
    cr_transport *transport;
    float *receive;
    float **operands; /* [nodes of all ranks] where each rank's node lies in the current chunk */

    bool is_begun; /* the step's sum is under way */
    int64_t sent_bytes;
    double seconds;
};

#endif
