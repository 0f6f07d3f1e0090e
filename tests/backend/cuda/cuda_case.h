/* For tests that run on a GPU and, compiled a second time, on the emulated device: one backend, arrays to and from it.
 */
#ifndef CRISOL_TEST_CUDA_CASE_H
#define CRISOL_TEST_CUDA_CASE_H

#include "crisol/backend.h"
#include "crisol/rng.h"
#include "cuda_device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cr_backend *backend;

static inline void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

/* 0, or 77 with a line where there is no device. */
static inline int cuda_case_open(void)
{
    cr_cuda_devices found;
    cr_cuda_devices_find(&found);
    if (found.n == 0) {
        printf("skipped: %s\n", found.why_not);
        return 77;
    }
    printf("on %s\n", found.devices[0].name);
    if (cr_backend_open_cuda(0, &backend) == CR_OK)
        return 0;
    printf("%s\n", cr_error_message());
    return 1;
}

static inline cudaStream_t cuda_case_stream(void)
{
    return cr_backend_memory(backend)->queue;
}

/* A copy on the device, of `bytes` bytes. */
static inline void *to_device(const void *host, size_t bytes)
{
    void *device = NULL;
    assert_int_equal(cudaMalloc(&device, bytes), cudaSuccess);
    assert_int_equal(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda_case_stream()), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(cuda_case_stream()), cudaSuccess);
    return device;
}

/* Waits for all kernels, copies and frees the device's array. */
static inline void from_device(void *device, void *host, size_t bytes)
{
    assert_int_equal(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cuda_case_stream()), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(cuda_case_stream()), cudaSuccess);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    cudaFree(device);
}

static inline float *random_floats(int64_t n, uint64_t seed)
{
    float *values = aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64 + 64);
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 0, 0);
    assert_non_null(values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)cr_rng_normal(&rng);
    return values;
}

#endif
