/* Batch norm's sums, second stage: a block adds the chunks of two channels, in double: each thread some chunks, then a
 * tree over the threads. */
#include "kernels.h"
#include "norm_chunks.h"
#include "norm_element.h"

enum {
    CHANNELS = 2, /* a block: many blocks, and neighbours of memory for neighbours of a warp */
    LANES = CR_KERNEL_THREADS / CHANNELS
};

/* Adds `n_kinds` numbers over the lanes of a channel; lane 0 has the totals. */
CR_KERNEL_PART void add_lanes(double numbers[3], int n_kinds)
{
    CR_SHARED double lanes[3][LANES][CHANNELS];
    const int lane = CR_THREAD / CHANNELS, c = CR_THREAD % CHANNELS;
    for (int kind = 0; kind < n_kinds; kind++)
        lanes[kind][lane][c] = numbers[kind];
    CR_BARRIER();
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int kind = 0; kind < n_kinds && lane < width; kind++)
            lanes[kind][lane][c] += lanes[kind][lane + width][c];
        CR_BARRIER();
    }
    for (int kind = 0; kind < n_kinds; kind++)
        numbers[kind] = lanes[kind][0][c];
}

CR_BLOCK_KERNEL(finish_forward, cr_norm_finish_job)
{
    const int lane = CR_THREAD / CHANNELS;
    const int64_t c = CR_BLOCK * CHANNELS + CR_THREAD % CHANNELS;
    const int64_t chunk = cr_norm_chunk(a.pixels, a.channels), n_chunks = cr_norm_n_chunks(a.pixels, a.channels);
    const double share = 1.0 / (double)chunk; /* exact: a power of two */
    double numbers[3] = {0, 0, 0};            /* sums, squares within chunks, between them */
    for (int64_t i = lane; i < n_chunks; i += LANES) {
        const double *part = a.partials + (i * a.channels + c) * 2;
        const double sum = part[0];
        numbers[0] += sum;
        numbers[1] += part[1];
        numbers[2] += i < n_chunks - 1 ? sum * sum * share : sum * sum / (double)(a.pixels - i * chunk);
    }
    add_lanes(numbers, 3);
    if (lane > 0)
        return;
    const bool real = c < a.n_channels;
    const double n = (double)a.pixels, square = cr_moments_square(n, numbers[0], numbers[1], numbers[2]);
    const double inverse = 1.0 / sqrt(square / n + CR_NORM_EPS);
    const float mean = (float)(numbers[0] / n);
    a.arrays.mean[c] = real ? mean : 0.0F;
    a.arrays.inverse[c] = real ? (float)inverse : 0.0F;
    a.arrays.scale[c] = real ? (float)((double)a.weight[c] * inverse) : 0.0F;
    a.arrays.shift[c] = real ? a.shift[c] : 0.0F;
    if (!real)
        return;
    a.d_mean[c] = a.bias ? mean + a.bias[c] : mean; /* the bias itself changes nothing else */
    a.d_variance[c] = (float)(square / (n - 1.0));
}

void cr_kernel_norm_finish_forward(const cr_norm_finish_job *job, cudaStream_t stream)
{
    CR_LAUNCH(finish_forward, job->channels / CHANNELS, 1, CR_KERNEL_THREADS, stream, job);
}

CR_BLOCK_KERNEL(finish_backward, cr_norm_finish_job)
{
    const int lane = CR_THREAD / CHANNELS;
    const int64_t c = CR_BLOCK * CHANNELS + CR_THREAD % CHANNELS;
    double numbers[3] = {0, 0, 0}; /* Σ dz, Σ dz·(x - mean) */
    for (int64_t i = lane; i < cr_norm_n_chunks(a.pixels, a.channels); i += LANES) {
        const double *part = a.partials + (i * a.channels + c) * 2;
        numbers[0] += part[0];
        numbers[1] += part[1];
    }
    add_lanes(numbers, 2);
    if (lane > 0)
        return;
    const double sum = numbers[0], dot = numbers[1], inverse = (double)a.arrays.inverse[c];
    const bool has_norm = a.weight;
    a.k1[c] = has_norm ? (float)(sum / a.count) : 0.0F;
    a.k2[c] = has_norm ? (float)(dot * inverse * inverse / a.count) : 0.0F;
    if (c >= a.n_channels)
        return;
    if (has_norm) {
        a.d_weight[c] = (float)(dot * inverse);
        a.d_shift[c] = (float)sum;
    }
    if (a.d_bias) /* the batch's mean takes a bias away again */
        a.d_bias[c] = has_norm ? 0.0F : (float)sum;
}

void cr_kernel_norm_finish_backward(const cr_norm_finish_job *job, cudaStream_t stream)
{
    CR_LAUNCH(finish_backward, job->channels / CHANNELS, 1, CR_KERNEL_THREADS, stream, job);
}

/* A norm with the running statistics; without one scale 1, shift = bias. */
CR_GRID_KERNEL(constants, cr_norm_finish_job)
{
    const int64_t c = CR_THREAD_OF_GRID;
    if (c >= a.channels)
        return;
    double inverse = 1, scale = 1, mean = 0, shift = 0;
    const bool real = c < a.n_channels;
    if (real && a.weight) {
        inverse = 1.0 / sqrt((double)a.variance[c] + CR_NORM_EPS);
        scale = (double)a.weight[c] * inverse;
        mean = (double)a.mean[c] - (a.bias ? (double)a.bias[c] : 0.0);
        shift = (double)a.shift[c];
    } else if (real && a.bias) {
        shift = (double)a.bias[c];
    }
    a.arrays.mean[c] = (float)mean;
    a.arrays.scale[c] = real ? (float)scale : 0.0F;
    a.arrays.shift[c] = (float)shift;
    a.arrays.inverse[c] = (float)inverse;
}

void cr_kernel_norm_constants(const cr_norm_finish_job *job, cudaStream_t stream)
{
    CR_LAUNCH(constants, cr_kernel_blocks(job->channels), 1, CR_KERNEL_THREADS, stream, job);
}
