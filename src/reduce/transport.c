/* The choice of a transport, and the simplest one: MPI over memory that it reaches itself. */
#include "transport.h"

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
    static const cr_transport_ops ops = {
        .alltoallv = alltoallv_host, .allgatherv = allgatherv_host, .sum_unordered = sum_unordered_host};
    transport->ops = &ops;
    snprintf(transport->name, sizeof transport->name, "MPI");
    return CR_OK;
}

cr_status cr_transport_open(cr_comm *comm, const cr_memory *memory, cr_transport_kind kind, cr_transport **transport)
{
    cr_status status = CR_OK;
    cr_transport *made = calloc(1, sizeof *made);
    if (!made) {
        status = cr_fail_memory("a transport", sizeof *made);
    } else {
        *made = (cr_transport){.comm = comm, .memory = memory};
        status = cr_memory_is_host(memory) ? cr_transport_make_host(made) : cr_transport_make_staged(made);
    }
    (void)kind;
    status = cr_comm_agree(comm, status);
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
