/* Batch norm's sums over all pixels of a channel, in two stages of fixed order: a block sums a chunk of pixels for 64
 * channels, then a block adds the chunks of 8 channels. Threads add at most 32 float32 numbers; all else is double. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"
#include "value_element.h"

enum {
    GROUPS = 8,                         /* of 8 channels, a block of the first stage */
    LANES = CR_KERNEL_THREADS / GROUPS, /* pixels at a time */
    WIDTH = GROUPS * CR_EIGHT,          /* channels a block */
    SMALL_CHUNK = 256,
    LARGE_CHUNK = 1024,
    MANY_PIXELS = 1 << 18
};

/* Pixels a block: by shape alone. */
CR_HD static inline int64_t chunk_of(int64_t pixels)
{
    return pixels < MANY_PIXELS ? SMALL_CHUNK : LARGE_CHUNK;
}

CR_HD static inline int64_t n_chunks_of(int64_t pixels)
{
    return (pixels + chunk_of(pixels) - 1) / chunk_of(pixels);
}

CR_HD static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

size_t cr_norm_partials_bytes(int64_t pixels, int64_t channels)
{
    return (size_t)(n_chunks_of(pixels) * channels) * 2 * sizeof(double);
}

CR_BLOCK_KERNEL(statistics, cr_norm_job)
{
    CR_SHARED float sums[LANES][WIDTH], squares[LANES][WIDTH];
    const int lane = CR_THREAD / GROUPS, group = CR_THREAD % GROUPS;
    const int64_t eights = a.channels / CR_EIGHT, eight = CR_BLOCK_ROW * GROUPS + group;
    const int64_t begin = CR_BLOCK * chunk_of(a.pixels), end = smaller(begin + chunk_of(a.pixels), a.pixels);
    if (eight < eights) {
        const cr_eight origin = cr_eight_load(a.x, begin * eights + eight, a.bf16);
        cr_eight sum = {{0}}, square = {{0}};
        for (int64_t p = begin + lane; p < end; p += LANES) {
            const cr_eight x = cr_eight_load(a.x, p * eights + eight, a.bf16);
            for (int k = 0; k < CR_EIGHT; k++) {
                float d = x.v[k] - origin.v[k];
                sum.v[k] += d;
                square.v[k] += d * d;
            }
        }
        for (int k = 0; k < CR_EIGHT; k++) {
            sums[lane][group * CR_EIGHT + k] = sum.v[k];
            squares[lane][group * CR_EIGHT + k] = square.v[k];
        }
    }
    CR_BARRIER();
    const int64_t channel = CR_BLOCK_ROW * WIDTH + CR_THREAD;
    if (CR_THREAD >= WIDTH || channel >= a.channels)
        return;
    double sum = 0, square = 0;
    for (int l = 0; l < LANES; l++) {
        sum += (double)sums[l][CR_THREAD];
        square += (double)squares[l][CR_THREAD];
    }
    cr_moments m = cr_moments_of((double)(end - begin), (double)cr_one_load(a.x, begin * a.channels + channel, a.bf16),
                                 sum, square);
    double *out = a.partials + (CR_BLOCK * a.channels + channel) * 2;
    out[0] = m.sum;
    out[1] = m.square;
}

/* dz of one number. */
CR_HD static inline float masked(const cr_norm_job *a, float g, float x, float y, float mean, float scale, float shift)
{
    if (a->mask == CR_MASK_FROM_X)
        return cr_norm_z(x, mean, scale, shift) > 0.0F ? g : 0.0F;
    if (a->mask == CR_MASK_FROM_Y)
        return y > 0.0F ? g : 0.0F;
    return g;
}

