#include "fenced_backend.h"

#include "fenced_memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct fenced_backend {
    cr_backend head;
    cr_backend *cpu;
    fence *fence;
    bool has_job; /* the queue: one training call */
    struct {
        cr_program *program; /* the CPU's */
        const float *state;
        cr_batch batch;
        float *gradient;
        cr_batch_result result;
    } job;
    char library[128];
} fenced_backend;

static fenced_backend *fenced_of(const cr_backend *backend)
{
    return backend->context;
}

static cr_status run_job(void *context)
{
    fenced_backend *f = context;
    if (!f->has_job)
        return CR_OK;
    f->has_job = false;
    fence_open(f->fence, f->job.state);
    fence_open(f->fence, f->job.gradient);
    cr_status status = f->cpu->ops->train(f->job.program, f->job.state, &f->job.batch, f->job.gradient, &f->job.result);
    fence_close(f->fence, f->job.state);
    fence_close(f->fence, f->job.gradient);
    return status;
}

static cr_status create_program(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                cr_program **program)
{
    fenced_backend *f = fenced_of(backend);
    cr_status status = CR_OK;
    cr_program *made = calloc(1, sizeof *made), *inner = NULL;
    if (!made)
        return cr_fail_memory("a fenced program", sizeof *made);
    CR_TRY(cr_program_create(f->cpu, net, params, &inner));
    made->backend = backend; /* already for destruction */
    made->context = inner;
    *program = made;
done:
    if (status != CR_OK)
        free(made);
    return status;
}

static void destroy_program(cr_program **program)
{
    if (!*program)
        return;
    cr_program *inner = (*program)->context;
    cr_status drained = run_job(fenced_of((*program)->backend));
    (void)drained;
    cr_program_destroy(&inner);
    free(*program);
    *program = NULL;
}

static cr_status train(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                       cr_batch_result *result)
{
    fenced_backend *f = fenced_of(program->backend);
    cr_status status = run_job(f);
    f->has_job = true;
    f->job.program = program->context;
    f->job.state = state;
    f->job.batch = *batch;
    f->job.gradient = gradient;
    f->job.result = *result;
    for (int64_t i = 0; i < program->params.micro_batch; i++) {
        result->losses[i] = NAN;
        for (int64_t k = 0; k < program->net->n_classes; k++)
            result->logits[i * program->net->n_classes + k] = NAN;
    }
    return status;
}

static cr_status wait_for(cr_program *program)
{
    return run_job(fenced_of(program->backend));
}

static cr_status evaluate(cr_program *program, const float *state, const cr_batch *batch, float *logits)
{
    fenced_backend *f = fenced_of(program->backend);
    cr_status status = CR_OK;
    CR_TRY(run_job(f));
    fence_open(f->fence, state);
    status = f->cpu->ops->evaluate(program->context, state, batch, logits);
    fence_close(f->fence, state);
done:
    return status;
}

static void destroy_backend(cr_backend **backend)
{
    fenced_backend *f = fenced_of(*backend);
    cr_backend_close(&f->cpu);
    fence_destroy(&f->fence);
    free(f);
    *backend = NULL;
}

static void import_state(cr_backend *backend, const cr_net *net, const float *canonical, float *native)
{
    fenced_backend *f = fenced_of(backend);
    f->cpu->ops->state_import(f->cpu, net, canonical, native);
}

static void export_state(cr_backend *backend, const cr_net *net, const float *native, float *canonical)
{
    fenced_backend *f = fenced_of(backend);
    f->cpu->ops->state_export(f->cpu, net, native, canonical);
}

static const char *library(const cr_backend *backend)
{
    return fenced_of(backend)->library;
}

static const cr_memory *memory(const cr_backend *backend)
{
    return fence_memory(fenced_of(backend)->fence);
}

static void set_fence(const fence *f, const cr_update *u, void (*set)(const fence *, const float *))
{
    set(f, u->weights);
    set(f, u->gradient);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        if (u->moments[m])
            set(f, u->moments[m]);
    if (u->ema)
        set(f, u->ema);
}

static cr_status update(cr_backend *backend, const cr_update *u)
{
    fenced_backend *f = fenced_of(backend);
    cr_status status = CR_OK;
    CR_TRY(run_job(f));
    set_fence(f->fence, u, fence_open);
    cr_update_share(u, 1, 0);
    set_fence(f->fence, u, fence_close);
done:
    return status;
}

static cr_status sum_of_squares(cr_backend *backend, const float *values, int64_t n, double *sum)
{
    fenced_backend *f = fenced_of(backend);
    cr_status status = CR_OK;
    CR_TRY(run_job(f));
    fence_open(f->fence, values);
    *sum = cr_sum_of_squares(values, n);
    fence_close(f->fence, values);
done:
    return status;
}

cr_status fenced_backend_open(cr_backend **backend)
{
    static const cr_backend_ops ops = {.name = "fenced",
                                       .program_create = create_program,
                                       .program_destroy = destroy_program,
                                       .train = train,
                                       .evaluate = evaluate,
                                       .destroy = destroy_backend,
                                       .state_import = import_state,
                                       .state_export = export_state,
                                       .library = library,
                                       .memory = memory,
                                       .wait = wait_for,
                                       .update = update,
                                       .sum_of_squares = sum_of_squares};
    cr_status status = CR_OK;
    fenced_backend *f = calloc(1, sizeof *f);
    *backend = NULL;
    if (!f)
        return cr_fail_memory("a fenced backend", sizeof *f);
    CR_TRY(cr_backend_open_cpu(&f->cpu));
    CR_TRY(fence_create(&f->fence));
    fence_set_drain(f->fence, run_job, f);
    snprintf(f->library, sizeof f->library, "%s behind a fence", cr_backend_library(f->cpu));
    f->head = (cr_backend){&ops, f};
    *backend = &f->head;
done:
    if (status != CR_OK) {
        cr_backend_close(&f->cpu);
        free(f);
    }
    return status;
}
