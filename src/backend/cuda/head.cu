/* Dropout, loss and concatenation: small kernels over plain values. */
#include "kernel.h"
#include "kernels.h"
#include "loss_element.h"
#include "mix_element.h"

/* y = x · mask / (1 - p): a thread the four units that one draw decides. */
CR_GRID_KERNEL(dropout_forward, cr_dropout_job)
{
    const int64_t i = CR_THREAD_OF_GRID, blocks = (a.width + 3) / 4;
    if (i >= a.n * blocks)
        return;
    const int64_t n = i / blocks, begin = i % blocks * 4;
    const cr_dropout_stream stream = cr_dropout_open(a.head->seed, a.head->epoch, a.samples[n], a.layer);
    const float share = (float)(1.0 - a.probability);
    uint8_t keep[4];
    cr_dropout_draw(&stream, (uint32_t)(begin / 4), a.probability, keep);
    for (int64_t k = begin; k < begin + 4 && k < a.width; k++) {
        const int64_t at = n * a.width + k;
        a.keep[at] = keep[k - begin];
        a.y[at] = keep[k - begin] ? a.x[at] / share : 0.0F;
    }
}

void cr_kernel_dropout_forward(const cr_dropout_job *job, cudaStream_t stream)
{
    CR_LAUNCH(dropout_forward, cr_kernel_blocks(job->n * ((job->width + 3) / 4)), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(dropout_backward, cr_dropout_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n * a.width)
        a.y[i] = a.keep[i] ? a.x[i] / (float)(1.0 - a.probability) : 0.0F;
}

void cr_kernel_dropout_backward(const cr_dropout_job *job, cudaStream_t stream)
{
    CR_LAUNCH(dropout_backward, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
}

/* A thread a sample: its sums run over the classes in order, as the host's. */
CR_GRID_KERNEL(loss, cr_loss_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n)
        cr_loss_of_sample(&a.head->loss, i, a.n_classes, a.logits, a.labels, a.head->targets, a.losses, a.dlogits);
}

void cr_kernel_loss(const cr_loss_job *job, cudaStream_t stream)
{
    enum {
        THREADS = 32 /* few samples: rather many blocks */
    };
    CR_LAUNCH(loss, (job->n + THREADS - 1) / THREADS, 1, THREADS, stream, job);
}

CR_GRID_KERNEL(columns_take, cr_columns_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n * a.width)
        a.part[i] = a.whole[i / a.width * a.wide + a.begin + i % a.width];
}

void cr_kernel_columns_take(const cr_columns_job *job, cudaStream_t stream)
{
    CR_LAUNCH(columns_take, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(columns_put, cr_columns_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n * a.width)
        a.whole[i / a.width * a.wide + a.begin + i % a.width] = a.part[i];
}

void cr_kernel_columns_put(const cr_columns_job *job, cudaStream_t stream)
{
    CR_LAUNCH(columns_put, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
}
