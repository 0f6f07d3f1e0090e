/* A group of ranks over MPI. Large moves are plain sends and receives between pairs, cut into pieces that fit MPI's int
 * counts: each rank sends every other rank what is its own, once, which is the least that an all-to-all or an
 * all-gather can move. Small ones are MPI's collectives. All are nonblocking, and wait_all() is the one place where a
 * rank waits for others. */
#include "comm_ops.h"
#include "crisol/clock.h"
#include "crisol/libraries.h"

#include <limits.h>
#include <mpi.h>
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
    HOST_BYTES = 64, /* of a host's name in messages */
};

typedef struct mpi_group {
    MPI_Comm comm;
    bool is_world;             /* closing it finalises MPI */
    char (*hosts)[HOST_BYTES]; /* [size] */
    MPI_Request *requests;     /* [capacity], grown when a call needs more */
    int *peers;                /* [capacity] the rank that a request receives from, or -1 */
    MPI_Status *statuses;      /* [capacity] */
    int n_requests, capacity;
} mpi_group;

static const cr_comm_ops mpi_ops;

static cr_status fail_mpi(int error, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (MPI_Error_string(error, text, &length) != MPI_SUCCESS)
        snprintf(text, sizeof text, "error %d", error);
    return cr_fail(CR_INTERNAL, "%s failed: %s", what, text);
}

#define MPI_TRY(call, what)                                                                                            \
    do {                                                                                                               \
        int mpi_error = (call);                                                                                        \
        if (mpi_error != MPI_SUCCESS) {                                                                                \
            status = fail_mpi(mpi_error, what);                                                                        \
            goto done;                                                                                                 \
        }                                                                                                              \
    } while (0)

bool cr_comm_mpi_launched(void)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (getenv(marks[i]))
            return true;
    }
    return false;
}

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
    return error == MPI_SUCCESS ? CR_OK : fail_mpi(error, what);
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

static cr_status barrier_mpi(cr_comm *comm)
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
    CR_TRY(barrier_mpi(comm));
    for (int64_t at = 0; at < n; at += most) {
        int count = (int)(n - at < most ? n - at : most);
        MPI_TRY(MPI_Allreduce(MPI_IN_PLACE, data + at, count, MPI_FLOAT, MPI_SUM, group->comm), "MPI_Allreduce");
    }
done:
    return status;
}

static void close_mpi(cr_comm *comm)
{
    mpi_group *group = comm->state;
    if (group->comm != MPI_COMM_NULL) {
        (void)barrier_mpi(comm); /* the wait for the last rank is not spent spinning in MPI_Finalize */
        MPI_Comm_free(&group->comm);
    }
    if (group->is_world)
        MPI_Finalize();
    free(group->requests);
    free(group->statuses);
    free(group->peers);
    free(group->hosts);
    free(group);
}

static void abort_mpi(int exit_code)
{
    MPI_Abort(MPI_COMM_WORLD, exit_code);
}

/* "Open MPI v4.1.4" → "Open MPI 4.1.4" */
static void name_library(cr_comm *comm)
{
    snprintf(comm->library, sizeof comm->library, "%s", cr_comm_libraries());
    char *version = strstr(comm->library, " v");
    if (version && version[2] >= '0' && version[2] <= '9')
        memmove(version + 1, version + 2, strlen(version + 2) + 1);
}

static cr_status learn_hosts(cr_comm *comm)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    char mine[HOST_BYTES];
    snprintf(mine, sizeof mine, "%.*s", HOST_BYTES - 1, comm->host);
    group->hosts = calloc((size_t)comm->size, sizeof *group->hosts);
    if (!group->hosts)
        return cr_fail_memory("host names", (size_t)comm->size * sizeof *group->hosts);
    MPI_TRY(MPI_Allgather(mine, HOST_BYTES, MPI_CHAR, group->hosts, HOST_BYTES, MPI_CHAR, group->comm),
            "MPI_Allgather");
done:
    return status;
}

/* Takes over `mpi_comm`, also on failure. */
static cr_status make_group(MPI_Comm mpi_comm, bool is_world, cr_comm **comm)
{
    cr_status status = CR_OK;
    MPI_Comm host = MPI_COMM_NULL;
    bool handed_over = false; /* `group` and `mpi_comm` are (*comm)'s */
    *comm = NULL;
    mpi_group *group = calloc(1, sizeof *group);
    if (!group) {
        status = cr_fail_memory("an MPI group", sizeof *group);
        goto done;
    }
    group->comm = mpi_comm;
    group->is_world = is_world;
    CR_TRY(cr_comm_create_empty(&mpi_ops, comm));
    (*comm)->state = group;
    handed_over = true;
    MPI_TRY(MPI_Comm_set_errhandler(mpi_comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    MPI_TRY(MPI_Comm_rank(mpi_comm, &(*comm)->rank), "MPI_Comm_rank");
    MPI_TRY(MPI_Comm_size(mpi_comm, &(*comm)->size), "MPI_Comm_size");
    MPI_TRY(MPI_Comm_split_type(mpi_comm, MPI_COMM_TYPE_SHARED, (*comm)->rank, MPI_INFO_NULL, &host),
            "MPI_Comm_split_type");
    MPI_TRY(MPI_Comm_rank(host, &(*comm)->local_rank), "MPI_Comm_rank");
    MPI_TRY(MPI_Comm_size(host, &(*comm)->local_size), "MPI_Comm_size");
    name_library(*comm);
    CR_TRY(learn_hosts(*comm));
done:
    if (host != MPI_COMM_NULL)
        MPI_Comm_free(&host);
    if (status != CR_OK && handed_over)
        cr_comm_close(comm);
    if (!handed_over) {
        free(group);
        MPI_Comm_free(&mpi_comm);
    }
    return status;
}

cr_status cr_comm_open_mpi(cr_comm **comm)
{
    cr_status status = CR_OK;
    int was_started = 0, was_finished = 0, threads = 0;
    MPI_Comm world = MPI_COMM_NULL;
    MPI_Initialized(&was_started);
    MPI_Finalized(&was_finished);
    if (was_started || was_finished)
        return cr_fail(CR_INTERNAL, "MPI can be started only once in a process");
    int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &threads);
    if (error != MPI_SUCCESS)
        return fail_mpi(error, "MPI_Init_thread");
    if (threads < MPI_THREAD_SERIALIZED) {
        status = cr_fail(CR_INTERNAL, "this MPI library allows calls from one thread only (level %d)", threads);
        goto done;
    }
    MPI_TRY(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    MPI_TRY(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
    return make_group(world, true, comm);
done:
    MPI_Finalize();
    return status;
}

static cr_status split_mpi(cr_comm *comm, int color, cr_comm **part)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    MPI_Comm mpi_part = MPI_COMM_NULL;
    CR_TRY(barrier_mpi(comm)); /* as in close_mpi: wait here, not spinning */
    MPI_TRY(MPI_Comm_split(group->comm, color < 0 ? MPI_UNDEFINED : color, comm->rank, &mpi_part), "MPI_Comm_split");
    if (mpi_part != MPI_COMM_NULL) {
        CR_TRY(make_group(mpi_part, false, part));
        cr_comm_set_patience(*part, comm->patience_s, comm->lost);
    }
done:
    return status;
}

static const cr_comm_ops mpi_ops = {
    .split = split_mpi,
    .close = close_mpi,
    .abort = abort_mpi,
    .barrier = barrier_mpi,
    .broadcast = broadcast_mpi,
    .allgatherv = allgatherv_mpi,
    .alltoallv = alltoallv_mpi,
    .lowest = lowest_mpi,
    .sum_unordered = sum_unordered_mpi,
};
