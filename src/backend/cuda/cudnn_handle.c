#include "cudnn_handle.h"

#include "cudnn_calls.h"

#include <stdio.h>

cr_status cr_cuda_libraries_open(void)
{
    const cr_cudnn_calls *calls;
    return cr_cudnn_open(&calls);
}

cr_status cr_cudnn_handle_create(cr_cuda *cuda)
{
    cr_status status = CR_OK;
    const cr_cudnn_calls *calls;
    struct cudaDeviceProp properties;
    int runtime = 0;
    CR_TRY(cr_cudnn_open(&calls));
    CR_TRY(cr_cudnn_check(calls, calls->Create(&cuda->cudnn), "a handle"));
    CR_TRY(cr_cuda_check(cudaGetDeviceProperties(&properties, cuda->device), "its properties"));
    CR_TRY(cr_cuda_check(cudaRuntimeGetVersion(&runtime), "its runtime"));
    size_t version = calls->GetVersion();
    snprintf(cuda->target.library, sizeof cuda->target.library, "cuDNN %zu.%zu.%zu", version / 10000,
             version / 100 % 100, version % 100);
    snprintf(cuda->target.device, sizeof cuda->target.device, "%.*s", (int)sizeof cuda->target.device - 1,
             properties.name);
    snprintf(cuda->library, sizeof cuda->library, "%s, CUDA %d.%d, %.64s (sm_%d%d)", cuda->target.library,
             runtime / 1000, runtime / 10 % 100, properties.name, properties.major, properties.minor);
done:
    return status;
}

void cr_cudnn_handle_destroy(cr_cuda *cuda)
{
    const cr_cudnn_calls *calls;
    if (cuda->cudnn && cr_cudnn_open(&calls) == CR_OK)
        calls->Destroy(cuda->cudnn);
    cuda->cudnn = NULL;
}
