/* Between GPUs by NCCL. Everything is queued in the order of the memory; the host waits once, at the end.
 *
 * The communicator is non-blocking, so that no call of NCCL can hang: each returns at once, and settle() and
 * wait_nccl() are the places where this rank waits, looking at NCCL's asynchronous error and at the clock (source: NCCL
 * user guide, "Fault tolerance"). After an error or when patience is over the communicator is aborted, which frees the
 * GPU from kernels that wait for other ranks for ever. */
#include "crisol/clock.h"
#include "nccl_calls.h"
#include "transport.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    LOOKS_AWAKE = 1000,
    SLEEP_NS = 20000
};

typedef struct nccl_link {
    const cr_nccl_calls *calls;
    ncclComm_t comm; /* null after an error */
    bool is_idle;    /* nothing is queued that was not waited for */
} nccl_link;

/* Ends the communicator, whatever it is doing. */
static void abort_link(nccl_link *link)
{
    if (link->comm)
        link->calls->CommAbort(link->comm);
    link->comm = NULL;
}

static cr_status fail_nccl(cr_transport *transport, ncclResult_t result, const char *what)
{
    nccl_link *link = transport->context;
    const char *detail = link->calls->GetLastError(link->comm);
    cr_status status = cr_fail(CR_INTERNAL, "NCCL failed in the %s: %s%s%s", what, link->calls->GetErrorString(result),
                               detail && *detail ? ": " : "", detail ? detail : "");
    abort_link(link);
    return status;
}

/* Gives the core away, then sleeps; fails when this rank has waited for too long since `start_s`. */
static cr_status pause_or_give_up(cr_transport *transport, int64_t look, double start_s, const char *what)
{
    const struct timespec pause = {0, SLEEP_NS};
    double patience_s = cr_comm_patience_s(transport->comm);
    if (look < LOOKS_AWAKE) {
        sched_yield();
        return CR_OK;
    }
    nanosleep(&pause, NULL);
    if (patience_s <= 0 || cr_clock_s() - start_s < patience_s)
        return CR_OK;
    abort_link(transport->context);
    return cr_fail(CR_INTERNAL, "NCCL waited %.0f s in the %s; another rank hangs, or its node does", patience_s, what);
}

/* Waits until NCCL has taken a call over: `result` is what the call returned. */
static cr_status settle(cr_transport *transport, ncclResult_t result, const char *what)
{
    nccl_link *link = transport->context;
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    for (int64_t look = 0; result == ncclInProgress; look++) {
        ncclResult_t asked = link->calls->CommGetAsyncError(link->comm, &result);
        if (asked != ncclSuccess)
            result = asked;
        if (result == ncclInProgress)
            CR_TRY(pause_or_give_up(transport, look, start_s, what));
    }
    if (result != ncclSuccess)
        status = fail_nccl(transport, result, what);
done:
    return status;
}

/* The queue itself: done, broken, or waiting for another rank. */
static cr_status wait_nccl(cr_transport *transport)
{
    nccl_link *link = transport->context;
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    bool done = false;
    for (int64_t look = 0; !done; look++) {
        ncclResult_t state = ncclSuccess, asked = link->calls->CommGetAsyncError(link->comm, &state);
        if (asked != ncclSuccess || (state != ncclSuccess && state != ncclInProgress))
            return fail_nccl(transport, asked != ncclSuccess ? asked : state, "sum of the gradients");
        CR_TRY(cr_memory_poll(transport->memory, &done));
        if (!done)
            CR_TRY(pause_or_give_up(transport, look, start_s, "sum of the gradients"));
    }
    link->is_idle = true;
done:
    if (status != CR_OK)
        abort_link(link);
    return status;
}

/* Begins a group of calls. */
static cr_status begin(cr_transport *transport, const char *what)
{
    nccl_link *link = transport->context;
    if (!link->comm)
        return cr_fail(CR_INTERNAL, "NCCL is of no more use after an error, in the %s", what);
    link->is_idle = false;
    return settle(transport, link->calls->GroupStart(), what);
}

/* Ends it; `result` is the first failure of a call in it. */
static cr_status end(cr_transport *transport, ncclResult_t result, const char *what)
{
    nccl_link *link = transport->context;
    ncclResult_t ended = link->calls->GroupEnd();
    return settle(transport, result != ncclSuccess && result != ncclInProgress ? result : ended, what);
}

static bool is_good(ncclResult_t result)
{
    return result == ncclSuccess || result == ncclInProgress;
}

