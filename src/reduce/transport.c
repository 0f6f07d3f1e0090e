/* The choice of a transport, and the simplest one: MPI over memory that it reaches itself. */
#include "transport.h"

#include "crisol/log.h"

#if CRISOL_CUDA
#include "nccl_calls.h"
#endif

#include <stdio.h>
#include <stdlib.h>

static cr_status alltoallv_host(cr_transport *transport, const float *send, const size_t send_counts[],
                                const size_t send_offsets[], float *receive, const size_t receive_counts[],
                                const size_t receive_offsets[])
{
    return cr_comm_alltoallv(transport->comm, send, send_counts, send_offsets, receive, receive_counts,
                             receive_offsets);
}

static cr_status allgatherv_host(cr_transport *transport, float *all, const size_t counts[], const size_t offsets[])
{
    return cr_comm_allgatherv(transport->comm, NULL, all, counts, offsets);
}

static cr_status sum_unordered_host(cr_transport *transport, float *data, int64_t n)
{
    return cr_comm_sum_unordered(transport->comm, data, n);
}

cr_status cr_transport_make_host(cr_transport *transport)
{
    static const cr_transport_ops ops = {.all_reduce = "MPI_Allreduce",
                                         .alltoallv = alltoallv_host,
                                         .allgatherv = allgatherv_host,
                                         .sum_unordered = sum_unordered_host};
    transport->ops = &ops;
    snprintf(transport->name, sizeof transport->name, "MPI");
    return CR_OK;
}

#if CRISOL_CUDA
/* NCCL works on a device's queue. Left to choose, all ranks take it or none. */
static cr_status wants_nccl(cr_comm *comm, const cr_memory *memory, cr_transport_kind kind, bool *wanted)
{
    const cr_nccl_calls *calls;
    *wanted = kind == CR_TRANSPORT_NCCL;
    if (*wanted && !memory->queue)
        return cr_fail(CR_BAD_CONFIG, "NCCL moves a GPU's memory only, and this training's is the %s's",
                       memory->ops->name);
    if (kind != CR_TRANSPORT_AUTO || !memory->queue)
        return CR_OK;
    *wanted = cr_comm_agree(comm, cr_nccl_open(&calls)) == CR_OK;
    if (!*wanted)
        cr_log_info("gradients travel through host memory, without NCCL: %s", cr_error_message());
    return CR_OK;
}
#else
static cr_status wants_nccl(cr_comm *comm, const cr_memory *memory, cr_transport_kind kind, bool *wanted)
{
    (void)comm;
    (void)memory;
    *wanted = false;
    return kind == CR_TRANSPORT_NCCL ? cr_fail(CR_MISSING, "this crisol was built without NCCL") : CR_OK;
}
#endif

static cr_status make(cr_transport *transport, bool with_nccl)
{
#if CRISOL_CUDA
    if (with_nccl)
        return cr_transport_make_nccl(transport);
#endif
    (void)with_nccl;
    return cr_comm_agree(transport->comm, cr_memory_is_host(transport->memory) ? cr_transport_make_host(transport)
                                                                               : cr_transport_make_staged(transport));
}

cr_status cr_transport_open(cr_comm *comm, const cr_memory *memory, cr_transport_kind kind, cr_transport **transport)
{
    cr_status status = CR_OK;
    bool with_nccl;
    *transport = NULL;
    cr_transport *made = calloc(1, sizeof *made);
    CR_TRY(cr_comm_agree(comm, made ? CR_OK : cr_fail_memory("a transport", sizeof *made)));
    *made = (cr_transport){.comm = comm, .memory = memory};
    CR_TRY(wants_nccl(comm, memory, kind, &with_nccl)); /* alike on every rank */
    CR_TRY(make(made, with_nccl));
done:
    if (status != CR_OK)
        cr_transport_close(&made);
    *transport = made;
    return status;
}

void cr_transport_close(cr_transport **transport)
{
    if (!transport || !*transport)
        return;
    if ((*transport)->ops && (*transport)->ops->close)
        (*transport)->ops->close(*transport);
    free(*transport);
    *transport = NULL;
}

cr_status cr_transport_wait(cr_transport *transport)
{
    return transport->ops->wait ? transport->ops->wait(transport) : CR_OK;
}
