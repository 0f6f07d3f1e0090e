/* cuDNN, opened when it is wanted: a machine without it starts the same program. */
#ifndef CRISOL_CUDNN_CALLS_H
#define CRISOL_CUDNN_CALLS_H

#include "crisol/status.h"

#include <cudnn.h>

/* Every function that is used, once. */
#define CR_CUDNN_CALLS(CALL)                                                                                           \
    CALL(GetVersion)                                                                                                   \
    CALL(GetErrorString)                                                                                               \
    CALL(GetLastErrorString)                                                                                           \
    CALL(Create)                                                                                                       \
    CALL(Destroy)                                                                                                      \
    CALL(SetStream)                                                                                                    \
    CALL(BackendCreateDescriptor)                                                                                      \
    CALL(BackendDestroyDescriptor)                                                                                     \
    CALL(BackendFinalize)                                                                                              \
    CALL(BackendSetAttribute)                                                                                          \
    CALL(BackendGetAttribute)                                                                                          \
    CALL(BackendExecute)

typedef struct cr_cudnn_calls {
#define CR_CUDNN_MEMBER(name) __typeof__(&cudnn##name) name;
    CR_CUDNN_CALLS(CR_CUDNN_MEMBER)
#undef CR_CUDNN_MEMBER
} cr_cudnn_calls;

/* The table, made by the first call; borrowed, never freed. Errors: CR_MISSING in one line. From one thread at a time.
 */
CR_NODISCARD cr_status cr_cudnn_open(const cr_cudnn_calls **calls);

/* CR_OK, or CR_INTERNAL with a line of what failed and cuDNN's own words. */
CR_NODISCARD cr_status cr_cudnn_check(const cr_cudnn_calls *calls, cudnnStatus_t result, const char *what);

#endif
