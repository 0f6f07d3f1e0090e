/* The device's memory as arrays of floats, and its lane: include/crisol/memory.h. Each has a stream, in whose order
 * everything happens. */
#include "cuda_device.h"
#include "kernels.h"

static cr_cuda *cuda_of(const cr_memory *memory)
{
    return memory->context;
}

static cudaStream_t stream_of(const cr_memory *memory)
{
    return memory->queue;
}

static size_t bytes_of(int64_t n)
{
    return (size_t)n * sizeof(float);
}

static cr_status allocate(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    void *data = NULL;
    cr_status status = cr_cuda_enter(cuda_of(memory));
    if (status != CR_OK)
        return status;
    status = cr_cuda_allocate(bytes_of(n), what, &data);
    cr_cuda_leave(cuda_of(memory));
    *floats = data;
    return status;
}

/* cudaFree waits for what the device still does. */
static void release(const cr_memory *memory, float *floats)
{
    if (!floats || cr_cuda_enter(cuda_of(memory)) != CR_OK)
        return;
    cudaFree(floats);
    cr_cuda_leave(cuda_of(memory));
}

static cr_status transfer(const cr_memory *memory, const float *from, int64_t n, float *to, enum cudaMemcpyKind kind)
{
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaMemcpyAsync(to, from, bytes_of(n), kind, stream_of(memory)), "a copy");
    if (status == CR_OK && kind != cudaMemcpyDeviceToDevice) /* the host's array may be used at once */
        status = cr_cuda_check(cudaStreamSynchronize(stream_of(memory)), "a copy");
    cr_cuda_leave(cuda);
    return status;
}

static cr_status read(const cr_memory *memory, const float *from, int64_t n, float *host)
{
    return transfer(memory, from, n, host, cudaMemcpyDeviceToHost);
}

static cr_status write(const cr_memory *memory, const float *host, int64_t n, float *to)
{
    return transfer(memory, host, n, to, cudaMemcpyHostToDevice);
}

static cr_status copy(const cr_memory *memory, const float *from, int64_t n, float *to)
{
    return transfer(memory, from, n, to, cudaMemcpyDeviceToDevice);
}

static cr_status clear(const cr_memory *memory, int64_t n, float *floats)
{
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaMemsetAsync(floats, 0, bytes_of(n), stream_of(memory)), "clearing memory");
    cr_cuda_leave(cuda);
    return status;
}

static cr_status add(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                     float *const *buffers, float *out, int64_t n)
{
    (void)workers;
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    for (int i = 0; i < n_adds; i++) {
        float *left = buffers[adds[i].left];
        cr_kernel_add(n, left, buffers[adds[i].right], out && i == n_adds - 1 ? out : left, stream_of(memory));
    }
    status = cr_cuda_check(cudaGetLastError(), "an addition");
    cr_cuda_leave(cuda);
    return status;
}

static cr_status poll(const cr_memory *memory, bool *done)
{
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    cudaError_t error = cudaStreamQuery(stream_of(memory));
    *done = error != cudaErrorNotReady;
    if (error == cudaErrorNotReady)
        (void)cudaGetLastError();
    else
        status = cr_cuda_check(error, "what was queued");
    cr_cuda_leave(cuda);
    return status;
}

static cr_status allocate_pinned(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    void *data = NULL;
    cr_status status = cr_cuda_enter(cuda_of(memory));
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaHostAlloc(&data, n > 0 ? bytes_of(n) : 1, cudaHostAllocDefault), what);
    if (status != CR_OK)
        (void)cudaGetLastError(); /* it is told here, and the caller may do without */
    cr_cuda_leave(cuda_of(memory));
    *floats = data;
    return status;
}

/* After a step that failed, images may still be on their way from there. */
static void release_pinned(const cr_memory *memory, float *floats)
{
    if (!floats || cr_cuda_enter(cuda_of(memory)) != CR_OK)
        return;
    cudaStreamSynchronize(cuda_of(memory)->copies);
    cudaFreeHost(floats);
    cr_cuda_leave(cuda_of(memory));
}

static cr_status room(const cr_memory *memory, int64_t *bytes)
{
    size_t n_free = 0, n_total = 0;
    cr_status status = cr_cuda_enter(cuda_of(memory));
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaMemGetInfo(&n_free, &n_total), "its free memory");
    cr_cuda_leave(cuda_of(memory));
    *bytes = (int64_t)n_free;
    return status;
}

static const cr_memory *lane(const cr_memory *memory)
{
    return &cuda_of(memory)->lane;
}

static cr_status follow(const cr_memory *memory, int mark)
{
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaStreamWaitEvent(stream_of(memory), cuda->marks[mark], 0), "a mark");
    cr_cuda_leave(cuda);
    return status;
}

static cr_status join(const cr_memory *memory)
{
    cr_cuda *cuda = cuda_of(memory);
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = cr_cuda_check(cudaEventRecord(cuda->exchanged, cuda->exchange), "an exchange");
    if (status == CR_OK)
        status = cr_cuda_check(cudaStreamWaitEvent(stream_of(memory), cuda->exchanged, 0), "an exchange");
    cr_cuda_leave(cuda);
    return status;
}

const cr_memory_ops cr_cuda_memory_ops = {.name = "cuda",
                                          .allocate = allocate,
                                          .release = release,
                                          .read = read,
                                          .write = write,
                                          .copy = copy,
                                          .clear = clear,
                                          .add = add,
                                          .poll = poll,
                                          .allocate_pinned = allocate_pinned,
                                          .release_pinned = release_pinned,
                                          .room = room,
                                          .lane = lane,
                                          .follow = follow,
                                          .join = join};
