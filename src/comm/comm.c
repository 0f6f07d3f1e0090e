#include "comm_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cr_status cr_comm_create_empty(const cr_comm_ops *ops, cr_comm **comm)
{
    *comm = calloc(1, sizeof **comm);
    if (!*comm)
        return cr_fail_memory("a group of ranks", sizeof **comm);
    (*comm)->ops = ops;
    (*comm)->size = 1;
    (*comm)->local_size = 1;
    if (gethostname((*comm)->host, sizeof(*comm)->host - 1) != 0)
        snprintf((*comm)->host, sizeof(*comm)->host, "unknown host");
    return CR_OK;
}

/* srun without PMIx starts N processes that know nothing of each other: each would train alone, in the same folder. */
static cr_status check_srun(void)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    if (tasks && strtol(tasks, NULL, 10) > 1)
        return cr_fail(CR_BAD_CONFIG,
                       "srun started %s tasks that cannot find each other; use srun --mpi=pmix or mpirun", tasks);
    return CR_OK;
}

cr_status cr_comm_open_world(cr_comm **comm)
{
    *comm = NULL;
    cr_status status = CR_OK;
    if (cr_comm_mpi_launched()) {
        status = cr_comm_open_mpi(comm);
        if (status == CR_OK)
            (*comm)->host_rank = (*comm)->local_rank;
        return status;
    }
    status = check_srun();
    return status == CR_OK ? cr_comm_open_serial(comm) : status;
}

cr_status cr_comm_split(cr_comm *comm, int color, cr_comm **part)
{
    *part = NULL;
    if (color < 0 && comm->size == 1)
        return CR_OK;
    cr_status status = comm->ops->split(comm, color, part);
    if (*part)
        (*part)->host_rank = comm->host_rank;
    return status;
}

void cr_comm_close(cr_comm **comm)
{
    if (!comm || !*comm)
        return;
    (*comm)->ops->close(*comm);
    free(*comm);
    *comm = NULL;
}

void cr_comm_abort(cr_comm *comm, int exit_code)
{
    if (comm)
        comm->ops->abort(exit_code);
    _exit(exit_code);
}

void cr_comm_set_patience(cr_comm *comm, double seconds, cr_comm_lost lost)
{
    comm->patience_s = lost ? seconds : 0;
    comm->lost = lost;
}

double cr_comm_patience_s(const cr_comm *comm)
{
    return comm->patience_s;
}

cr_status cr_comm_fail_alone(cr_comm *comm, cr_status mine)
{
    char message[CR_ERROR_MAX + CR_COMM_HOST_BYTES];
    if (mine == CR_OK || comm->size == 1 || !comm->lost)
        return mine;
    snprintf(message, sizeof message, "rank %d (%s): %s", comm->rank, comm->host, cr_error_message());
    comm->lost(comm, message); /* does not return */
    return mine;
}

int cr_comm_rank(const cr_comm *comm)
{
    return comm->rank;
}

int cr_comm_size(const cr_comm *comm)
{
    return comm->size;
}

int cr_comm_local_rank(const cr_comm *comm)
{
    return comm->local_rank;
}

int cr_comm_local_size(const cr_comm *comm)
{
    return comm->local_size;
}

int cr_comm_host_rank(const cr_comm *comm)
{
    return comm->host_rank;
}

const char *cr_comm_library(const cr_comm *comm)
{
    return comm->library;
}

cr_status cr_comm_barrier(cr_comm *comm)
{
    return comm->ops->barrier(comm);
}

cr_status cr_comm_broadcast(cr_comm *comm, void *data, size_t bytes, int root)
{
    if (root < 0 || root >= comm->size)
        return cr_fail(CR_INTERNAL, "broadcast from rank %d in a group of %d", root, comm->size);
    return comm->ops->broadcast(comm, data, bytes, root);
}

cr_status cr_comm_allgather(cr_comm *comm, const void *mine, size_t bytes, void *all)
{
    size_t table = (size_t)comm->size * sizeof(size_t);
    size_t *counts = malloc(2 * table);
    if (!counts)
        return cr_fail_memory("an all-gather's counts", 2 * table);
    size_t *offsets = counts + comm->size;
    for (int r = 0; r < comm->size; r++) {
        counts[r] = bytes;
        offsets[r] = (size_t)r * bytes;
    }
    cr_status status = cr_comm_allgatherv(comm, mine, all, counts, offsets);
    free(counts);
    return status;
}

cr_status cr_comm_allgatherv(cr_comm *comm, const void *mine, void *all, const size_t counts[], const size_t offsets[])
{
    if (mine && counts[comm->rank] > 0)
        memmove((char *)all + offsets[comm->rank], mine, counts[comm->rank]);
    return comm->ops->allgatherv(comm, all, counts, offsets);
}

cr_status cr_comm_alltoallv(cr_comm *comm, const void *send, const size_t send_counts[], const size_t send_offsets[],
                            void *receive, const size_t receive_counts[], const size_t receive_offsets[])
{
    int me = comm->rank;
    if (send_counts[me] != receive_counts[me])
        return cr_fail(CR_INTERNAL, "all-to-all: rank %d sends itself %zu bytes but receives %zu", me, send_counts[me],
                       receive_counts[me]);
    if (send_counts[me] > 0)
        memmove((char *)receive + receive_offsets[me], (const char *)send + send_offsets[me], send_counts[me]);
    return comm->ops->alltoallv(comm, send, send_counts, send_offsets, receive, receive_counts, receive_offsets);
}

cr_status cr_comm_sum_unordered(cr_comm *comm, float *data, int64_t n)
{
    return comm->ops->sum_unordered(comm, data, n);
}

/* The failing rank's report, as it travels. */
typedef struct report {
    int32_t status;
    char host[CR_COMM_HOST_BYTES];
    char message[CR_ERROR_MAX];
} report;

cr_status cr_comm_agree(cr_comm *comm, cr_status mine)
{
    if (comm->size == 1)
        return mine;
    int speaker = comm->size;
    report told = {0};
    cr_status status = CR_OK;
    CR_TRY(comm->ops->lowest(comm, mine == CR_OK ? comm->size : comm->rank, &speaker));
    if (speaker == comm->size)
        return CR_OK; /* the common case costs one number */
    if (speaker == comm->rank) {
        told.status = (int32_t)mine;
        memcpy(told.host, comm->host, sizeof told.host);
        snprintf(told.message, sizeof told.message, "%s", cr_error_message());
    }
    CR_TRY(comm->ops->broadcast(comm, &told, sizeof told, speaker));
    status = cr_fail((cr_status)told.status, "rank %d (%s): %s", speaker, told.host, told.message);
done:
    return status;
}
