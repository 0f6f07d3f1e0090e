/* A group whose ranks are threads of one process: the real reducer at any number of ranks, without MPI. */
#ifndef CRISOL_TEST_COMM_THREADS_H
#define CRISOL_TEST_COMM_THREADS_H

#include "crisol/comm.h"

/* Runs `rank_main` on n_ranks threads, each with its rank's group, which is closed when it returns. */
void run_ranks(int n_ranks, void (*rank_main)(void *context, cr_comm *comm), void *context);

#endif
