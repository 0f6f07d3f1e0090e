/* What an implementation of a group provides. comm.c checks arguments, keeps what is common and is the table's only
 * caller. */
#ifndef CRISOL_COMM_OPS_H
#define CRISOL_COMM_OPS_H

#include "crisol/comm.h"

#include <stdbool.h>

enum {
    CR_COMM_LIBRARY_BYTES = 96,
    CR_COMM_HOST_BYTES = 256
};

/* All slots are required. Sizes, counts and roots were checked; a call with nothing to move still arrives, since the
 * others may move something. */
typedef struct cr_comm_ops {
    cr_status (*split)(cr_comm *comm, int color, cr_comm **part);
    void (*close)(cr_comm *comm); /* releases `state`; the cr_comm itself is comm.c's */
    void (*abort)(int exit_code);
    cr_status (*barrier)(cr_comm *comm);
    cr_status (*broadcast)(cr_comm *comm, void *data, size_t bytes, int root);
    /* This rank's bytes already lie at all + offsets[rank]. */
    cr_status (*allgatherv)(cr_comm *comm, void *all, const size_t counts[], const size_t offsets[]);
    /* This rank's bytes to itself are already copied. */
    cr_status (*alltoallv)(cr_comm *comm, const void *send, const size_t send_counts[], const size_t send_offsets[],
                           void *receive, const size_t receive_counts[], const size_t receive_offsets[]);
    cr_status (*lowest)(cr_comm *comm, int mine, int *lowest); /* the ranks' smallest number */
    cr_status (*sum_unordered)(cr_comm *comm, float *data, int64_t n);
} cr_comm_ops;

struct cr_comm {
    const cr_comm_ops *ops;
    void *state; /* of the implementation */
    int rank, size;
    int local_rank, local_size;
    int host_rank;     /* the world's local_rank */
    double patience_s; /* most seconds of waiting for others, 0: for ever */
    cr_comm_lost lost; /* called when they are over */
    char library[CR_COMM_LIBRARY_BYTES];
    char host[CR_COMM_HOST_BYTES];
};

/* An empty cr_comm (rank 0 of 1, this host's name) for an implementation to fill; freed by cr_comm_close(). */
CR_NODISCARD cr_status cr_comm_create_empty(const cr_comm_ops *ops, cr_comm **comm);

/* comm_mpi.c */
bool cr_comm_mpi_launched(void); /* did mpirun or a launcher with PMI/PMIx start this process? */
CR_NODISCARD cr_status cr_comm_open_mpi(cr_comm **comm);

#endif
