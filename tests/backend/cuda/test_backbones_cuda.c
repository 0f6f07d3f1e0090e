/* ResNets on a GPU, and, compiled a second time, on the emulated device, against the reference. */
#include "backbones.h"

#include <stdio.h>

enum {
    SKIPPED = 77
};

static cr_status open_first(cr_backend **backend)
{
    return cr_backend_open_cuda(0, backend);
}

int main(void)
{
    cr_cuda_devices found;
    cr_cuda_devices_find(&found);
    if (found.n == 0) {
        printf("skipped: %s\n", found.why_not);
        return SKIPPED;
    }
    return backbones_run("backbones on the GPU", open_first);
}
