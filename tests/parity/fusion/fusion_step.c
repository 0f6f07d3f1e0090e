#include "fusion_step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t n_state(const fusion_run *run)
{
    return run->source->net->n_params + run->source->net->n_stats;
}

static void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

/* Programs belong to the thread that runs them. */
static cr_status create_programs(void *context, int worker)
{
    fusion_run *run = context;
    cr_status status = CR_OK;
    cr_program_params params = run->params;
    params.micro_batch = run->micro_batch;
    params.training = true;
    CR_TRY(cr_program_create(run->backend, run->source->net, &params, &run->training[worker]));
    params.training = false;
    CR_TRY(cr_program_create(run->backend, run->source->net, &params, &run->evaluation[worker]));
done:
    return status;
}

static cr_status destroy_programs(void *context, int worker)
{
    fusion_run *run = context;
    cr_program_destroy(&run->training[worker]);
    cr_program_destroy(&run->evaluation[worker]);
    return CR_OK;
}

static int count_workers(const fusion_case *source, const cr_memory *memory)
{
    int64_t n = cr_memory_is_host(memory) ? cr_cores_available() : 1; /* a device has one */
    n = n < source->n_micro ? n : source->n_micro;
    return n < FUSION_MAX_WORKERS ? (int)n : FUSION_MAX_WORKERS;
}

/* n floats of the backend's memory, 0. */
static cr_status new_array(const fusion_run *run, float **array)
{
    cr_status status = cr_memory_allocate(run->memory, n_state(run), "a state", array);
    return status == CR_OK ? cr_memory_clear(run->memory, n_state(run), *array) : status;
}

cr_status fusion_run_open(const fusion_case *source, cr_backend *backend, cr_program_params params, fusion_run *run)
{
    cr_status status = CR_OK;
    const cr_net *net = source->net;
    *run = (fusion_run){.source = source,
                        .backend = backend,
                        .memory = cr_backend_memory(backend),
                        .params = params,
                        .micro_batch = source->batch / source->n_micro};
    CR_TRY(cr_workers_create(count_workers(source, run->memory), &run->workers));
    CR_TRY(cr_workers_run(run->workers, create_programs, run));
    CR_TRY(new_array(run, &run->state));
    CR_TRY(new_array(run, &run->gradient));
    run->parts = calloc((size_t)source->n_micro, sizeof *run->parts);
    assert_non_null(run->parts);
    for (int64_t w = 0; w < source->n_micro; w++)
        CR_TRY(new_array(run, &run->parts[w]));
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        CR_TRY(new_array(run, &run->moments[m]));
    run->logits = aligned_floats(source->batch * net->n_classes);
    run->losses = calloc((size_t)source->batch, sizeof *run->losses);
    assert_non_null(run->losses);
    CR_TRY(cr_backend_state_import(backend, net, source->state, run->state));
done:
    if (status != CR_OK)
        fusion_run_close(run);
    return status;
}

void fusion_run_close(fusion_run *run)
{
    if (run->workers)
        expect_ok(cr_workers_run(run->workers, destroy_programs, run));
    cr_workers_destroy(&run->workers);
    for (int64_t w = 0; run->parts && w < run->source->n_micro; w++)
        cr_memory_release(run->memory, &run->parts[w]);
    free(run->parts);
    cr_memory_release(run->memory, &run->state);
    cr_memory_release(run->memory, &run->gradient);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        cr_memory_release(run->memory, &run->moments[m]);
    free(run->logits);
    free(run->losses);
    *run = (fusion_run){0};
}

static cr_batch micro_batch(const fusion_run *run, int64_t w, const cr_loss *loss)
{
    const fusion_case *source = run->source;
    int64_t first = w * run->micro_batch;
    return (cr_batch){.images = source->images + first * FUSION_IMAGE_SIZE * FUSION_IMAGE_SIZE * 3,
                      .metadata = source->metadata + first * source->net->n_features,
                      .labels = source->labels + first,
                      .samples = source->samples + first,
                      .state_version = (uint64_t)run->step + 1,
                      .loss = loss};
}

static cr_status evaluate(void *context, int worker)
{
    cr_status status = CR_OK;
    fusion_run *run = context;
    for (int64_t w = worker; w < run->source->n_micro; w += cr_workers_count(run->workers)) {
        cr_batch batch = micro_batch(run, w, NULL);
        CR_TRY(cr_program_evaluate(run->evaluation[worker], run->state, &batch,
                                   run->logits + w * run->micro_batch * run->source->net->n_classes));
    }
done:
    return status;
}

static cr_status train(void *context, int worker)
{
    cr_status status = CR_OK;
    fusion_run *run = context;
    const fusion_case *source = run->source;
    cr_loss loss = {
        .class_weights = source->class_weights, .label_smoothing = source->smoothing, .weight_sum = source->weight_sum};
    for (int64_t w = worker; w < source->n_micro; w += cr_workers_count(run->workers)) {
        int64_t first = w * run->micro_batch;
        cr_batch batch = micro_batch(run, w, &loss);
        cr_batch_result result = {run->logits + first * source->net->n_classes, run->losses + first};
        CR_TRY(cr_program_train(run->training[worker], run->state, &batch, run->parts[w], &result));
        CR_TRY(cr_program_wait(run->training[worker]));
    }
done:
    return status;
}

void fusion_run_evaluate(fusion_run *run)
{
    expect_ok(cr_workers_run(run->workers, evaluate, run));
}

void fusion_run_gradient(fusion_run *run)
{
    expect_ok(cr_workers_run(run->workers, train, run));
    int n_micro = (int)run->source->n_micro;
    cr_addition *adds = calloc((size_t)n_micro, sizeof *adds);
    assert_non_null(adds);
    for (int w = 1; w < n_micro; w++)
        adds[w - 1] = (cr_addition){0, w};
    expect_ok(cr_memory_add(run->memory, run->workers, adds, n_micro - 1, run->parts, NULL, n_state(run)));
    expect_ok(cr_memory_copy(run->memory, run->parts[0], n_state(run), run->gradient));
    free(adds);
    run->loss = 0;
    for (int64_t i = 0; i < run->source->batch; i++)
        run->loss += run->losses[i] / run->source->weight_sum;
}

void fusion_run_update(fusion_run *run, const cr_optimizer_params *params, double lr, double weight_decay)
{
    const cr_net *net = run->source->net;
    cr_optimizer_span all = {.begin = 0, .end = net->n_params, .lr_factor = 1.0, .weight_decay = weight_decay};
    cr_update update = {.optimizer = *params,
                        .spans = &all,
                        .n_spans = 1,
                        .step = ++run->step,
                        .lr = lr,
                        .n_params = net->n_params,
                        .n_stats = net->n_stats,
                        .n_micro = run->source->n_micro,
                        .gradient = run->gradient,
                        .weights = run->state};
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        update.moments[m] = run->moments[m];
    expect_ok(cr_backend_update(run->backend, run->workers, &update));
}
