/* What the parts of device_kernels share: arrays of the device with something in them, and a clock. */
#ifndef CRISOL_TEST_DEVICE_KERNELS_H
#define CRISOL_TEST_DEVICE_KERNELS_H

#include "cuda_device.h"
#include "kernels.h"

#include "crisol/net.h"

enum {
    KERNELS_SIDE = 224,
    KERNELS_CLASSES = 8,
    KERNELS_MAX_ARRAYS = 96
};

typedef enum kernels_content { /* of an array: uniform in ± 0.5, or … */
    KERNELS_FLOATS,
    KERNELS_HALVES, /* bf16 */
    KERNELS_ZEROS
} kernels_content;

typedef struct kernels {
    int64_t n; /* micro-batch */
    int n_samples;
    bool warm;
    cr_backend *backend;
    const cr_memory *memory;
    cudaStream_t stream;
    cudaEvent_t before, after;
    cr_net *net;
    float *arrays[KERNELS_MAX_ARRAYS]; /* all of the device's memory that is used */
    int n_arrays;
    float *block;        /* the host's: what arrays are filled with */
    void *values[6];     /* bf16, each with room for the stem's result */
    float *channels[12]; /* one number a channel */
    const float *flush;
    double *flush_work;
} kernels;

/* An array of the device, which lives as long as all; *array becomes its pointer. */
CR_NODISCARD cr_status kernels_take(kernels *k, int64_t bytes, kernels_content content, void *array);

typedef void kernels_launcher(const void *job, cudaStream_t stream);
/* Prints a line: the median time, the `bytes` that must move, and their rate. */
CR_NODISCARD cr_status kernels_measure(const kernels *k, const char *kernel, const char *shape, double bytes,
                                       kernels_launcher *launch, const void *job);

/* cr_kernel_KERNEL() as a kernels_launcher. */
#define KERNELS_LAUNCHER(kernel)                                                                                       \
    static void kernel(const void *job, cudaStream_t stream)                                                           \
    {                                                                                                                  \
        cr_kernel_##kernel(job, stream);                                                                               \
    }

/* device_kernels_values.c: input, norm, pooling */
CR_NODISCARD cr_status kernels_measure_values(kernels *k);
/* device_kernels_state.c: weights, dense layers, loss, large arrays */
CR_NODISCARD cr_status kernels_measure_state(kernels *k);

#endif
