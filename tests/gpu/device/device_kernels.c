/* What the own kernels of a ResNet-18 step cost on the first GPU, in bf16: launch by launch, each after 256 MB of other
 * reads, so that nothing of its own is left in a cache (--warm: after itself). One line of JSON a kernel and shape: the
 * median time, the bytes that must move, and their rate. */
#include "device_kernels.h"

#include "crisol/rng.h"
#include "open_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SAMPLES = 1000,
    WARMUP = 3,
    MAX_MICRO_BATCH = 512,
    BLOCK = 1 << 18,         /* floats that are drawn; larger arrays repeat them */
    FLUSH = (256 << 20) / 4, /* floats */
    MAX_CHANNELS = 512
};

cr_status kernels_take(kernels *k, int64_t bytes, kernels_content content, void *array)
{
    cr_status status = CR_OK;
    int64_t n = (bytes + 3) / 4, done = n < BLOCK ? n : BLOCK;
    float *made = NULL;
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, (uint64_t)k->n_arrays);
    if (k->n_arrays == KERNELS_MAX_ARRAYS)
        return cr_fail(CR_INTERNAL, "more than %d arrays", KERNELS_MAX_ARRAYS);
    CR_TRY(cr_memory_allocate(k->memory, n, "an array to measure with", &made));
    k->arrays[k->n_arrays++] = made;
    memcpy(array, &made, sizeof made);
    if (content == KERNELS_ZEROS) {
        status = cr_memory_clear(k->memory, n, made);
        goto done;
    }
    for (int64_t i = 0; i < done; i++) {
        float drawn[2] = {cr_rng_uniform(&rng) - 0.5F, cr_rng_uniform(&rng) - 0.5F};
        uint32_t bits[2];
        memcpy(bits, drawn, sizeof bits);
        bits[0] = content == KERNELS_HALVES ? bits[0] >> 16 | (bits[1] & 0xffff0000U) : bits[0];
        memcpy(&k->block[i], bits, sizeof *bits);
    }
    CR_TRY(cr_memory_write(k->memory, k->block, done, made));
    for (; done < n; done += done < n - done ? done : n - done)
        CR_TRY(cr_memory_copy(k->memory, made, done < n - done ? done : n - done, made + done));
done:
    return status;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* What runs before has a launch wait for nothing of the host, so that the events' difference is the kernel's time. */
static cr_status sample(const kernels *k, kernels_launcher *launch, const void *job, float *milliseconds)
{
    cr_status status = CR_OK;
    if (k->warm)
        launch(job, k->stream);
    else
        cr_kernel_sum_of_squares(FLUSH, k->flush, k->flush_work + 1, k->flush_work, k->stream);
    CR_TRY(cr_cuda_check(cudaEventRecord(k->before, k->stream), "a clock"));
    launch(job, k->stream);
    CR_TRY(cr_cuda_check(cudaEventRecord(k->after, k->stream), "a clock"));
    CR_TRY(cr_cuda_check(cudaGetLastError(), "a kernel"));
    CR_TRY(cr_cuda_check(cudaEventSynchronize(k->after), "a kernel"));
    CR_TRY(cr_cuda_check(cudaEventElapsedTime(milliseconds, k->before, k->after), "a clock"));
done:
    return status;
}

cr_status kernels_measure(const kernels *k, const char *kernel, const char *shape, double bytes,
                          kernels_launcher *launch, const void *job)
{
    cr_status status = CR_OK;
    float times[MAX_SAMPLES];
    for (int s = -WARMUP; s < k->n_samples; s++)
        CR_TRY(sample(k, launch, job, &times[s < 0 ? 0 : s]));
    qsort(times, (size_t)k->n_samples, sizeof *times, by_value);
    double us = (double)times[k->n_samples / 2] * 1e3;
    printf("{\"kernel\": \"%s\", \"shape\": \"%s\", \"us\": %.2f, \"mb\": %.3f, \"tb_per_s\": %.3f}\n", kernel, shape,
           us, bytes * 1e-6, bytes * 1e-6 / us);
done:
    return status;
}

static bool parse(kernels *k, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--warm") == 0)
            k->warm = true;
        else if (i + 1 < argc && strcmp(argv[i], "--micro-batch") == 0)
            k->n = atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--samples") == 0)
            k->n_samples = atoi(argv[++i]);
        else
            return false;
    }
    return k->n > 0 && k->n <= MAX_MICRO_BATCH && k->n_samples > 0 && k->n_samples <= MAX_SAMPLES;
}

static cr_status make(kernels *k)
{
    cr_status status = CR_OK;
    char label[160];
    cr_fusion_params fusion = {.backbone = "resnet18",
                               .inputs = CR_INPUTS_BOTH,
                               .image_size = KERNELS_SIDE,
                               .n_features = 3,
                               .n_classes = KERNELS_CLASSES,
                               .metadata_hidden = {32},
                               .n_metadata_hidden = 1,
                               .head_hidden = {256},
                               .n_head_hidden = 1};
    int64_t pixels = k->n * (KERNELS_SIDE / 2) * (KERNELS_SIDE / 2);
    CR_TRY(open_device("cuda", &k->backend, label));
    k->memory = cr_backend_memory(k->backend);
    k->stream = k->memory->queue;
    CR_TRY(cr_net_create_fusion(&fusion, &k->net));
    CR_TRY(cr_cuda_check(cudaEventCreate(&k->before), "a clock"));
    CR_TRY(cr_cuda_check(cudaEventCreate(&k->after), "a clock"));
    k->block = malloc(BLOCK * sizeof *k->block);
    if (!k->block)
        return cr_fail_memory("numbers", BLOCK * sizeof *k->block);
    for (size_t i = 0; i < sizeof k->values / sizeof *k->values; i++)
        CR_TRY(kernels_take(k, pixels * 64 * 2, KERNELS_HALVES, &k->values[i]));
    for (size_t i = 0; i < sizeof k->channels / sizeof *k->channels; i++)
        CR_TRY(kernels_take(k, MAX_CHANNELS * sizeof(float), KERNELS_FLOATS, &k->channels[i]));
    if (!k->warm) {
        CR_TRY(kernels_take(k, (int64_t)FLUSH * 4, KERNELS_FLOATS, &k->flush));
        CR_TRY(kernels_take(k, (int64_t)cr_squares_work_bytes(FLUSH) + 8, KERNELS_ZEROS, &k->flush_work));
    }
done:
    return status;
}

int main(int argc, char **argv)
{
    kernels k = {.n = 128, .n_samples = 20};
    cr_status status = CR_OK;
    if (!parse(&k, argc, argv)) {
        fprintf(stderr, "usage: device_kernels [--micro-batch 128] [--samples 20] [--warm]\n");
        return CR_USAGE;
    }
    CR_TRY(make(&k));
    CR_TRY(kernels_measure_values(&k));
    CR_TRY(kernels_measure_state(&k));
done:;
    int code = device_exit_code("device_kernels", k.backend, status);
    for (int i = 0; i < k.n_arrays; i++)
        cr_memory_release(k.memory, &k.arrays[i]);
    if (k.before)
        cudaEventDestroy(k.before);
    if (k.after)
        cudaEventDestroy(k.after);
    cr_net_destroy(&k.net);
    cr_backend_close(&k.backend);
    free(k.block);
    return code;
}
