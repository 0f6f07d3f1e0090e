/* Fakes of libraries and of a device do as the environment says: CRISOL_FAKE_FAIL=CALL[:N][@RANK][=CODE] makes the N-th
 * call of CALL (default: each) of rank RANK (default: all) fail with CODE (default: the library's own general one). */
#ifndef CRISOL_TEST_FAKE_ORDERS_H
#define CRISOL_TEST_FAKE_ORDERS_H

#include <stdlib.h>
#include <string.h>

/* The code with which this call is to fail, or 0. `count` counts the calls of one function, from 0. */
static inline int fake_order(const char *call, int code, int *count)
{
    const char *order = getenv("CRISOL_FAKE_FAIL"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    size_t length = strlen(call);
    if (!order || strncmp(order, call, length) != 0 || (order[length] && !strchr(":@=", order[length])))
        return 0;
    const char *nth = strchr(order, ':'), *of_rank = strchr(order, '@'), *with = strchr(order, '=');
    ++*count;
    if (nth && atoi(nth + 1) != *count)
        return 0;
    if (of_rank && atoi(of_rank + 1) != (rank ? atoi(rank) : 0))
        return 0;
    return with ? atoi(with + 1) : code;
}

#endif