CR_BLOCK_KERNEL(backward_sums, cr_norm_job)
{
    CR_SHARED float sums[LANES][WIDTH], dots[LANES][WIDTH];
    const int lane = CR_THREAD / GROUPS, group = CR_THREAD % GROUPS;
    const int64_t eights = a.channels / CR_EIGHT, eight = CR_BLOCK_ROW * GROUPS + group;
    const int64_t begin = CR_BLOCK * chunk_of(a.pixels), end = smaller(begin + chunk_of(a.pixels), a.pixels);
    if (eight < eights) {
        const cr_eight mean = cr_eight_load(a.arrays.mean, eight, false);
        const cr_eight scale = cr_eight_load(a.arrays.scale, eight, false);
        const cr_eight shift = cr_eight_load(a.arrays.shift, eight, false);
        cr_eight sum = {{0}}, dot = {{0}}, y = {{0}}, g1 = {{0}};
        for (int64_t p = begin + lane; p < end; p += LANES) {
            const int64_t at = p * eights + eight;
            const cr_eight x = cr_eight_load(a.x, at, a.bf16);
            cr_eight dz = cr_eight_load(a.g0, at, a.bf16);
            if (a.mask == CR_MASK_FROM_Y)
                y = cr_eight_load(a.y, at, a.bf16);
            if (a.g1)
                g1 = cr_eight_load(a.g1, at, a.bf16);
            for (int k = 0; k < CR_EIGHT; k++) {
                dz.v[k] = masked(&a, dz.v[k] + g1.v[k], x.v[k], y.v[k], mean.v[k], scale.v[k], shift.v[k]);
                sum.v[k] += dz.v[k];
                dot.v[k] += dz.v[k] * (x.v[k] - mean.v[k]);
            }
            if (a.out)
                cr_eight_store(a.out, at, &dz, a.bf16);
        }
        for (int k = 0; k < CR_EIGHT; k++) {
            sums[lane][group * CR_EIGHT + k] = sum.v[k];
            dots[lane][group * CR_EIGHT + k] = dot.v[k];
        }
    }
    CR_BARRIER();
    const int64_t channel = CR_BLOCK_ROW * WIDTH + CR_THREAD;
    if (CR_THREAD >= WIDTH || channel >= a.channels)
        return;
    double sum = 0, dot = 0;
    for (int l = 0; l < LANES; l++) {
        sum += (double)sums[l][CR_THREAD];
        dot += (double)dots[l][CR_THREAD];
    }
    double *out = a.partials + (CR_BLOCK * a.channels + channel) * 2;
    out[0] = sum;
    out[1] = dot;
}

static void launch_first_stage(const cr_norm_job *job, bool backward, cudaStream_t stream)
{
    int64_t rows = (job->channels + WIDTH - 1) / WIDTH;
    if (backward)
        CR_LAUNCH(backward_sums, n_chunks_of(job->pixels), rows, CR_KERNEL_THREADS, stream, job);
    else
        CR_LAUNCH(statistics, n_chunks_of(job->pixels), rows, CR_KERNEL_THREADS, stream, job);
}

void cr_kernel_norm_statistics(const cr_norm_job *job, cudaStream_t stream)
{
    launch_first_stage(job, false, stream);
}

void cr_kernel_norm_backward_sums(const cr_norm_job *job, cudaStream_t stream)
{
    launch_first_stage(job, true, stream);
}

enum {
    FINISH_LANES = CR_KERNEL_THREADS / CR_EIGHT /* chunks at a time, a block of the second stage */
};

CR_BLOCK_KERNEL(finish_forward, cr_norm_finish_job)
{
    CR_SHARED double sums[FINISH_LANES][CR_EIGHT], withins[FINISH_LANES][CR_EIGHT], betweens[FINISH_LANES][CR_EIGHT];
    const int lane = CR_THREAD / CR_EIGHT, k = CR_THREAD % CR_EIGHT;
    const int64_t c = CR_BLOCK * CR_EIGHT + k, chunk = chunk_of(a.pixels);
    double sum = 0, within = 0, between = 0;
    for (int64_t i = lane; i < n_chunks_of(a.pixels); i += FINISH_LANES) {
        const double *part = a.partials + (i * a.channels + c) * 2;
        sum += part[0];
        within += part[1];
        between += part[0] * part[0] / (double)smaller(chunk, a.pixels - i * chunk);
    }
    sums[lane][k] = sum;
    withins[lane][k] = within;
    betweens[lane][k] = between;
    CR_BARRIER();
    if (lane > 0)
        return;
    for (int l = 1; l < FINISH_LANES; l++) {
        sum += sums[l][k];
        within += withins[l][k];
        between += betweens[l][k];
    }
    const bool real = c < a.n_channels;
    const double n = (double)a.pixels, square = cr_moments_square(n, sum, within, between);
    const double inverse = 1.0 / sqrt(square / n + CR_NORM_EPS);
    const float mean = (float)(sum / n);
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
    CR_LAUNCH(finish_forward, job->channels / CR_EIGHT, 1, CR_KERNEL_THREADS, stream, job);
}

CR_BLOCK_KERNEL(finish_backward, cr_norm_finish_job)
{
    CR_SHARED double sums[FINISH_LANES][CR_EIGHT], dots[FINISH_LANES][CR_EIGHT];
    const int lane = CR_THREAD / CR_EIGHT, k = CR_THREAD % CR_EIGHT;
    const int64_t c = CR_BLOCK * CR_EIGHT + k;
    double sum = 0, dot = 0;
    for (int64_t i = lane; i < n_chunks_of(a.pixels); i += FINISH_LANES) {
        const double *part = a.partials + (i * a.channels + c) * 2;
        sum += part[0];
        dot += part[1];
    }
    sums[lane][k] = sum;
    dots[lane][k] = dot;
    CR_BARRIER();
    if (lane > 0)
        return;
    for (int l = 1; l < FINISH_LANES; l++) {
        sum += sums[l][k];
        dot += dots[l][k];
    }
    const double inverse = (double)a.arrays.inverse[c];
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
    CR_LAUNCH(finish_backward, job->channels / CR_EIGHT, 1, CR_KERNEL_THREADS, stream, job);
}
