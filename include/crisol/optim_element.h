/* What a step does to one number, for every backend: the same text compiles as C and as CUDA. The contracts are those
 * of optim.h's functions over arrays. */
#ifndef CRISOL_OPTIM_ELEMENT_H
#define CRISOL_OPTIM_ELEMENT_H

#include "crisol/host_device.h"
#include "crisol/optim.h"

#include <math.h>
#include <stdbool.h>

#define REAL float
#define KERNEL(name) cr_##name##_f32
#define SQUARE_ROOT(x) sqrtf(x)
#include "crisol/optim_element_of.h"
#undef REAL
#undef KERNEL
#undef SQUARE_ROOT
#define REAL double
#define KERNEL(name) cr_##name##_f64
#define SQUARE_ROOT(x) sqrt(x)
#include "crisol/optim_element_of.h"
#undef REAL
#undef KERNEL
#undef SQUARE_ROOT

/* A span's factors in one step, which count from 1. Adam and AdamW; SGD. */
cr_adam_factors_f32 cr_adam_factors_make(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step,
                                         double lr);
cr_sgd_factors_f32 cr_sgd_factors_make(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step,
                                       double lr);

/* torch.lerp: from the nearer end, so that weights 0 and 1 give the ends themselves. `weight` = 1 - decay rounded. */
CR_HD static inline float cr_ema_element(float weight, bool near_start, float parameter, float average)
{
    return near_start ? average + weight * (parameter - average) : parameter - (parameter - average) * (1.0F - weight);
}

/* torch.nn.BatchNorm2d, momentum .1, with the mean of the micro-batches' statistics. */
CR_HD static inline float cr_statistic_element(float running, float sum, float n_micro)
{
    return 0.9F * running + 0.1F * (sum / n_micro);
}

#endif
