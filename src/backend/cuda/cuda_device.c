#include "cuda_device.h"

#include <string.h>

cr_status cr_cuda_check(cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return CR_OK;
    return cr_fail(CR_INTERNAL, "the GPU: %s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

enum {
    N_STREAMS = 5,
    N_EVENTS = 3 + CR_MAX_BUCKETS
};

static void list(cr_cuda *cuda, cudaStream_t *streams[N_STREAMS], cudaEvent_t *events[N_EVENTS])
{
    cudaStream_t *all_streams[N_STREAMS] = {&cuda->stream, &cuda->copies, &cuda->capture, &cuda->side, &cuda->exchange};
    memcpy(streams, all_streams, sizeof all_streams);
    events[0] = &cuda->forked;
    events[1] = &cuda->joined;
    events[2] = &cuda->exchanged;
    for (int b = 0; b < CR_MAX_BUCKETS; b++)
        events[3 + b] = &cuda->marks[b];
}

/* Streams of their own, which the default stream does not hold up. What is on the side waits where both want the same
 * multiprocessors: nobody waits for it but the end. */
cr_status cr_cuda_streams_open(cr_cuda *cuda)
{
    cr_status status = CR_OK;
    int lowest = 0, highest = 0;
    cudaStream_t *streams[N_STREAMS];
    cudaEvent_t *events[N_EVENTS];
    list(cuda, streams, events);
    CR_TRY(cr_cuda_check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "a stream"));
    for (int s = 0; s < N_STREAMS; s++)
        CR_TRY(cr_cuda_check(cudaStreamCreateWithPriority(streams[s], cudaStreamNonBlocking,
                                                          streams[s] == &cuda->side ? lowest : highest),
                             "a stream"));
    for (int e = 0; e < N_EVENTS; e++)
        CR_TRY(cr_cuda_check(cudaEventCreateWithFlags(events[e], cudaEventDisableTiming), "an event"));
done:
    return status;
}

void cr_cuda_streams_close(cr_cuda *cuda)
{
    cudaStream_t *streams[N_STREAMS];
    cudaEvent_t *events[N_EVENTS];
    list(cuda, streams, events);
    for (int s = 0; s < N_STREAMS; s++)
        if (*streams[s])
            cudaStreamDestroy(*streams[s]);
    for (int e = 0; e < N_EVENTS; e++)
        if (*events[e])
            cudaEventDestroy(*events[e]);
}

cr_status cr_cuda_enter(cr_cuda *cuda)
{
    pthread_mutex_lock(&cuda->lock);
    cr_status status = cr_cuda_check(cudaSetDevice(cuda->device), "making it the thread's");
    if (status != CR_OK)
        pthread_mutex_unlock(&cuda->lock);
    return status;
}

void cr_cuda_leave(cr_cuda *cuda)
{
    pthread_mutex_unlock(&cuda->lock);
}

cr_status cr_cuda_allocate(size_t bytes, const char *what, void **data)
{
    cudaError_t error = cudaMalloc(data, bytes > 0 ? bytes : 1);
    if (error != cudaErrorMemoryAllocation)
        return cr_cuda_check(error, what);
    (void)cudaGetLastError(); /* it is told here */
    *data = NULL;
    return cr_fail(CR_INTERNAL, "no %zu MB left on the GPU for %s", bytes >> 20, what);
}
