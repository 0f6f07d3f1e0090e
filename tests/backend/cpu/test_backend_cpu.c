/* The CPU backend through the shared suite. */
#include "backend_suite.h"

/* float32 rounds at 6e-8; a layer's sums and a batch norm's division enlarge that. Winograd rounds four to five times
 * more coarsely than direct convolution. bf16 keeps 8 bits (4e-3), so that a ReLU's side cannot be foreseen. */
static const suite_target targets[] = {
    {"cpu f32 direct", cr_backend_open_cpu, CR_PRECISION_F32, CR_CONVOLUTION_DIRECT, .tolerance = 2e-6, .margin = 2e-5},
    {"cpu f32 auto", cr_backend_open_cpu, CR_PRECISION_F32, CR_CONVOLUTION_AUTO, .tolerance = 1e-5, .margin = 1e-4},
    {"cpu bf16 direct", cr_backend_open_cpu, CR_PRECISION_BF16, CR_CONVOLUTION_DIRECT, .tolerance = 0.01, .margin = 0},
    {"cpu bf16 auto", cr_backend_open_cpu, CR_PRECISION_BF16, CR_CONVOLUTION_AUTO, .tolerance = 0.01, .margin = 0}};

int main(void)
{
    int failed = 0;
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++)
        failed += backend_suite_run(&targets[i]);
    return failed;
}
