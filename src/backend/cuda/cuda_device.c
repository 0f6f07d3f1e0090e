#include "cuda_device.h"

cr_status cr_cuda_check(cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return CR_OK;
    return cr_fail(CR_INTERNAL, "the GPU: %s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
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