static cr_status alltoallv_nccl(cr_transport *transport, const float *send, const size_t send_counts[],
                                const size_t send_offsets[], float *receive, const size_t receive_counts[],
                                const size_t receive_offsets[])
{
    static const char what[] = "all-to-all of slices";
    nccl_link *link = transport->context;
    const cudaStream_t queue = transport->memory->queue;
    ncclResult_t result = ncclSuccess;
    cr_status status = CR_OK;
    int size = cr_comm_size(transport->comm), rank = cr_comm_rank(transport->comm);
    CR_TRY(begin(transport, what));
    for (int i = 1; i < size && is_good(result); i++) { /* each starts at its neighbour */
        int to = (rank + i) % size, from = (rank + size - i) % size;
        if (send_counts[to] > 0)
            result = link->calls->Send((const char *)send + send_offsets[to], send_counts[to] / sizeof(float),
                                       ncclFloat, to, link->comm, queue);
        if (receive_counts[from] > 0 && is_good(result))
            result = link->calls->Recv((char *)receive + receive_offsets[from], receive_counts[from] / sizeof(float),
                                       ncclFloat, from, link->comm, queue);
    }
    CR_TRY(end(transport, result, what));
done:
    return status;
}

/* Slices differ in length, which ncclAllGather cannot do: each rank broadcasts its own. */
static cr_status allgatherv_nccl(cr_transport *transport, float *all, const size_t counts[], const size_t offsets[])
{
    static const char what[] = "all-gather";
    nccl_link *link = transport->context;
    ncclResult_t result = ncclSuccess;
    cr_status status = CR_OK;
    CR_TRY(begin(transport, what));
    for (int r = 0; r < cr_comm_size(transport->comm) && is_good(result); r++) {
        char *slice = (char *)all + offsets[r];
        if (counts[r] > 0)
            result = link->calls->Broadcast(slice, slice, counts[r] / sizeof(float), ncclFloat, r, link->comm,
                                            transport->memory->queue);
    }
    CR_TRY(end(transport, result, what));
done:
    return status;
}

static cr_status sum_unordered_nccl(cr_transport *transport, float *data, int64_t n)
{
    static const char what[] = "all-reduce";
    nccl_link *link = transport->context;
    cr_status status = CR_OK;
    CR_TRY(begin(transport, what));
    ncclResult_t result =
        link->calls->AllReduce(data, data, (size_t)n, ncclFloat, ncclSum, link->comm, transport->memory->queue);
    CR_TRY(end(transport, result, what));
done:
    return status;
}

/* In order only when all is quiet: otherwise others may never come. */
static void close_nccl(cr_transport *transport)
{
    nccl_link *link = transport->context;
    if (!link)
        return;
    if (link->comm && link->is_idle &&
        settle(transport, link->calls->CommFinalize(link->comm), "end of the communicator") == CR_OK) {
        link->calls->CommDestroy(link->comm);
        link->comm = NULL;
    }
    abort_link(link);
    free(link);
}

/* Rank 0's address, for all. */
static cr_status share_id(cr_transport *transport, ncclUniqueId *id)
{
    nccl_link *link = transport->context;
    cr_status status = CR_OK;
    if (cr_comm_rank(transport->comm) == 0) {
        ncclResult_t result = link->calls->GetUniqueId(id);
        if (result != ncclSuccess)
            status = fail_nccl(transport, result, "start");
    }
    CR_TRY(cr_comm_agree(transport->comm, status));
    CR_TRY(cr_comm_broadcast(transport->comm, id, sizeof *id, 0));
done:
    return status;
}

cr_status cr_transport_make_nccl(cr_transport *transport)
{
    static const cr_transport_ops ops = {.all_reduce = "ncclAllReduce",
                                         .alltoallv = alltoallv_nccl,
                                         .allgatherv = allgatherv_nccl,
                                         .sum_unordered = sum_unordered_nccl,
                                         .wait = wait_nccl,
                                         .close = close_nccl};
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id = {{0}};
    cr_status status = CR_OK;
    nccl_link *link = calloc(1, sizeof *link);
    transport->ops = &ops;
    transport->context = link;
    CR_TRY(cr_comm_agree(transport->comm, link ? cr_nccl_open(&link->calls) : cr_fail_memory("NCCL", sizeof *link)));
    CR_TRY(share_id(transport, &id));
    config.blocking = 0;
    status = settle(transport,
                    link->calls->CommInitRankConfig(&link->comm, cr_comm_size(transport->comm), id,
                                                    cr_comm_rank(transport->comm), &config),
                    "start");
    link->is_idle = status == CR_OK;
    CR_TRY(cr_comm_agree(transport->comm, status));
    int version = link->calls->version;
    snprintf(transport->name, sizeof transport->name, "NCCL %d.%d.%d", version / 10000, version / 100 % 100,
             version % 100);
    cr_transport_note_library(transport->name);
done:
    return status;
}
