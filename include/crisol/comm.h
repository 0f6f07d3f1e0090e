/* The group of ranks. comm_mpi.c is Open MPI, comm_serial.c a group of one that needs no launcher. Collectives move
 * bytes; none adds floating-point numbers (see reduce.h), but for cr_comm_sum_unordered().
 *
 * Threads: any thread may call, but only one at a time, for all groups of the process together. The exception is
 * cr_comm_abort(), which a watching thread may call while another waits in a collective. While a rank waits for others
 * it sleeps; it does not take a core from those that still compute. */
#ifndef CRISOL_COMM_H
#define CRISOL_COMM_H

#include "crisol/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cr_comm cr_comm;

/* All processes of the job; a group of one when no launcher (mpirun, srun with PMI/PMIx) started this process, in
 * which case MPI is not even initialised. Once in a process. Errors: CR_BAD_CONFIG when srun started several tasks
 * without PMIx; CR_INTERNAL with MPI's text. Collective. */
CR_NODISCARD cr_status cr_comm_open_world(cr_comm **comm);
/* A group of one, without MPI. Local. */
CR_NODISCARD cr_status cr_comm_open_serial(cr_comm **comm);
/* Splits: ranks with equal `color` form a group, ordered by their rank in `comm`. color < 0: no group, *part is null.
 * Collective. */
CR_NODISCARD cr_status cr_comm_split(cr_comm *comm, int color, cr_comm **part);
/* Closing the world finalises MPI; close its parts before it. It waits for the others: a rank that leaves alone calls
 * cr_comm_abort() instead. Accepts a pointer to null. Collective. */
void cr_comm_close(cr_comm **comm);
/* Ends every rank of the job at once with this exit code; for a rank that cannot reach the others in order. Does not
 * return; serial or null: _exit. */
void cr_comm_abort(cr_comm *comm, int exit_code);

/* From now on a collective that has waited `seconds` for other ranks calls `lost` in the waiting thread, with a line
 * that names the call and the ranks that did not arrive. A rank that fails where only it knows calls it, too. A message
 * may still be on its way to memory of the caller's, so `lost` must not return: it ends the job with cr_comm_abort(). 0
 * seconds: wait for ever. Local. */
typedef void (*cr_comm_lost)(cr_comm *comm, const char *message);
void cr_comm_set_patience(cr_comm *comm, double seconds, cr_comm_lost lost);

/* The seconds set, 0 for ever. */
double cr_comm_patience_s(const cr_comm *comm);

/* For a failure of this rank alone, where the others do not ask for its status and would wait for it: with a failure
 * and others to wait, calls `lost` with the failure's message; otherwise, and where nobody set a patience, returns
 * `mine`. Local. */
CR_NODISCARD cr_status cr_comm_fail_alone(cr_comm *comm, cr_status mine);

int cr_comm_rank(const cr_comm *comm);
int cr_comm_size(const cr_comm *comm);
int cr_comm_local_rank(
    const cr_comm *comm); /* among the ranks on this host (MPI_Comm_split_type, not the environment) */
int cr_comm_local_size(const cr_comm *comm);
/* Among all the job's ranks on this host, whatever part of the world asks: who takes which device. */
int cr_comm_host_rank(const cr_comm *comm);
const char *cr_comm_library(const cr_comm *comm); /* "Open MPI 4.1.4", "serial" */

/* Collective, blocking. Sizes are bytes, of any size_t value (messages over MPI's limit are cut). An error of the MPI
 * library is CR_INTERNAL with its text, and the group is then of no more use. */
CR_NODISCARD cr_status cr_comm_barrier(cr_comm *comm);
CR_NODISCARD cr_status cr_comm_broadcast(cr_comm *comm, void *data, size_t bytes, int root);
/* Every rank contributes `bytes` (the same everywhere); `all` receives size × bytes in rank order. */
CR_NODISCARD cr_status cr_comm_allgather(cr_comm *comm, const void *mine, size_t bytes, void *all);
/* Rank r contributes counts[r] bytes, which land at all + offsets[r] on every rank. In place: `mine` may be null when
 * this rank's bytes already lie there. */
CR_NODISCARD cr_status cr_comm_allgatherv(cr_comm *comm, const void *mine, void *all, const size_t counts[],
                                          const size_t offsets[]);
/* Sends send_counts[r] bytes at send + send_offsets[r] to rank r and receives likewise. Arrays of `size`. */
CR_NODISCARD cr_status cr_comm_alltoallv(cr_comm *comm, const void *send, const size_t send_counts[],
                                         const size_t send_offsets[], void *receive, const size_t receive_counts[],
                                         const size_t receive_offsets[]);

/* data[i] on every rank becomes the sum over ranks, in whatever order the MPI library adds: the bits depend on the
 * number of ranks and on the library. Only for `reduction: library`. Collective, blocking. */
CR_NODISCARD cr_status cr_comm_sum_unordered(cr_comm *comm, float *data, int64_t n);

/* All ranks learn the worst of their states: if any `mine` is not CR_OK, every rank returns the status of the lowest
 * failing rank, with that rank's message ("rank 2 (host): …") as its own message. `mine` CR_OK everywhere: CR_OK. In a
 * group of one the message stays as it is. Collective. */
CR_NODISCARD cr_status cr_comm_agree(cr_comm *comm, cr_status mine);

#endif
