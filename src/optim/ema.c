#include "crisol/optim_element.h"
#include "vector_clones.h"

#include <string.h>

CR_VECTOR_CLONES
static void lerp(double wanted, int64_t n, const float *restrict parameters, float *restrict average)
{
    const float weight = (float)wanted;
    const bool near_start = wanted < 0.5;
    for (int64_t i = 0; i < n; i++)
        average[i] = cr_ema_element(weight, near_start, parameters[i], average[i]);
}

void cr_ema_update(double decay, int64_t step, int64_t n, const float *parameters, float *average)
{
    if (step <= 1)
        memcpy(average, parameters, (size_t)n * sizeof *average);
    else
        lerp(1 - decay, n, parameters, average);
}
