/* NCCL, opened when it is wanted: a machine without it starts the same program. */
#ifndef CRISOL_NCCL_CALLS_H
#define CRISOL_NCCL_CALLS_H

#include "crisol/status.h"

#include <nccl.h>

/* Every function that is used, once. */
#define CR_NCCL_CALLS(CALL)                                                                                            \
    CALL(GetVersion)                                                                                                   \
    CALL(GetErrorString)                                                                                               \
    CALL(GetLastError)                                                                                                 \
    CALL(GetUniqueId)                                                                                                  \
    CALL(CommInitRankConfig)                                                                                           \
    CALL(CommGetAsyncError)                                                                                            \
    CALL(CommFinalize)                                                                                                 \
    CALL(CommDestroy)                                                                                                  \
    CALL(CommAbort)                                                                                                    \
    CALL(GroupStart)                                                                                                   \
    CALL(GroupEnd)                                                                                                     \
    CALL(Send)                                                                                                         \
    CALL(Recv)                                                                                                         \
    CALL(Broadcast)                                                                                                    \
    CALL(AllReduce)

typedef struct cr_nccl_calls {
#define CR_NCCL_MEMBER(name) __typeof__(&nccl##name) name;
    CR_NCCL_CALLS(CR_NCCL_MEMBER)
#undef CR_NCCL_MEMBER
    int version; /* 22809 is 2.28.9 */
} cr_nccl_calls;

/* The table, made by the first call; borrowed, never freed. Errors: CR_MISSING in one line. From one thread at a time.
 */
CR_NODISCARD cr_status cr_nccl_open(const cr_nccl_calls **calls);

#endif
