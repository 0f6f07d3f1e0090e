/* The same numbers in another order or type: values between plain and spatial; and the sum of two values. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

CR_GRID_KERNEL(to_plain, cr_value_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.n * a.n_channels * a.area)
        return;
    const int64_t p = i % a.area, c = i / a.area % a.n_channels, n = i / a.area / a.n_channels;
    ((float *)a.to)[i] = cr_one_load(a.from, (n * a.area + p) * a.channels + c, a.bf16);
}

void cr_kernel_to_plain(const cr_value_job *job, cudaStream_t stream)
{
    CR_LAUNCH(to_plain, cr_kernel_blocks(job->n * job->n_channels * job->area), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(to_spatial, cr_value_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.n * a.channels * a.area)
        return;
    const int64_t c = i % a.channels, p = i / a.channels % a.area, n = i / a.channels / a.area;
    const float *plain = (const float *)a.from;
    cr_one_store(a.to, i, c < a.n_channels ? plain[(n * a.n_channels + c) * a.area + p] : 0.0F, a.bf16);
}

void cr_kernel_to_spatial(const cr_value_job *job, cudaStream_t stream)
{
    CR_LAUNCH(to_spatial, cr_kernel_blocks(job->n * job->channels * job->area), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(value_add, cr_value_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.n * a.channels * a.area / CR_EIGHT)
        return;
    cr_eight sum = cr_eight_load(a.from, i, a.bf16);
    const cr_eight add = cr_eight_load(a.add, i, a.bf16);
    for (int k = 0; k < CR_EIGHT; k++)
        sum.v[k] += add.v[k];
    cr_eight_store(a.to, i, &sum, a.bf16);
}

void cr_kernel_value_add(const cr_value_job *job, cudaStream_t stream)
{
    CR_LAUNCH(value_add, cr_kernel_blocks(job->n * job->channels * job->area / CR_EIGHT), 1, CR_KERNEL_THREADS, stream,
              job);
}
