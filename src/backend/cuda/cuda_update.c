/* A step's update and the gradient's norm on the device: the backend's slots. */
#include "cuda_device.h"
#include "kernels.h"

#include <stdlib.h>

/* The table of spans on the device; grows, and never shrinks. */
static cr_status reserve_spans(cr_cuda *cuda, int n)
{
    if (n <= cuda->n_spans)
        return CR_OK;
    cudaFree(cuda->spans);
    cuda->spans = NULL;
    cuda->n_spans = 0;
    cr_status status = cr_cuda_allocate((size_t)n * sizeof(cr_update_span), "groups of parameters", &cuda->spans);
    if (status == CR_OK)
        cuda->n_spans = n;
    return status;
}

static void fill_spans(const cr_update *u, cr_update_span *spans)
{
    for (int s = 0; s < u->n_spans; s++) {
        spans[s] = (cr_update_span){
            .begin = u->spans[s].begin, .end = u->spans[s].end, .is_adam = u->optimizer.kind != CR_OPTIMIZER_SGD};
        if (spans[s].is_adam)
            spans[s].adam = cr_adam_factors_make(&u->optimizer, &u->spans[s], u->step, u->lr);
        else
            spans[s].sgd = cr_sgd_factors_make(&u->optimizer, &u->spans[s], u->step, u->lr);
    }
}

static cr_status run_update(cr_cuda *cuda, const cr_update *u)
{
    cr_status status = CR_OK;
    size_t bytes = (size_t)u->n_spans * sizeof(cr_update_span);
    cr_update_span *spans = malloc(bytes > 0 ? bytes : 1);
    if (!spans)
        return cr_fail_memory("groups of parameters", bytes);
    fill_spans(u, spans);
    CR_TRY(reserve_spans(cuda, u->n_spans));
    if (bytes > 0)
        CR_TRY(cr_cuda_check(cudaMemcpyAsync(cuda->spans, spans, bytes, cudaMemcpyHostToDevice, cuda->stream),
                             "an update"));
    CR_TRY(cr_cuda_check(cudaStreamSynchronize(cuda->stream), "an update")); /* spans may go */
    cr_update_job job = {.spans = cuda->spans,
                         .n_spans = u->n_spans,
                         .step = u->step,
                         .n_params = u->n_params,
                         .n_stats = u->n_stats,
                         .first_stat = u->first_stat,
                         .n_micro = u->n_micro,
                         .ema_decay = u->ema_decay,
                         .gradient = u->gradient,
                         .weights = u->weights,
                         .moments = {u->moments[0], u->moments[1]},
                         .ema = u->ema};
    cr_kernel_update(&job, cuda->stream);
    CR_TRY(cr_cuda_check(cudaGetLastError(), "an update"));
done:
    free(spans);
    return status;
}

cr_status cr_cuda_update(cr_backend *backend, const cr_update *update)
{
    cr_cuda *cuda = backend->context;
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = run_update(cuda, update);
    cr_cuda_leave(cuda);
    return status;
}

/* The tree's two halves, and one more for its root. */
static cr_status reserve_sums(cr_cuda *cuda, size_t bytes)
{
    void *work = NULL;
    if (bytes <= cuda->sum_bytes)
        return CR_OK;
    cudaFree(cuda->sum_work);
    cuda->sum_work = NULL;
    cuda->sum_bytes = 0;
    cr_status status = cr_cuda_allocate(bytes, "sums of squares", &work);
    if (status == CR_OK) {
        cuda->sum_work = work;
        cuda->sum_bytes = bytes;
    }
    return status;
}

static cr_status run_sum(cr_cuda *cuda, const float *values, int64_t n, double *sum)
{
    cr_status status = CR_OK;
    CR_TRY(reserve_sums(cuda, cr_squares_work_bytes(n) + sizeof *sum));
    double *root = cuda->sum_work + cr_squares_work_bytes(n) / sizeof *sum;
    cr_kernel_sum_of_squares(n, values, cuda->sum_work, root, cuda->stream);
    CR_TRY(cr_cuda_check(cudaGetLastError(), "a sum of squares"));
    CR_TRY(cr_cuda_check(cudaMemcpyAsync(cuda->sum, root, sizeof *sum, cudaMemcpyDeviceToHost, cuda->stream),
                         "a sum of squares"));
    CR_TRY(cr_cuda_check(cudaStreamSynchronize(cuda->stream), "a sum of squares"));
    *sum = *cuda->sum;
done:
    return status;
}

cr_status cr_cuda_sum_of_squares(cr_backend *backend, const float *values, int64_t n, double *sum)
{
    cr_cuda *cuda = backend->context;
    cr_status status = cr_cuda_enter(cuda);
    if (status != CR_OK)
        return status;
    status = run_sum(cuda, values, n, sum);
    cr_cuda_leave(cuda);
    return status;
}
