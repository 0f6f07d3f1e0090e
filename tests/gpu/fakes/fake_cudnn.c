/* A libcudnn.so.9 that computes nothing: every call of our table succeeds, knows no convolution, and fails as ordered
 * (fake_orders.h). */
#include "cudnn_calls.h"
#include "fake_orders.h"

#include <stdio.h>

#ifndef FAKE_CUDNN_VERSION
#define FAKE_CUDNN_VERSION 91900
#endif

static int something; /* what handles and descriptors point to */

#define ORDERED(name)                                                                                                  \
    do {                                                                                                               \
        static int n_calls;                                                                                            \
        int code = fake_order(#name, CUDNN_STATUS_INTERNAL_ERROR, &n_calls);                                           \
        if (code)                                                                                                      \
            return (cudnnStatus_t)code;                                                                                \
    } while (0)

size_t cudnnGetVersion(void)
{
    return FAKE_CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "as ordered";
}

void cudnnGetLastErrorString(char *message, size_t max_size)
{
    snprintf(message, max_size, "(a fake)");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    ORDERED(cudnnCreate);
    *handle = (cudnnHandle_t)(void *)&something;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    (void)handle;
    ORDERED(cudnnDestroy);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    (void)handle;
    (void)stream;
    ORDERED(cudnnSetStream);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    (void)type;
    ORDERED(cudnnBackendCreateDescriptor);
    *descriptor = (cudnnBackendDescriptor_t)&something;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    (void)descriptor;
    ORDERED(cudnnBackendDestroyDescriptor);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    (void)descriptor;
    ORDERED(cudnnBackendFinalize);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    (void)descriptor;
    (void)name;
    (void)type;
    (void)count;
    (void)values;
    ORDERED(cudnnBackendSetAttribute);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *values)
{
    (void)descriptor;
    (void)name;
    (void)type;
    (void)room;
    (void)values;
    ORDERED(cudnnBackendGetAttribute);
    if (count)
        *count = 0; /* no engine for it */
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variant)
{
    (void)handle;
    (void)plan;
    (void)variant;
    ORDERED(cudnnBackendExecute);
    return CUDNN_STATUS_SUCCESS;
}

/* A call that joins our table and is missing here does not compile. */
void *const fake_cudnn_has[] = {
#define HAS(name) (void *)&cudnn##name,
    CR_CUDNN_CALLS(HAS)
#undef HAS
};
