/* What moves a gradient's bytes between ranks: MPI over the host's memory, MPI with a device's memory staged through
 * the host, NCCL. None of them adds anything, but for sum_unordered.
 *
 * Counts and offsets are in bytes, multiples of a float's. Calls are collective and in the order of the memory: they
 * may return before the bytes have arrived, what is queued behind them finds them there, and cr_transport_wait() says
 * that all went well. After an error a transport is of no more use. */
#ifndef CRISOL_TRANSPORT_H
#define CRISOL_TRANSPORT_H

#include "crisol/reduce.h"

#include <stddef.h>

typedef struct cr_transport cr_transport;

typedef struct cr_transport_ops { /* as cr_comm_alltoallv(), cr_comm_allgatherv() in place, cr_comm_sum_unordered() */
    const char *all_reduce;       /* what sum_unordered calls: "MPI_Allreduce" */
    cr_status (*alltoallv)(cr_transport *transport, const float *send, const size_t send_counts[],
                           const size_t send_offsets[], float *receive, const size_t receive_counts[],
                           const size_t receive_offsets[]);
    cr_status (*allgatherv)(cr_transport *transport, float *all, const size_t counts[], const size_t offsets[]);
    cr_status (*sum_unordered)(cr_transport *transport, float *data, int64_t n);
    cr_status (*wait)(cr_transport *transport); /* null: calls return when all has arrived */
    void (*close)(cr_transport *transport);     /* releases `context`; null: there is nothing to release */
} cr_transport_ops;

struct cr_transport {
    const cr_transport_ops *ops;
    cr_comm *comm;           /* borrowed */
    const cr_memory *memory; /* borrowed */
    char name[48];
    void *context; /* the implementation's own */
};

/* For a group of two or more ranks. Fails on all ranks or on none. Collective. */
CR_NODISCARD cr_status cr_transport_open(cr_comm *comm, const cr_memory *memory, cr_transport_kind kind,
                                         cr_transport **transport);
void cr_transport_close(cr_transport **transport);
CR_NODISCARD cr_status cr_transport_wait(cr_transport *transport);
/* For cr_reduce_libraries(). */
void cr_transport_note_library(const char *library);

/* What an implementation fills, given comm and memory. Local, but for NCCL's, which
 * is collective and agreed. */
CR_NODISCARD cr_status cr_transport_make_host(cr_transport *transport);
CR_NODISCARD cr_status cr_transport_make_staged(cr_transport *transport);
#if CRISOL_CUDA
CR_NODISCARD cr_status cr_transport_make_nccl(cr_transport *transport);
#endif

#endif
