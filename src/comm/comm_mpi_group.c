/* How MPI groups come and go. */
#include "comm_mpi.h"
#include "crisol/libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cr_comm_mpi_launched(void)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (getenv(marks[i]))
            return true;
    }
    return false;
}

cr_status cr_fail_mpi(int error, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (MPI_Error_string(error, text, &length) != MPI_SUCCESS)
        snprintf(text, sizeof text, "error %d", error);
    return cr_fail(CR_INTERNAL, "%s failed: %s", what, text);
}

void cr_mpi_close(cr_comm *comm)
{
    mpi_group *group = comm->state;
    if (group->comm != MPI_COMM_NULL) {
        /* the wait for the last rank is not spent spinning in MPI_Finalize; if it fails, closing goes on */
        cr_status waited = cr_mpi_barrier(comm);
        (void)waited;
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

void cr_mpi_abort(int exit_code)
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
    CR_TRY(cr_comm_create_empty(&cr_mpi_ops, comm));
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
        return cr_fail_mpi(error, "MPI_Init_thread");
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

cr_status cr_mpi_split(cr_comm *comm, int color, cr_comm **part)
{
    mpi_group *group = comm->state;
    cr_status status = CR_OK;
    MPI_Comm mpi_part = MPI_COMM_NULL;
    CR_TRY(cr_mpi_barrier(comm)); /* as in cr_mpi_close: wait here, not spinning */
    MPI_TRY(MPI_Comm_split(group->comm, color < 0 ? MPI_UNDEFINED : color, comm->rank, &mpi_part), "MPI_Comm_split");
    if (mpi_part != MPI_COMM_NULL) {
        CR_TRY(make_group(mpi_part, false, part));
        cr_comm_set_patience(*part, comm->patience_s, comm->lost);
    }
done:
    return status;
}
