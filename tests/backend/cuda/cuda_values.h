/* For tests of kernels over spatial values. */
#ifndef CRISOL_TEST_CUDA_VALUES_H
#define CRISOL_TEST_CUDA_VALUES_H

#include "cuda_case.h"
#include "value_element.h"

/* Numbers of a spatial value, on the host: few different ones, so that many are equal, `infinite`: a third of them. */
static inline void *make_values(int64_t n, bool bf16, bool infinite, uint64_t seed)
{
    float *numbers = random_floats(n, seed);
    void *values = aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64);
    assert_non_null(values);
    for (int64_t i = 0; i < n; i++)
        cr_one_store(values, i, infinite && numbers[i] < -0.43F ? -INFINITY : roundf(numbers[i] * 2) / 2, bf16);
    free(numbers);
    return values;
}

static inline size_t bytes_of(int64_t n, bool bf16)
{
    return (size_t)n * (bf16 ? sizeof(uint16_t) : sizeof(float));
}

#endif
