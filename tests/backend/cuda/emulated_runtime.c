/* The functions of the CUDA runtime that the backend calls, over the emulator's streams. New memory holds NaNs. */
#include "emulator.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct CUevent_st {
    cudaStream_t stream;
    int64_t at;
};

enum {
    MAX_BRANCHES = 4,
    MAX_MARKS = 16
};

typedef struct branch { /* what one stream had queued while it was captured, from number `from` on */
    cudaStream_t stream;
    int64_t from, n;
    emulated_op *ops;
} branch;

typedef struct mark { /* an event that each launch of a graph sets: behind operation `at` of a captured stream */
    cudaEvent_t event;
    cudaStream_t stream;
    int64_t at;
} mark;

struct CUgraph_st { /* first that of the stream whose capture it was; then of those that had waited for it */
    branch branches[MAX_BRANCHES];
    int n;
    mark marks[MAX_MARKS];
    int n_marks;
};

struct CUgraphExec_st {
    struct CUgraph_st graph;
    cudaStream_t streams[MAX_BRANCHES]; /* where the others run */
};

static struct CUstream_st *streams;
static mark captured_marks[MAX_MARKS]; /* of the capture under way */
static int n_captured_marks;

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

cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest)
{
    *lowest = 0;
    *highest = -5;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
    (void)flags;
    (void)priority;
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

/* As the runtime: external events are those of a capture. */
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    bool captured = stream->captured_from >= 0;
    if (flags == cudaEventRecordDefault)
        return cudaEventRecord(event, stream);
    if (!captured || n_captured_marks == MAX_MARKS)
        return cudaErrorInvalidValue;
    captured_marks[n_captured_marks++] = (mark){event, stream, emulated_queued(stream)};
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

/* Who waits for a captured stream is captured with it. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    if (event->stream && event->stream->captured_from >= 0 && stream->captured_from < 0) {
        stream->captured_from = emulated_queued(stream);
        stream->leader = event->stream->leader;
    }
    emulated_wait(stream, event->stream, event->at);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    stream->captured_from = emulated_queued(stream);
    stream->leader = stream;
    return cudaSuccess;
}

static void take(cudaStream_t stream, cudaGraph_t graph)
{
    branch *b = &graph->branches[graph->n++];
    *b = (branch){.stream = stream, .from = stream->captured_from};
    b->ops = emulated_take(stream, b->from, &b->n);
    stream->captured_from = -1;
}

/* The stream must have waited for all that was captured with it. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    cudaError_t error = cudaSuccess;
    *graph = calloc(1, sizeof **graph);
    if (!*graph)
        return cudaErrorMemoryAllocation;
    for (struct CUstream_st *s = streams; s; s = s->next)
        if (s != stream && s->captured_from >= 0 && s->leader == stream && !emulated_is_joined(stream, s))
            error = cudaErrorStreamCaptureUnjoined;
    memcpy((*graph)->marks, captured_marks, sizeof captured_marks);
    (*graph)->n_marks = n_captured_marks;
    n_captured_marks = 0;
    take(stream, *graph);
    for (struct CUstream_st *s = streams; s; s = s->next)
        if (s->captured_from >= 0 && s->leader == stream && (*graph)->n < MAX_BRANCHES)
            take(s, *graph);
    return error;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *run, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    *run = calloc(1, sizeof **run);
    if (!*run)
        return cudaErrorMemoryAllocation;
    (*run)->graph = *graph; /* takes its operations */
    graph->n = 0;
    for (int b = 1; b < (*run)->graph.n; b++)
        cudaStreamCreateWithPriority(&(*run)->streams[b], 0, 0);
    return cudaSuccess;
}

static void free_branches(struct CUgraph_st *graph)
{
    for (int b = 0; b < graph->n; b++)
        emulated_free(graph->branches[b].ops, graph->branches[b].n);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    free_branches(graph);
    free(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t run)
{
    for (int b = 1; b < run->graph.n; b++)
        cudaStreamDestroy(run->streams[b]);
    free_branches(&run->graph);
    free(run);
    return cudaSuccess;
}

/* Every branch in a stream of its own, where what they wait for among themselves has other numbers. */
cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t stream)
{
    emulated_move moves[MAX_BRANCHES];
    run->streams[0] = stream;
    for (int b = 0; b < run->graph.n; b++)
        moves[b] = (emulated_move){.from = run->graph.branches[b].stream,
                                   .from_at = run->graph.branches[b].from,
                                   .to = run->streams[b],
                                   .to_at = emulated_queued(run->streams[b])};
    for (int b = 0; b < run->graph.n; b++)
        emulated_replay(run->streams[b], run->graph.branches[b].ops, run->graph.branches[b].n, moves, run->graph.n);
    for (int m = 0; m < run->graph.n_marks; m++) {
        const mark *set = &run->graph.marks[m];
        for (int b = 0; b < run->graph.n; b++)
            if (moves[b].from == set->stream)
                *set->event = (struct CUevent_st){moves[b].to, moves[b].to_at + set->at - moves[b].from_at};
    }
    return cudaSuccess;
}
