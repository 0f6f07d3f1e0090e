/* The mean over the pixels of spatial values. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

enum {
    THREADS = 128, /* a block: a micro-batch has few means */
    AHEAD = 16     /* pixels whose loads are under way together */
};

/* Sums in double: a few hundred values a channel, and the result rounds once. */
CR_KERNEL_PART void average(const cr_average_job *a, bool bf16)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i >= a->n * a->n_channels)
        return;
    const uint32_t n = (uint32_t)i / (uint32_t)a->n_channels, c = (uint32_t)i % (uint32_t)a->n_channels;
    const int64_t first = n * a->area * a->channels + c;
    double sum = 0;
    for (int64_t p = 0; p < a->area; p += AHEAD) {
        float x[AHEAD];
        for (int u = 0; u < AHEAD; u++)
            x[u] = p + u < a->area ? cr_one_load(a->x, first + (p + u) * a->channels, bf16) : 0.0F;
        for (int u = 0; u < AHEAD; u++)
            if (p + u < a->area)
                sum += (double)x[u];
    }
    ((float *)a->out)[i] = (float)(sum / (double)a->area);
}

CR_GRID_KERNEL(average_bf16, cr_average_job)
{
    average(&a, true);
}

CR_GRID_KERNEL(average_f32, cr_average_job)
{
    average(&a, false);
}

void cr_kernel_average_pool_forward(const cr_average_job *job, cudaStream_t stream)
{
    const int64_t blocks = (job->n * job->n_channels + THREADS - 1) / THREADS;
    if (job->bf16)
        CR_LAUNCH(average_bf16, blocks, 1, THREADS, stream, job);
    else
        CR_LAUNCH(average_f32, blocks, 1, THREADS, stream, job);
}

CR_GRID_KERNEL(average_backward, cr_average_job)
{
    const int64_t i = CR_THREAD_OF_GRID, eights = a.channels / CR_EIGHT;
    if (i >= a.n * a.area * eights)
        return;
    const uint32_t eight = (uint32_t)i % (uint32_t)eights, n = (uint32_t)i / (uint32_t)(eights * a.area);
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
