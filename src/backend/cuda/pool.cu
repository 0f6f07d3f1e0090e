/* Pooling over spatial values. The maximum's gradient is gathered: every input reads the windows that cover it, so the
 * order of additions is fixed and nothing is cleared first. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"
#include "value_element.h"

typedef struct pool_place { /* of one thread's eight channels */
    int64_t n, y, x, eight;
    bool inside;
} pool_place;

/* Numbers fit 32 bits: a program whose values are larger is refused. */
CR_HD static inline pool_place place_of(int64_t i, int64_t n, int64_t height, int64_t width, int64_t eights)
{
    pool_place place;
    place.inside = i < n * height * width * eights;
    uint32_t rest = (uint32_t)i;
    place.eight = rest % (uint32_t)eights;
    rest /= (uint32_t)eights;
    place.x = rest % (uint32_t)width;
    rest /= (uint32_t)width;
    place.y = rest % (uint32_t)height;
    place.n = rest / (uint32_t)height;
    return place;
}

CR_HD static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

CR_HD static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

CR_GRID_KERNEL(max_forward, cr_pool_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    const pool_place at = place_of(i, a.n, a.out_height, a.out_width, eights);
    if (!at.inside)
        return;
    const int64_t top = at.y * a.stride - a.padding, left = at.x * a.stride - a.padding;
    const int64_t y0 = larger(top, 0), y1 = smaller(top + a.kernel, a.height);
    const int64_t x0 = larger(left, 0), x1 = smaller(left + a.kernel, a.width);
    cr_eight best;
    uint32_t turn[CR_EIGHT];
    int where[CR_EIGHT];
    for (int k = 0; k < CR_EIGHT; k++) {
        best.v[k] = -INFINITY;
        where[k] = (int)((y0 - top) * a.kernel + x0 - left);
        turn[k] = a.scale ? cr_bits_of_float(a.scale[at.eight * CR_EIGHT + k]) & 0x80000000U : 0;
    }
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            const cr_eight value =
                cr_eight_load(a.x, ((at.n * a.height + y) * a.width + x) * eights + at.eight, a.bf16);
            for (int k = 0; k < CR_EIGHT; k++) {
                float turned = cr_float_of_bits(cr_bits_of_float(value.v[k]) ^ turn[k]);
                if (turned > best.v[k] || turned != turned) { /* NaN wins, so that it is noticed */
                    best.v[k] = turned;
                    where[k] = (int)((y - top) * a.kernel + x - left);
                }
            }
        }
    for (int k = 0; k < CR_EIGHT; k++) {
        best.v[k] = cr_float_of_bits(cr_bits_of_float(best.v[k]) ^ turn[k]);
        if (a.index)
            a.index[i * CR_EIGHT + k] = (uint8_t)where[k];
    }
    cr_eight_store(a.out, i, &best, a.bf16);
}

void cr_kernel_max_pool_forward(const cr_pool_job *job, cudaStream_t stream)
{
    int64_t threads = job->n * job->out_height * job->out_width * (job->channels / CR_EIGHT);
    CR_LAUNCH(max_forward, cr_kernel_blocks(threads), 1, CR_KERNEL_THREADS, stream, job);
}

/* First and one-past-last window along one axis that cover input coordinate `at`: window o covers o·stride - padding …
 * + kernel - 1. */
CR_HD static inline void cover(const cr_pool_job *a, int64_t at, int64_t n_windows, int64_t *first, int64_t *end)
{
    int64_t from = at + a->padding - a->kernel; /* o·stride > from */
    *first = from < 0 ? 0 : from / a->stride + 1;
    *end = smaller((at + a->padding) / a->stride + 1, n_windows);
}

CR_GRID_KERNEL(max_backward, cr_pool_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    const pool_place at = place_of(i, a.n, a.height, a.width, eights);
    if (!at.inside)
        return;
    int64_t oy0, oy1, ox0, ox1;
    cover(&a, at.y, a.out_height, &oy0, &oy1);
    cover(&a, at.x, a.out_width, &ox0, &ox1);
    cr_eight total = {{0}}, more = {{0}};
    for (int64_t oy = oy0; oy < oy1; oy++)
        for (int64_t ox = ox0; ox < ox1; ox++) {
            const int64_t from = ((at.n * a.out_height + oy) * a.out_width + ox) * eights + at.eight;
            const int position =
                (int)((at.y - oy * a.stride + a.padding) * a.kernel + at.x - ox * a.stride + a.padding);
            const cr_eight g = cr_eight_load(a.dy, from, a.bf16);
            if (a.dy1)
                more = cr_eight_load(a.dy1, from, a.bf16);
            for (int k = 0; k < CR_EIGHT; k++)
                total.v[k] += a.index[from * CR_EIGHT + k] == position ? g.v[k] + more.v[k] : 0.0F;
        }
    if (a.arrays.mean) {
        const cr_eight mean = cr_eight_load(a.arrays.mean, at.eight, false);
        const cr_eight scale = cr_eight_load(a.arrays.scale, at.eight, false);
        const cr_eight k1 = cr_eight_load(a.k1, at.eight, false), k2 = cr_eight_load(a.k2, at.eight, false);
        const cr_eight x = cr_eight_load(a.x, i, a.bf16);
        for (int k = 0; k < CR_EIGHT; k++)
            total.v[k] = cr_norm_dx(total.v[k], x.v[k], mean.v[k], scale.v[k], k1.v[k], k2.v[k]);
    }
    cr_eight_store(a.out, i, &total, a.bf16);
}

void cr_kernel_max_pool_backward(const cr_pool_job *job, cudaStream_t stream)
{
    int64_t threads = job->n * job->height * job->width * (job->channels / CR_EIGHT);
    CR_LAUNCH(max_backward, cr_kernel_blocks(threads), 1, CR_KERNEL_THREADS, stream, job);
}

/* Sums in double: a few hundred values a channel, and the result rounds once. */
CR_GRID_KERNEL(average_forward, cr_average_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.n * a.n_channels)
        return;
    const int64_t n = i / a.n_channels, c = i % a.n_channels;
    double sum = 0;
    for (int64_t p = 0; p < a.area; p++)
        sum += (double)cr_one_load(a.x, (n * a.area + p) * a.channels + c, a.bf16);
    ((float *)a.out)[i] = (float)(sum / (double)a.area);
}

void cr_kernel_average_pool_forward(const cr_average_job *job, cudaStream_t stream)
{
    CR_LAUNCH(average_forward, cr_kernel_blocks(job->n * job->n_channels), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(average_backward, cr_average_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    if (i >= a.n * a.area * eights)
        return;
    const int64_t eight = i % eights, n = i / eights / a.area;
    cr_eight dx;
    for (int k = 0; k < CR_EIGHT; k++) {
        int64_t c = eight * CR_EIGHT + k;
        dx.v[k] = c < a.n_channels ? ((const float *)a.x)[n * a.n_channels + c] / (float)a.area : 0.0F;
    }
    cr_eight_store(a.out, i, &dx, a.bf16);
}

void cr_kernel_average_pool_backward(const cr_average_job *job, cudaStream_t stream)
{
    CR_LAUNCH(average_backward, cr_kernel_blocks(job->n * job->area * (job->channels / CR_EIGHT)), 1, CR_KERNEL_THREADS,
              stream, job);
}
