/* The dispatcher: checks what every backend may rely on, applies the defaults of absent optional slots, and is the only
 * caller of the table. */
#include "crisol/backend.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void cr_backend_close(cr_backend **backend)
{
    if (backend && *backend)
        (*backend)->ops->destroy(backend);
}

const char *cr_backend_name(const cr_backend *backend)
{
    return backend->ops->name;
}

const char *cr_backend_library(const cr_backend *backend)
{
    return backend->ops->library ? backend->ops->library(backend) : "";
}

const cr_memory *cr_backend_memory(const cr_backend *backend)
{
    return backend->ops->memory ? backend->ops->memory(backend) : cr_memory_host();
}

const cr_plan_target *cr_backend_plan_target(const cr_backend *backend)
{
    return backend->ops->plan_target ? backend->ops->plan_target(backend) : NULL;
}

void cr_backend_use_plans(cr_backend *backend, cr_plans *plans, bool measures)
{
    if (backend->ops->use_plans)
        backend->ops->use_plans(backend, plans, measures);
}

bool cr_backend_keeps_images(const cr_backend *backend)
{
    return backend->ops->keeps_images;
}

/* torch.nn.BatchNorm2d refuses one value a channel too: its variance is 0 and its unbiased variance undefined. */
static cr_status check_batch_norms(const cr_net *net, int64_t micro_batch, int frozen_layers)
{
    for (int l = frozen_layers; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        cr_shape shape = net->values[layer->dst];
        if (layer->bn_weight >= 0 && micro_batch * shape.height * shape.width < 2)
            return cr_fail(CR_BAD_CONFIG,
                           "batch norm after %s would see one value a channel in training: set data.micro_batch to 2 "
                           "or more, or take larger images",
                           layer->name);
    }
    return CR_OK;
}

cr_status cr_program_create(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                            cr_program **program)
{
    cr_status status = CR_OK;
    cr_program *created = NULL;
    if (net->logits < 0)
        return cr_fail(CR_INTERNAL, "a program of a net that is not finished");
    if (params->micro_batch < 1 || params->micro_batch > 65536)
        return cr_fail(CR_BAD_CONFIG, "data.micro_batch: %lld, allowed are 1 … 65536", (long long)params->micro_batch);
    if (params->n_threads < 1 || params->n_threads > 4096)
        return cr_fail(CR_BAD_CONFIG, "%d threads a worker, allowed are 1 … 4096", params->n_threads);
    if (params->frozen_layers < 0 || params->frozen_layers > net->n_layers)
        return cr_fail(CR_INTERNAL, "%d frozen layers of %d", params->frozen_layers, net->n_layers);
    if (params->training)
        CR_TRY(check_batch_norms(net, params->micro_batch, params->frozen_layers));
    CR_TRY(backend->ops->program_create(backend, net, params, &created));
    created->backend = backend;
    created->net = net;
    created->params = *params;
    *program = created;
done:
    return status;
}

void cr_program_destroy(cr_program **program)
{
    if (program && *program)
        (*program)->backend->ops->program_destroy(program);
}

/* What is needed to read a batch at all; `state` may be used with aligned 64-byte loads. */
static cr_status check_inputs(const cr_program *program, const float *state, const cr_batch *batch)
{
    if ((uintptr_t)state % 64 != 0)
        return cr_fail(CR_INTERNAL, "a state that is not aligned to 64 bytes");
    if (program->net->uses_image && !batch->images)
        return cr_fail(CR_INTERNAL, "a batch without images for a net that reads them");
    if (batch->places && !cr_backend_keeps_images(program->backend))
        return cr_fail(CR_INTERNAL, "a batch of kept images for the backend %s, which keeps none",
                       cr_backend_name(program->backend));
    if (program->net->uses_metadata && !batch->metadata)
        return cr_fail(CR_INTERNAL, "a batch without metadata for a net that reads it");
    return CR_OK;
}

static cr_status check_targets(const cr_program *program, const cr_batch *batch)
{
    if (!batch->labels || !batch->samples || !batch->loss)
        return cr_fail(CR_INTERNAL, "a training batch without labels, sample numbers or loss");
    if (!(batch->loss->weight_sum > 0 && isfinite(batch->loss->weight_sum)))
        return cr_fail(CR_BAD_DATA,
                       "the class weights of this batch's targets sum to %g: give every class that occurs a positive "
                       "weight (loss.class_weights)",
                       batch->loss->weight_sum);
    for (int64_t i = 0; i < program->params.micro_batch; i++)
        if (batch->labels[i] < 0 || batch->labels[i] >= program->net->n_classes)
            return cr_fail(CR_BAD_DATA, "sample %lld has label %d of %lld classes", (long long)batch->samples[i],
                           (int)batch->labels[i], (long long)program->net->n_classes);
    return CR_OK;
}

cr_status cr_program_train(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                           cr_batch_result *result)
{
    cr_status status = CR_OK;
    if (!program->params.training)
        return cr_fail(CR_INTERNAL, "training asked of a program compiled for evaluation");
    if ((uintptr_t)gradient % 64 != 0)
        return cr_fail(CR_INTERNAL, "a gradient that is not aligned to 64 bytes");
    CR_TRY(check_inputs(program, state, batch));
    CR_TRY(check_targets(program, batch));
    CR_TRY(program->backend->ops->train(program, state, batch, gradient, result));
done:
    return status;
}

cr_status cr_program_evaluate(cr_program *program, const float *state, const cr_batch *batch, float *logits)
{
    cr_status status = CR_OK;
    if (program->params.training)
        return cr_fail(CR_INTERNAL, "evaluation asked of a program compiled for training");
    CR_TRY(check_inputs(program, state, batch));
    CR_TRY(program->backend->ops->evaluate(program, state, batch, logits));
    CR_TRY(cr_program_wait(program));
done:
    return status;
}

cr_status cr_program_wait(cr_program *program)
{
    return program->backend->ops->wait ? program->backend->ops->wait(program) : CR_OK;
}

struct json_t *cr_program_describe(const cr_program *program)
{
    return program->backend->ops->program_describe ? program->backend->ops->program_describe(program) : NULL;
}

struct json_t *cr_program_times(const cr_program *program)
{
    return program->backend->ops->program_times ? program->backend->ops->program_times(program) : NULL;
}

static const char *text_of(const json_t *step, const char *key)
{
    const char *text = json_string_value(json_object_get(step, key));
    return text ? text : "";
}

void cr_program_profile(const cr_program *program)
{
    size_t i;
    json_t *step, *times = cr_program_times(program);
    double forward = 0, backward = 0;
    printf("%-32s %-13s %12s %13s   kernel\n", "layer", "kind", "forward ms", "backward ms");
    json_array_foreach(times, i, step)
    {
        double f = json_number_value(json_object_get(step, "forward_ms"));
        double b = json_number_value(json_object_get(step, "backward_ms"));
        printf("%-32s %-13s %12.3f %13.3f   %s\n", text_of(step, "layer"), text_of(step, "kind"), f, b,
               text_of(step, "kernel"));
        forward += f;
        backward += b;
    }
    printf("%-46s %12.3f %13.3f\n", "total a micro-batch", forward, backward);
    json_decref(times);
}
