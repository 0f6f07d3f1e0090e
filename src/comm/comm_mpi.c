/* A group of ranks over MPI. Large moves are plain sends and receives between pairs, cut into pieces that fit MPI's int
 * counts: each rank sends every other rank what is its own, once, which is the least that an all-to-all or an
 * all-gather can move. Small ones are MPI's collectives. All are nonblocking, and wait_all() is the one place where a
 * rank waits for others. */
#include "comm_mpi.h"
#include "crisol/clock.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef CR_COMM_PIECE_BYTES
#define CR_COMM_PIECE_BYTES (1 << 30) /* a multiple of a float's size */
#endif

enum {
    TAG = 1,
    LOOKS_AWAKE = 1000, /* about half a millisecond */
    SLEEP_NS = 20000,
};

static cr_status reserve(mpi_group *group, int64_t n)
{
    if (n < 1 || n <= group->capacity)
        return CR_OK;
    if (n > INT_MAX / 2)
        return cr_fail(CR_INTERNAL, "%lld messages in one call are too many", (long long)n);
    size_t bytes = (size_t)n * (sizeof(MPI_Request) + sizeof(MPI_Status) + sizeof(int));
    MPI_Request *requests = malloc((size_t)n * sizeof *requests);
    MPI_Status *statuses = malloc((size_t)n * sizeof *statuses);
    int *peers = malloc((size_t)n * sizeof *peers);
    if (!requests || !statuses || !peers) {
        free(requests);
        free(statuses);
        free(peers);
        return cr_fail_memory("MPI requests", bytes);
    }
    free(group->requests);
    free(group->statuses);
    free(group->peers);
    group->requests = requests;
    group->statuses = statuses;
    group->peers = peers;
    group->capacity = (int)n;
    return CR_OK;
}

/* Who has not been heard of: the pairwise messages say it; MPI's own collectives do not. */
static void give_up(cr_comm *comm, const char *what)
{
    const mpi_group *group = comm->state;
    char message[CR_ERROR_MAX] = "";
    size_t used = (size_t)snprintf(message, sizeof message, "rank %d (%s) waited %.0f s in the %s", comm->rank,
                                   comm->host, comm->patience_s, what);
    int last = -1;
    for (int i = 0; i < group->n_requests; i++) {
        int arrived = 0;
        if (group->peers[i] < 0 || group->peers[i] == last || used >= sizeof message)
            continue;
        if (MPI_Request_get_status(group->requests[i], &arrived, MPI_STATUS_IGNORE) != MPI_SUCCESS || arrived)
            continue;
        last = group->peers[i];
        used += (size_t)snprintf(message + used, sizeof message - used, "%s rank %d (%s)",
                                 strstr(message, "for rank") ? "," : " for", last, group->hosts[last]);
    }
    if (used < sizeof message)
        snprintf(message + used, sizeof message - used, "; it hangs, or its node does");
    comm->lost(comm, message); /* does not return */
}

/* MPI's own waits spin: 4 ranks on 2 cores then halve the speed of those still computing, unless the launcher told Open
 * MPI that there are too many (measured: 193 ms of work instead of 97). So: look often at first, for an answer that is
 * on its way, giving the core away between looks; then sleep between them, which no setting can spoil. */
static cr_status wait_all(cr_comm *comm, const char *what)
{
    mpi_group *group = comm->state;
    const struct timespec pause = {0, SLEEP_NS};
    const double start = cr_clock_s();
    int error = MPI_SUCCESS, all_done = 0;
    for (int64_t n_looks = 0;; n_looks++) {
        error = MPI_Testall(group->n_requests, group->requests, &all_done, group->statuses);
        if (error != MPI_SUCCESS || all_done)
            break;
        if (n_looks < LOOKS_AWAKE) {
            sched_yield();
            continue;
        }
        nanosleep(&pause, NULL);
        if (comm->patience_s > 0 && cr_clock_s() - start > comm->patience_s)
            give_up(comm, what);
    }
    for (int i = 0; error == MPI_ERR_IN_STATUS && i < group->n_requests; i++) {
        int one = group->statuses[i].MPI_ERROR;
        if (one != MPI_SUCCESS && one != MPI_ERR_PENDING)
            error = one;
    }
    group->n_requests = 0;
    return error == MPI_SUCCESS ? CR_OK : cr_fail_mpi(error, what);
}

static int64_t count_pieces(size_t bytes)
{
    return (int64_t)(bytes / CR_COMM_PIECE_BYTES + (bytes % CR_COMM_PIECE_BYTES != 0));
}

static int piece(size_t bytes, size_t at)
{
    return bytes - at < CR_COMM_PIECE_BYTES ? (int)(bytes - at) : CR_COMM_PIECE_BYTES;
}

static cr_status start_receive(mpi_group *group, char *data, size_t bytes, int from)
{
    cr_status status = CR_OK;
    for (size_t at = 0; at < bytes; at += CR_COMM_PIECE_BYTES) {
        MPI_TRY(MPI_Irecv(data + at, piece(bytes, at), MPI_BYTE, from, TAG, group->comm,
                          &group->requests[group->n_requests]),
                "MPI_Irecv");
        group->peers[group->n_requests++] = from;
    }
done:
    return status;
}

