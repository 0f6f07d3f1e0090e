/* What the collectives (comm_mpi.c) and the life of a group (comm_mpi_group.c) share. */
#ifndef CRISOL_COMM_MPI_H
#define CRISOL_COMM_MPI_H

#include "comm_ops.h"

#include <mpi.h>

enum {
    HOST_BYTES = 64 /* of a host's name in messages */
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

extern const cr_comm_ops cr_mpi_ops;

/* Records "`what` failed: MPI's text"; returns CR_INTERNAL. */
cr_status cr_fail_mpi(int error, const char *what);

#define MPI_TRY(call, what)                                                                                            \
    do {                                                                                                               \
        int mpi_error = (call);                                                                                        \
        if (mpi_error != MPI_SUCCESS) {                                                                                \
            status = cr_fail_mpi(mpi_error, what);                                                                     \
            goto done;                                                                                                 \
        }                                                                                                              \
    } while (0)

CR_NODISCARD cr_status cr_mpi_barrier(cr_comm *comm);

/* Slots of the table. */
CR_NODISCARD cr_status cr_mpi_split(cr_comm *comm, int color, cr_comm **part);
void cr_mpi_close(cr_comm *comm);
void cr_mpi_abort(int exit_code);

#endif
