/* Checks in a program that runs on several ranks: a failed one ends all of them at once, since the others may already
 * wait for this one. */
#ifndef CRISOL_TEST_MPI_CHECK_H
#define CRISOL_TEST_MPI_CHECK_H

#include "crisol/comm.h"

#include <stdio.h>

#define CHECK(comm, what)                                                                                              \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: rank %d of %d: not so: %s (%s)\n", __FILE__, __LINE__, cr_comm_rank(comm),         \
                    cr_comm_size(comm), #what, cr_error_message());                                                    \
            cr_comm_abort(comm, 1);                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_OK(comm, call) CHECK(comm, (call) == CR_OK)

#endif