static cr_status start_send(mpi_group *group, const char *data, size_t bytes, int to)
{
    cr_status status = CR_OK;
    for (size_t at = 0; at < bytes; at += CR_COMM_PIECE_BYTES) {
        MPI_TRY(
            MPI_Isend(data + at, piece(bytes, at), MPI_BYTE, to, TAG, group->comm, &group->requests[group->n_requests]),
            "MPI_Isend");
        group->peers[group->n_requests++] = -1;
    }
done:
    return status;
}

static cr_status alltoallv_mpi(cr_comm *comm, const void *send, const size_t send_counts[], const size_t send_offsets[],
                               void *receive, const size_t receive_counts[], const size_t receive_offsets[])
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    int64_t n = 0;
    for (int r = 0; r < comm->size; r++)
        n += r == comm->rank ? 0 : count_pieces(send_counts[r]) + count_pieces(receive_counts[r]);
    CR_TRY(reserve(group, n));
    for (int i = 1; i < comm->size; i++) {
        int from = (comm->rank + comm->size - i) % comm->size;
        CR_TRY(start_receive(group, (char *)receive + receive_offsets[from], receive_counts[from], from));
    }
    for (int i = 1; i < comm->size; i++) { /* each starts at its neighbour, so that no rank is everybody's first */
        int to = (comm->rank + i) % comm->size;
        CR_TRY(start_send(group, (const char *)send + send_offsets[to], send_counts[to], to));
    }
    CR_TRY(wait_all(comm, "all-to-all of slices"));
done:
    return status;
}

static cr_status allgatherv_mpi(cr_comm *comm, void *all, const size_t counts[], const size_t offsets[])
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    int64_t n = count_pieces(counts[comm->rank]) * (comm->size - 1);
    for (int r = 0; r < comm->size; r++)
        n += r == comm->rank ? 0 : count_pieces(counts[r]);
    CR_TRY(reserve(group, n));
    for (int i = 1; i < comm->size; i++) {
        int from = (comm->rank + comm->size - i) % comm->size;
        CR_TRY(start_receive(group, (char *)all + offsets[from], counts[from], from));
    }
    for (int i = 1; i < comm->size; i++) {
        int to = (comm->rank + i) % comm->size;
        CR_TRY(start_send(group, (const char *)all + offsets[comm->rank], counts[comm->rank], to));
    }
    CR_TRY(wait_all(comm, "all-gather"));
done:
    return status;
}

static cr_status broadcast_mpi(cr_comm *comm, void *data, size_t bytes, int root)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    CR_TRY(reserve(group, count_pieces(bytes)));
    for (size_t at = 0; at < bytes; at += CR_COMM_PIECE_BYTES) {
        MPI_TRY(MPI_Ibcast((char *)data + at, piece(bytes, at), MPI_BYTE, root, group->comm,
                           &group->requests[group->n_requests]),
                "MPI_Ibcast");
        group->peers[group->n_requests++] = -1;
    }
    CR_TRY(wait_all(comm, "broadcast"));
done:
    return status;
}

cr_status cr_mpi_barrier(cr_comm *comm)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    CR_TRY(reserve(group, 1));
    MPI_TRY(MPI_Ibarrier(group->comm, group->requests), "MPI_Ibarrier");
    group->peers[0] = -1;
    group->n_requests = 1;
    CR_TRY(wait_all(comm, "barrier"));
done:
    return status;
}

static cr_status lowest_mpi(cr_comm *comm, int mine, int *lowest)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    CR_TRY(reserve(group, 1));
    MPI_TRY(MPI_Iallreduce(&mine, lowest, 1, MPI_INT, MPI_MIN, group->comm, group->requests), "MPI_Iallreduce");
    group->peers[0] = -1;
    group->n_requests = 1;
    CR_TRY(wait_all(comm, "agreement on the ranks' status"));
done:
    return status;
}

/* The blocking call: Open MPI's nonblocking one has slower algorithms. The barrier before it keeps the wait for a slow
 * rank out of MPI's spinning. */
static cr_status sum_unordered_mpi(cr_comm *comm, float *data, int64_t n)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    const int64_t most = CR_COMM_PIECE_BYTES / (int64_t)sizeof(float);
    CR_TRY(cr_mpi_barrier(comm));
    for (int64_t at = 0; at < n; at += most) {
        int count = (int)(n - at < most ? n - at : most);
        MPI_TRY(MPI_Allreduce(MPI_IN_PLACE, data + at, count, MPI_FLOAT, MPI_SUM, group->comm), "MPI_Allreduce");
    }
done:
    return status;
}

const cr_comm_ops cr_mpi_ops = {
    .split = cr_mpi_split,
    .close = cr_mpi_close,
    .abort = cr_mpi_abort,
    .barrier = cr_mpi_barrier,
    .broadcast = broadcast_mpi,
    .allgatherv = allgatherv_mpi,
    .alltoallv = alltoallv_mpi,
    .lowest = lowest_mpi,
    .sum_unordered = sum_unordered_mpi,
};
