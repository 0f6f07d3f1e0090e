/* The emulated device (tests/backend/cuda) as a whole program's GPU, with cuDNN opened as on a real one, and with calls
 * of the CUDA runtime that fail as ordered (fake_orders.h). The linker puts each __wrap_… before the emulator's own. */
#include "cudnn_handle.h"
#include "fake_orders.h"

#include <stdio.h>

void cr_cuda_devices_find(cr_cuda_devices *found)
{
    *found = (cr_cuda_devices){.n = 1, .devices = {{.name = "the emulated device", .uuid = "GPU-0"}}};
    if (cr_cuda_libraries_open() == CR_OK)
        return;
    *found = (cr_cuda_devices){.is_half_there = true};
    snprintf(found->why_not, sizeof found->why_not, "%s", cr_error_message());
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    (void)device;
    *properties = (struct cudaDeviceProp){.name = "the emulated device", .major = 9};
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

#define FAILING(name, code, parameters, arguments)                                                                     \
    cudaError_t __real_##name parameters;                                                                              \
    cudaError_t __wrap_##name parameters;                                                                              \
    cudaError_t __wrap_##name parameters                                                                               \
    {                                                                                                                  \
        static int n_calls;                                                                                            \
        int order = fake_order(#name, code, &n_calls);                                                                 \
        return order ? (cudaError_t)order : __real_##name arguments;                                                   \
    }

/* 2: out of memory, 719: a kernel failed, 46: all devices are busy */
FAILING(cudaSetDevice, 46, (int device), (device))
FAILING(cudaMalloc, 2, (void **data, size_t bytes), (data, bytes))
FAILING(cudaHostAlloc, 2, (void **data, size_t bytes, unsigned flags), (data, bytes, flags))
FAILING(cudaMemcpyAsync, 719, (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream),
        (to, from, bytes, kind, stream))
FAILING(cudaStreamCreateWithPriority, 2, (cudaStream_t * stream, unsigned flags, int priority),
        (stream, flags, priority))
FAILING(cudaStreamSynchronize, 719, (cudaStream_t stream), (stream))
FAILING(cudaEventSynchronize, 719, (cudaEvent_t event), (event))
FAILING(cudaGraphInstantiate, 2, (cudaGraphExec_t * run, cudaGraph_t graph, unsigned long long flags),
        (run, graph, flags))
FAILING(cudaGraphLaunch, 719, (cudaGraphExec_t run, cudaStream_t stream), (run, stream))
