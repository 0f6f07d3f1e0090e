/* The CUDA backend on the emulated device through the shared suite: lowering, memory, kernels, streams and captured
 * graphs, everything but cuDNN's convolutions. */
#include "backend_suite.h"

static cr_status open_first(cr_backend **backend)
{
    return cr_backend_open_cuda(0, backend);
}

/* As on the CPU: float32 rounds at 6e-8; a layer's sums and a batch norm's division enlarge that. bf16 keeps 8 bits
 * (4e-3), so that a ReLU's side cannot be foreseen. */
static const suite_target targets[] = {
    {"emulated cuda f32", open_first, CR_PRECISION_F32, CR_CONVOLUTION_DIRECT, .tolerance = 2e-6, .margin = 2e-5},
    {"emulated cuda bf16", open_first, CR_PRECISION_BF16, CR_CONVOLUTION_AUTO, .tolerance = 0.01, .margin = 0}};

int main(void)
{
    int failed = 0;
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++)
        failed += backend_suite_run(&targets[i]);
    return failed;
}
