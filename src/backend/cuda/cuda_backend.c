/* Holds the place of the CUDA backend. */
#include "crisol/backend.h"

cr_status cr_cuda_libraries_open(void)
{
    return cr_fail(CR_MISSING, "this crisol has no programs for GPUs");
}

cr_status cr_backend_open_cuda(int device, cr_backend **backend)
{
    *backend = NULL;
    return cr_fail(CR_MISSING, "no program for GPU %d", device);
}
