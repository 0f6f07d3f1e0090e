/* Batch norm's passes over values: z, ReLU and residual forward; the gradient of its input backward. A thread eight
 * channels of a pixel. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"
#include "value_element.h"

CR_GRID_KERNEL(apply, cr_norm_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    if (i >= a.pixels * eights)
        return;
    const int64_t eight = (uint32_t)i % (uint32_t)eights;
    const cr_eight mean = cr_eight_load(a.arrays.mean, eight, false);
    const cr_eight scale = cr_eight_load(a.arrays.scale, eight, false);
    const cr_eight shift = cr_eight_load(a.arrays.shift, eight, false);
    const cr_eight x = cr_eight_load(a.x, i, a.bf16);
    cr_eight add = {{0}}, y;
    if (a.add)
        add = cr_eight_load(a.add, i, a.bf16);
    for (int k = 0; k < CR_EIGHT; k++) {
        float z = cr_norm_z(x.v[k], mean.v[k], scale.v[k], shift.v[k]) + add.v[k];
        y.v[k] = a.relu ? cr_norm_relu(z) : z;
    }
    cr_eight_store(a.out, i, &y, a.bf16);
}

void cr_kernel_norm_apply(const cr_norm_job *job, cudaStream_t stream)
{
    CR_LAUNCH(apply, cr_kernel_blocks(job->pixels * (job->channels / CR_EIGHT)), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(backward_apply, cr_norm_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    if (i >= a.pixels * eights)
        return;
    const int64_t eight = (uint32_t)i % (uint32_t)eights;
    const cr_eight mean = cr_eight_load(a.arrays.mean, eight, false);
    const cr_eight scale = cr_eight_load(a.arrays.scale, eight, false);
    const cr_eight shift = cr_eight_load(a.arrays.shift, eight, false);
    const cr_eight k1 = cr_eight_load(a.k1, eight, false), k2 = cr_eight_load(a.k2, eight, false);
    const cr_eight x = cr_eight_load(a.x, i, a.bf16), g = cr_eight_load(a.g0, i, a.bf16);
    cr_eight y = {{0}}, dx;
    if (a.mask == CR_MASK_FROM_Y)
        y = cr_eight_load(a.y, i, a.bf16);
    for (int k = 0; k < CR_EIGHT; k++) {
        bool open = a.mask == CR_MASK_FROM_X   ? cr_norm_z(x.v[k], mean.v[k], scale.v[k], shift.v[k]) > 0.0F
                    : a.mask == CR_MASK_FROM_Y ? y.v[k] > 0.0F
                                               : true;
        dx.v[k] = cr_norm_dx(open ? g.v[k] : 0.0F, x.v[k], mean.v[k], scale.v[k], k1.v[k], k2.v[k]);
    }
    cr_eight_store(a.out, i, &dx, a.bf16);
}

void cr_kernel_norm_backward_apply(const cr_norm_job *job, cudaStream_t stream)
{
    CR_LAUNCH(backward_apply, cr_kernel_blocks(job->pixels * (job->channels / CR_EIGHT)), 1, CR_KERNEL_THREADS, stream,
              job);
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
