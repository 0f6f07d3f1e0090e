/* The same numbers in another order or type: values between plain and spatial, weights between the state's layout and
 * the convolutions'; and the sum of two values. */
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

/* A thread an element of the convolutions' weights. */
CR_GRID_KERNEL(weights_pack, cr_weights_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.out_padded * a.area * a.in_padded)
        return;
    const int64_t in = i % a.in_padded, s = i / a.in_padded % a.area, out = i / a.in_padded / a.area;
    const bool real = in < a.in && out < a.out;
    cr_one_store(a.packed, i, real ? a.state[(out * a.in + in) * a.area + s] : 0.0F, a.bf16);
}

void cr_kernel_weights_pack(const cr_weights_job *job, cudaStream_t stream)
{
    CR_LAUNCH(weights_pack, cr_kernel_blocks(job->out_padded * job->area * job->in_padded), 1, CR_KERNEL_THREADS,
              stream, job);
}

/* A thread an element of the state's. */
CR_GRID_KERNEL(weights_unpack, cr_weights_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.out * a.in * a.area)
        return;
    const int64_t s = i % a.area, in = i / a.area % a.in, out = i / a.area / a.in;
    a.state[i] = cr_one_load(a.packed, (out * a.area + s) * a.in_padded + in, a.bf16);
}

void cr_kernel_weights_unpack(const cr_weights_job *job, cudaStream_t stream)
{
    CR_LAUNCH(weights_unpack, cr_kernel_blocks(job->out * job->in * job->area), 1, CR_KERNEL_THREADS, stream, job);
}
