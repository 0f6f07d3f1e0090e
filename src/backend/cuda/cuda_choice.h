/* A convolution's plan: from the backend's table, by measurement, or by the fixed rule. Each has passed its trial
 * (cuda_trial.h): of several, one that did not is passed over with a warning. */
#ifndef CRISOL_CUDA_CHOICE_H
#define CRISOL_CUDA_CHOICE_H

#include "convolution_run.h"

/* As cr_backend_use_plans() says. The device is entered, nothing is captured. Errors: of convolution_run.h; CR_BAD_DATA
 * when the stored plan fails its trial; CR_INTERNAL when there is no memory for one, or no candidate passes. */
CR_NODISCARD cr_status cr_cuda_choose(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                                      cr_conv_plan **plan);

#endif
