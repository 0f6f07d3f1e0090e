/* A device that is none: src/backend/cuda compiled for the host, kernels included, so that all of it but cuDNN's
 * convolutions runs in tests on any machine. */
#ifndef CRISOL_TEST_EMULATOR_H
#define CRISOL_TEST_EMULATOR_H

#include "kernel.h"

#include <stddef.h>

typedef struct emulated_op emulated_op;

struct CUstream_st { /* operations are numbered for ever; those before `base` are gone */
    emulated_op *ops;
    int64_t n_ops, done, room, base;
    int64_t captured_from;      /* while capturing: number of the first captured one, otherwise -1 */
    struct CUstream_st *leader; /* while capturing: whose capture it is */
    struct CUstream_st *next;
};

void emulated_copy(cudaStream_t stream, void *to, const void *from, size_t bytes);
void emulated_set(cudaStream_t stream, void *to, int value, size_t bytes);
void emulated_wait(cudaStream_t stream, cudaStream_t other, int64_t at);
/* Lets operations happen until `until` of the stream have. */
void emulated_run(cudaStream_t stream, int64_t until);
int64_t emulated_queued(cudaStream_t stream); /* so far */

/* Operations from number `from` on, taken off the stream; emulated_free(). */
emulated_op *emulated_take(cudaStream_t stream, int64_t from, int64_t *n);
/* Operations of one stream from a number on, which happen in another. */
typedef struct emulated_move {
    cudaStream_t from, to;
    int64_t from_at, to_at;
} emulated_move;
void emulated_replay(cudaStream_t stream, const emulated_op *ops, int64_t n, const emulated_move *moves, int n_moves);
bool emulated_is_joined(cudaStream_t stream, cudaStream_t other); /* waits for all of the other */
void emulated_free(emulated_op *ops, int64_t n);

#endif
