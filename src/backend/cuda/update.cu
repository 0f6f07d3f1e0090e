/* A step's update of the whole state in one pass: optimiser and moving average; then the running statistics. */
#include "kernel.h"
#include "kernels.h"

typedef struct update_args {
    cr_update_job job;
    bool ema_starts, ema_near;
    float ema_weight, n_micro;
} update_args;

/* The span that holds element i, or null: it is frozen. Spans are sorted and disjoint. */
CR_HD static inline const cr_update_span *span_of(const cr_update_job *job, int64_t i)
{
    int low = 0, high = job->n_spans;
    while (low < high) {
        int middle = (low + high) / 2;
        if (job->spans[middle].end <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return low < job->n_spans && job->spans[low].begin <= i ? &job->spans[low] : NULL;
}

CR_GRID_KERNEL(update_parameters, update_args)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const cr_update_job *job = &a.job;
    if (i >= job->n_params)
        return;
    const cr_update_span *span = span_of(job, i);
    float p = job->weights[i];
    if (span) {
        const float g = job->gradient[i];
        if (span->is_adam)
            cr_adam_element_f32(&span->adam, g, &p, &job->moments[0][i], &job->moments[1][i]);
        else if (span->sgd.has_momentum)
            cr_sgd_momentum_element_f32(&span->sgd, g, &p, &job->moments[0][i]);
        else
            cr_sgd_element_f32(&span->sgd, g, &p);
        job->weights[i] = p;
    }
    if (job->ema)
        job->ema[i] = a.ema_starts ? p : cr_ema_element(a.ema_weight, a.ema_near, p, job->ema[i]);
}

CR_GRID_KERNEL(update_statistics, update_args)
{
    const int64_t s = CR_THREAD_OF_GRID, i = a.job.n_params + s;
    if (s >= a.job.n_stats)
        return;
    float running = a.job.weights[i];
    if (s >= a.job.first_stat) {
        running = cr_statistic_element(running, a.job.gradient[i], a.n_micro);
        a.job.weights[i] = running;
    }
    if (a.job.ema) /* AveragedModel copies buffers */
        a.job.ema[i] = running;
}

void cr_kernel_update(const cr_update_job *job, cudaStream_t stream)
{
    const double weight = 1 - job->ema_decay;
    update_args args = {*job, job->step <= 1, weight < 0.5, (float)weight, (float)job->n_micro};
    CR_LAUNCH(update_parameters, cr_kernel_blocks(job->n_params), 1, CR_KERNEL_THREADS, stream, &args);
    if (job->n_stats > 0)
        CR_LAUNCH(update_statistics, cr_kernel_blocks(job->n_stats), 1, CR_KERNEL_THREADS, stream, &args);
}
