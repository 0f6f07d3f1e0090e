/* The functions of the CUDA runtime that the backend calls, over the emulator's streams. New memory holds NaNs. */
#include "emulator.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct CUevent_st {
    cudaStream_t stream;
    int64_t at;
};

struct CUgraph_st {
    emulated_op *ops;
    int64_t n;
};

struct CUgraphExec_st {
    struct CUgraph_st graph;
};

static struct CUstream_st *streams;

static void run_all(void)
{
    for (struct CUstream_st *s = streams; s; s = s->next)
        if (s->captured_from < 0)
            emulated_run(s, emulated_queued(s));
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : "an emulated error";
}

const char *cudaGetErrorName(cudaError_t error)
{
    return error == cudaSuccess ? "cudaSuccess" : "cudaErrorEmulated";
}

static const size_t device_bytes = (size_t)64 << 30;
static size_t used_bytes;

static cudaError_t make(void **data, size_t bytes)
{
    size_t whole = (bytes + 255) / 256 * 256;
    *data = aligned_alloc(256, whole);
    if (!*data)
        return cudaErrorMemoryAllocation;
    memset(*data, 0xff, whole);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *n_free, size_t *n_total)
{
    *n_total = device_bytes;
    *n_free = device_bytes - used_bytes;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **data, size_t bytes)
{
    if (bytes > device_bytes - used_bytes)
        return cudaErrorMemoryAllocation;
    cudaError_t error = make(data, bytes);
    used_bytes += error == cudaSuccess ? malloc_usable_size(*data) : 0;
    return error;
}

cudaError_t cudaFree(void *data)
{
    run_all();
    used_bytes -= malloc_usable_size(data);
    free(data);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **data, size_t bytes, unsigned flags)
{
    (void)flags;
    return make(data, bytes);
}

cudaError_t cudaFreeHost(void *data)
{
    run_all();
    free(data);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind;
    emulated_copy(stream, to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    emulated_set(stream, to, value, bytes);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = calloc(1, sizeof **stream);
    if (!*stream)
        return cudaErrorMemoryAllocation;
    (*stream)->captured_from = -1;
    (*stream)->next = streams;
    streams = *stream;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run_all();
    struct CUstream_st **link = &streams;
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    free(stream->ops);
    free(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    emulated_run(stream, emulated_queued(stream));
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) /* the first question finds it busy, and it gets on with it */
{
    bool busy = stream->done < stream->n_ops;
    emulated_run(stream, emulated_queued(stream));
    return busy ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    *event = calloc(1, sizeof **event);
    return *event ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
    return cudaEventCreate(event);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    event->stream = stream;
    event->at = emulated_queued(stream);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (event->stream)
        emulated_run(event->stream, event->at);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to)
{
    *milliseconds = (float)(to->at - from->at); /* operations stand for time */
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    emulated_wait(stream, event->stream, event->at);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    stream->captured_from = emulated_queued(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    *graph = calloc(1, sizeof **graph);
    if (!*graph)
        return cudaErrorMemoryAllocation;
    (*graph)->ops = emulated_take(stream, stream->captured_from, &(*graph)->n);
    stream->captured_from = -1;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *run, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    *run = calloc(1, sizeof **run);
    if (!*run)
        return cudaErrorMemoryAllocation;
    (*run)->graph = *graph; /* takes its operations */
    graph->ops = NULL;
    graph->n = 0;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    emulated_free(graph->ops, graph->n);
    free(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t run)
{
    emulated_free(run->graph.ops, run->graph.n);
    free(run);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t stream)
{
    emulated_replay(stream, run->graph.ops, run->graph.n);
    return cudaSuccess;
}
