/* A group of one: nothing moves. */
#include "comm_ops.h"

#include <stdio.h>
#include <unistd.h>

static cr_status split_serial(cr_comm *comm, int color, cr_comm **part)
{
    (void)comm, (void)color;
    return cr_comm_open_serial(part);
}

static void close_serial(cr_comm *comm)
{
    (void)comm;
}

static void abort_serial(int exit_code)
{
    _exit(exit_code);
}

static cr_status barrier_serial(cr_comm *comm)
{
    (void)comm;
    return CR_OK;
}

static cr_status broadcast_serial(cr_comm *comm, void *data, size_t bytes, int root)
{
    (void)comm, (void)data, (void)bytes, (void)root;
    return CR_OK;
}

static cr_status allgatherv_serial(cr_comm *comm, void *all, const size_t counts[], const size_t offsets[])
{
    (void)comm, (void)all, (void)counts, (void)offsets;
    return CR_OK;
}

static cr_status alltoallv_serial(cr_comm *comm, const void *send, const size_t send_counts[],
                                  const size_t send_offsets[], void *receive, const size_t receive_counts[],
                                  const size_t receive_offsets[])
{
    (void)comm, (void)send, (void)send_counts, (void)send_offsets;
    (void)receive, (void)receive_counts, (void)receive_offsets;
    return CR_OK;
}

static cr_status lowest_serial(cr_comm *comm, int mine, int *lowest)
{
    (void)comm;
    *lowest = mine;
    return CR_OK;
}

static cr_status sum_unordered_serial(cr_comm *comm, float *data, int64_t n)
{
    (void)comm, (void)data, (void)n;
    return CR_OK;
}

static const cr_comm_ops serial_ops = {
    .split = split_serial,
    .close = close_serial,
    .abort = abort_serial,
    .barrier = barrier_serial,
    .broadcast = broadcast_serial,
    .allgatherv = allgatherv_serial,
    .alltoallv = alltoallv_serial,
    .lowest = lowest_serial,
    .sum_unordered = sum_unordered_serial,
};

cr_status cr_comm_open_serial(cr_comm **comm)
{
    cr_status status = cr_comm_create_empty(&serial_ops, comm);
    if (status == CR_OK)
        snprintf((*comm)->library, sizeof(*comm)->library, "serial");
    return status;
}
