#include "crisol/backend.h"

#if CRISOL_CUDA
static cr_status open_first_gpu(cr_backend **backend)
{
    cr_cuda_devices found;
    cr_cuda_devices_find(&found);
    return found.n > 0 ? cr_backend_open_cuda(0, backend) : cr_fail(CR_MISSING, "%s", found.why_not);
}
#endif

const cr_backend_kind *cr_backend_kinds(int *n)
{
    static const cr_backend_kind kinds[] = {
        {"cpu", cr_backend_open_cpu},
#if CRISOL_CUDA
        {"cuda", open_first_gpu},
#endif
    };
    *n = sizeof kinds / sizeof *kinds;
    return kinds;
}
