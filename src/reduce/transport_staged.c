/* A device's arrays between ranks by MPI: what a rank sends goes into one array of the host, packed, and what it
 * receives comes through another. Works wherever MPI does, and for several ranks on one device. */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct stage { /* an array of the host that grows to the largest message */
    float *floats;
    int64_t n;
} stage;

typedef struct staging {
    stage out, in;
    size_t *offsets; /* [2 × size] of the packed pieces, bytes: sent, received */
} staging;

static cr_status reserve(const cr_memory *memory, stage *s, size_t bytes)
{
    int64_t n = (int64_t)(bytes / sizeof(float));
    if (n <= s->n)
        return CR_OK;
    cr_memory_release_pinned(memory, &s->floats);
    s->n = 0;
    cr_status status = cr_memory_allocate_pinned(memory, n, "messages on their way to a device", &s->floats);
    if (status == CR_OK)
        s->n = n;
    return status;
}

/* Returns the bytes of all pieces. */
static size_t pack_offsets(int n_ranks, const size_t counts[], size_t packed[])
{
    size_t at = 0;
    for (int r = 0; r < n_ranks; r++) {
        packed[r] = at;
        at += counts[r];
    }
    return at;
}

static float *at_byte(float *floats, size_t offset)
{
    return floats + offset / sizeof(float);
}

static cr_status alltoallv_staged(cr_transport *transport, const float *send, const size_t send_counts[],
                                  const size_t send_offsets[], float *receive, const size_t receive_counts[],
                                  const size_t receive_offsets[])
{
    staging *s = transport->context;
    const cr_memory *memory = transport->memory;
    int size = cr_comm_size(transport->comm);
    size_t *out = s->offsets, *in = s->offsets + size;
    cr_status status = CR_OK;
    CR_TRY(reserve(memory, &s->out, pack_offsets(size, send_counts, out)));
    CR_TRY(reserve(memory, &s->in, pack_offsets(size, receive_counts, in)));
    for (int r = 0; r < size; r++)
        if (send_counts[r] > 0)
            CR_TRY(cr_memory_read(memory, send + send_offsets[r] / sizeof(float),
                                  (int64_t)(send_counts[r] / sizeof(float)), at_byte(s->out.floats, out[r])));
    CR_TRY(cr_comm_alltoallv(transport->comm, s->out.floats, send_counts, out, s->in.floats, receive_counts, in));
    for (int r = 0; r < size; r++)
        if (receive_counts[r] > 0)
            CR_TRY(cr_memory_write(memory, at_byte(s->in.floats, in[r]), (int64_t)(receive_counts[r] / sizeof(float)),
                                   at_byte(receive, receive_offsets[r])));
done:
    return status;
}

static cr_status allgatherv_staged(cr_transport *transport, float *all, const size_t counts[], const size_t offsets[])
{
    staging *s = transport->context;
    const cr_memory *memory = transport->memory;
    int size = cr_comm_size(transport->comm), rank = cr_comm_rank(transport->comm);
    size_t *packed = s->offsets;
    cr_status status = CR_OK;
    CR_TRY(reserve(memory, &s->in, pack_offsets(size, counts, packed)));
    CR_TRY(cr_memory_read(memory, at_byte(all, offsets[rank]), (int64_t)(counts[rank] / sizeof(float)),
                          at_byte(s->in.floats, packed[rank])));
    CR_TRY(cr_comm_allgatherv(transport->comm, NULL, s->in.floats, counts, packed));
    for (int r = 0; r < size; r++)
        if (r != rank)
            CR_TRY(cr_memory_write(memory, at_byte(s->in.floats, packed[r]), (int64_t)(counts[r] / sizeof(float)),
                                   at_byte(all, offsets[r])));
done:
    return status;
}

static cr_status sum_unordered_staged(cr_transport *transport, float *data, int64_t n)
{
    staging *s = transport->context;
    cr_status status = CR_OK;
    CR_TRY(reserve(transport->memory, &s->in, (size_t)n * sizeof(float)));
    CR_TRY(cr_memory_read(transport->memory, data, n, s->in.floats));
    CR_TRY(cr_comm_sum_unordered(transport->comm, s->in.floats, n));
    CR_TRY(cr_memory_write(transport->memory, s->in.floats, n, data));
done:
    return status;
}

static void close_staged(cr_transport *transport)
{
    staging *s = transport->context;
    if (!s)
        return;
    cr_memory_release_pinned(transport->memory, &s->out.floats);
    cr_memory_release_pinned(transport->memory, &s->in.floats);
    free(s->offsets);
    free(s);
}

cr_status cr_transport_make_staged(cr_transport *transport)
{
    static const cr_transport_ops ops = {.all_reduce = "MPI_Allreduce",
                                         .alltoallv = alltoallv_staged,
                                         .allgatherv = allgatherv_staged,
                                         .sum_unordered = sum_unordered_staged,
                                         .close = close_staged};
    transport->ops = &ops;
    staging *s = calloc(1, sizeof *s);
    transport->context = s;
    if (s)
        s->offsets = calloc(2 * (size_t)cr_comm_size(transport->comm), sizeof *s->offsets);
    if (!s || !s->offsets)
        return cr_fail_memory("a transport", sizeof *s);
    snprintf(transport->name, sizeof transport->name, "MPI through host memory");
    return CR_OK;
}
