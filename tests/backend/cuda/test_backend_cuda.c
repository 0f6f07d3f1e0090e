/* The CUDA backend through the shared suite: on a GPU, and, compiled a second time, on the emulated device
 * (emulator.h). */
#include "backend_suite.h"

#include <stdio.h>

enum {
    SKIPPED = 77
};

static cr_status open_first(cr_backend **backend)
{
    return cr_backend_open_cuda(0, backend);
}

/* As on the CPU: float32 rounds at 6e-8; a layer's sums and a batch norm's division enlarge that. Winograd rounds four
 * to five times more coarsely than direct convolution. bf16 keeps 8 bits (4e-3), so that a ReLU's side cannot be
 * foreseen. */
static const suite_target targets[] = {
    {"cuda f32 direct", open_first, CR_PRECISION_F32, CR_CONVOLUTION_DIRECT, .tolerance = 2e-6, .margin = 2e-5},
    {"cuda f32 auto", open_first, CR_PRECISION_F32, CR_CONVOLUTION_AUTO, .tolerance = 1e-5, .margin = 1e-4},
    {"cuda bf16", open_first, CR_PRECISION_BF16, CR_CONVOLUTION_AUTO, .tolerance = 0.01, .margin = 0}};

int main(void)
{
    cr_cuda_devices found;
    int failed = 0;
    cr_cuda_devices_find(&found);
    if (found.n == 0) {
        printf("skipped: %s\n", found.why_not);
        return SKIPPED;
    }
    printf("on %s\n", found.devices[0].name);
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++)
        failed += backend_suite_run(&targets[i]);
    return failed;
}
