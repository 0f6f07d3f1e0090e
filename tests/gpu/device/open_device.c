#include "open_device.h"

#include <stdio.h>
#include <string.h>

static cr_status open_gpu(cr_backend **backend, char *label)
{
#if CRISOL_CUDA
    static cr_cuda_devices found;
    cr_cuda_devices_find(&found);
    if (found.n == 0)
        return cr_fail(CR_MISSING, "no device: %s", found.why_not);
    snprintf(label, 160, "%s", found.devices[0].name);
    return cr_backend_open_cuda(0, backend);
#else
    (void)backend;
    (void)label;
    return cr_fail(CR_MISSING, "no device: built without CUDA");
#endif
}

cr_status open_device(const char *name, cr_backend **backend, char *label)
{
    if (strcmp(name, "cuda") == 0)
        return open_gpu(backend, label);
    if (strcmp(name, "cpu") != 0)
        return cr_fail(CR_USAGE, "--device takes cpu or cuda, not '%s'", name);
    cr_status status = cr_backend_open_cpu(backend);
    if (status == CR_OK)
        snprintf(label, 160, "%s", cr_backend_library(*backend));
    return status;
}

int device_exit_code(const char *program, const cr_backend *backend, cr_status status)
{
    if (status == CR_OK)
        return 0;
    bool skipped = !backend && status == CR_MISSING;
    fprintf(stderr, "%s%s: %s\n", skipped ? "skipped: " : "", program, cr_error_message());
    return skipped ? DEVICE_SKIPPED : (int)status;
}
