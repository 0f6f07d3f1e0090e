/* The fence itself through the shared suite: it must give what the CPU backend gives, so that what is shown through it
 * is shown for a device. */
#include "backend_suite.h"
#include "fenced_backend.h"

int main(void)
{
    static const suite_target target = {"fenced f32 direct",   fenced_backend_open, CR_PRECISION_F32,
                                        CR_CONVOLUTION_DIRECT, .tolerance = 2e-6,   .margin = 2e-5};
    return backend_suite_run(&target);
}
