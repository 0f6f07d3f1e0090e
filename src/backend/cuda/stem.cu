/* The weights of a convolution over blocks of pixels (cuda_stem.h), to and from the state's. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

/* A thread a number of the packed weights. */
CR_GRID_KERNEL(stem_pack, cr_stem_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const int wide = (int)a.wide, kernel = (int)a.kernel;
    if (i >= a.out_padded * wide * wide * CR_BLOCK_CHANNELS)
        return;
    const int c = (int)(i % CR_BLOCK_PIXEL), column = (int)(i / CR_BLOCK_PIXEL % 2);
    const int row = (int)(i / (2 * CR_BLOCK_PIXEL) % 2);
    const int x = (int)(i / CR_BLOCK_CHANNELS % wide), y = (int)(i / CR_BLOCK_CHANNELS / wide % wide);
    const int64_t out = i / CR_BLOCK_CHANNELS / wide / wide;
    const int shift = (int)(a.padding % 2), kx = 2 * x + column - shift, ky = 2 * y + row - shift;
    float value = 0;
    if (out < a.out && c < a.in && kx >= 0 && kx < kernel && ky >= 0 && ky < kernel)
        value = a.state[((out * a.in + c) * kernel + ky) * kernel + kx];
    cr_one_store(a.packed, i, value, a.bf16);
}

void cr_kernel_stem_pack(const cr_stem_job *job, cudaStream_t stream)
{
    CR_LAUNCH(stem_pack, cr_kernel_blocks(job->out_padded * job->wide * job->wide * CR_BLOCK_CHANNELS), 1,
              CR_KERNEL_THREADS, stream, job);
}

/* A thread a number of the state. */
CR_GRID_KERNEL(stem_unpack, cr_stem_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const int wide = (int)a.wide, kernel = (int)a.kernel;
    if (i >= a.out * a.in * kernel * kernel)
        return;
    const int shift = (int)(a.padding % 2);
    const int x = (int)(i % kernel) + shift, y = (int)(i / kernel % kernel) + shift;
    const int c = (int)(i / kernel / kernel % a.in);
    const int64_t out = i / kernel / kernel / a.in, block = (out * wide + y / 2) * wide + x / 2;
    a.state[i] = cr_one_load(a.packed, block * CR_BLOCK_CHANNELS + (y % 2 * 2 + x % 2) * CR_BLOCK_PIXEL + c, a.bf16);
}

void cr_kernel_stem_unpack(const cr_stem_job *job, cudaStream_t stream)
{
    CR_LAUNCH(stem_unpack, cr_kernel_blocks(job->out * job->in * job->kernel * job->kernel), 1, CR_KERNEL_THREADS,
              stream, job);
}
