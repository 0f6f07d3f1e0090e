/* A step's update of the whole state in one pass: optimiser and moving average; then the running statistics. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

enum {
    FOUR = 4 /* elements of 16 bytes */
};

typedef struct update_args {
    cr_update_job job;
    bool ema_starts, ema_near, aligned;
    float ema_weight, n_micro;
} update_args;

/* The first span that ends behind element i, or null. Spans are sorted and disjoint; i is frozen unless it lies in it.
 */
CR_KERNEL_PART const cr_update_span *span_at(const cr_update_job *job, int64_t i)
{
    int low = 0, high = job->n_spans;
    while (low < high) {
        int middle = (low + high) / 2;
        if (job->spans[middle].end <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return low < job->n_spans ? &job->spans[low] : NULL;
}

typedef struct four {
    float v[FOUR];
} four;

CR_KERNEL_PART four load_four(const float *from)
{
    const cr_words words = *(const cr_words *)from;
    four values;
    for (int k = 0; k < FOUR; k++)
        values.v[k] = cr_float_of_bits(words.w[k]);
    return values;
}

CR_KERNEL_PART void store_four(float *to, const four *values)
{
    cr_words words;
    for (int k = 0; k < FOUR; k++)
        words.w[k] = cr_bits_of_float(values->v[k]);
    *(cr_words *)to = words;
}

/* Elements i … i + 3, all in one span, whose new values go into p. Everything is loaded before the first store. */
CR_KERNEL_PART void update_span(const cr_update_job *job, const cr_update_span *span, int64_t i, four *p)
{
    const four g = load_four(job->gradient + i);
    four m, v;
    if (span->is_adam) {
        const cr_adam_factors_f32 factors = span->adam;
        m = load_four(job->moments[0] + i);
        v = load_four(job->moments[1] + i);
        for (int k = 0; k < FOUR; k++)
            cr_adam_element_f32(&factors, g.v[k], &p->v[k], &m.v[k], &v.v[k]);
        store_four(job->moments[0] + i, &m);
        store_four(job->moments[1] + i, &v);
    } else {
        const cr_sgd_factors_f32 factors = span->sgd;
        if (factors.has_momentum) {
            m = load_four(job->moments[0] + i);
            for (int k = 0; k < FOUR; k++)
                cr_sgd_momentum_element_f32(&factors, g.v[k], &p->v[k], &m.v[k]);
            store_four(job->moments[0] + i, &m);
        } else {
            for (int k = 0; k < FOUR; k++)
                cr_sgd_element_f32(&factors, g.v[k], &p->v[k]);
        }
    }
    store_four(job->weights + i, p);
}

CR_KERNEL_PART float average_of(const update_args *a, float p, float average)
{
    return a->ema_starts ? p : cr_ema_element(a->ema_weight, a->ema_near, p, average);
}

/* span: null where all of them are frozen. */
CR_KERNEL_PART void update_four(const update_args *a, const cr_update_span *span, int64_t i)
{
    const cr_update_job *job = &a->job;
    if (!span && !job->ema)
        return;
    four p = load_four(job->weights + i), average = {{0}};
    if (job->ema && !a->ema_starts)
        average = load_four(job->ema + i);
    if (span)
        update_span(job, span, i, &p);
    if (!job->ema)
        return;
    for (int k = 0; k < FOUR; k++)
        average.v[k] = average_of(a, p.v[k], average.v[k]);
    store_four(job->ema + i, &average);
}

CR_KERNEL_PART void update_one(const update_args *a, int64_t i)
{
    const cr_update_job *job = &a->job;
    const cr_update_span *span = span_at(job, i);
    float p = job->weights[i];
    if (span && span->begin <= i) {
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
        job->ema[i] = average_of(a, p, job->ema[i]);
}

/* Four elements a thread, whole where a tensor's bounds allow it. */
CR_GRID_KERNEL(update_parameters, update_args)
{
    const int64_t i = CR_THREAD_OF_GRID * FOUR;
    if (i >= a.job.n_params)
        return;
    const cr_update_span *span = span_at(&a.job, i);
    const bool frozen = !span || span->begin >= i + FOUR;
    const bool whole = !frozen && span->begin <= i && span->end >= i + FOUR;
    if (a.aligned && i + FOUR <= a.job.n_params && (frozen || whole)) {
        update_four(&a, whole ? span : NULL, i);
        return;
    }
    for (int k = 0; k < FOUR; k++)
        if (i + k < a.job.n_params)
            update_one(&a, i + k);
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

static bool is_aligned(const cr_update_job *job)
{
    const uintptr_t bits = (uintptr_t)job->gradient | (uintptr_t)job->weights | (uintptr_t)job->moments[0] |
                           (uintptr_t)job->moments[1] | (uintptr_t)job->ema;
    return bits % sizeof(cr_words) == 0;
}

void cr_kernel_update(const cr_update_job *job, cudaStream_t stream)
{
    const double weight = 1 - job->ema_decay;
    update_args args = {*job, job->step <= 1, weight < 0.5, is_aligned(job), (float)weight, (float)job->n_micro};
    CR_LAUNCH(update_parameters, cr_kernel_blocks((job->n_params + FOUR - 1) / FOUR), 1, CR_KERNEL_THREADS, stream,
              &args);
    if (job->n_stats > 0)
        CR_LAUNCH(update_statistics, cr_kernel_blocks(job->n_stats), 1, CR_KERNEL_THREADS, stream, &args);
}
