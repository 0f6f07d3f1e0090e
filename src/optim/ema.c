#include "crisol/optim.h"
#include "vector_clones.h"

#include <string.h>

/* torch.lerp: from the nearer end, so that weights 0 and 1 give the ends themselves. */
CR_VECTOR_CLONES
static void lerp(double wanted, int64_t n, const float *restrict parameters, float *restrict average)
{
    const float weight = (float)wanted, rest = 1.0f - weight;
    const bool near_start = wanted < 0.5;
    for (int64_t i = 0; i < n; i++) {
        float a = average[i], p = parameters[i];
        average[i] = near_start ? a + weight * (p - a) : p - (p - a) * rest;
    }
}

void cr_ema_update(double decay, int64_t step, int64_t n, const float *parameters, float *average)
{
    if (step <= 1)
        memcpy(average, parameters, (size_t)n * sizeof *average);
    else
        lerp(1 - decay, n, parameters, average);
}
