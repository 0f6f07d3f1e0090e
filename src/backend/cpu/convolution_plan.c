#include "convolution.h"

#include "winograd.h"

#include <stdlib.h>

static cr_convolution_spec spec_of(const cr_cpu_program *program, const cr_step *step, cr_pass pass)
{
    const cr_layer *layer = step->layer;
    cr_convolution_spec spec = {.src = program->places[step->src],
                                .dst = step->convolution->place,
                                .kernel = layer->kernel,
                                .stride = layer->stride,
                                .padding = layer->padding,
                                .pass = pass};
    spec.winograd = program->params.convolution == CR_CONVOLUTION_AUTO && layer->kernel == 3 && layer->stride == 1 &&
                    cr_winograd_pays(&spec, cr_engine_isa());
    return spec;
}

static void destroy_kernel(cr_kernel *kernel)
{
    cr_operation_destroy(&kernel->run);
    cr_operation_destroy(&kernel->move);
}

/* A kernel and, where it wants another layout than the state's, the way of the weights. Both null, with CR_OK, where
 * the library lacks one of them. */
static cr_status create_kernel(cr_cpu_program *program, const cr_tensor *tensor, const cr_convolution_spec *spec,
                               cr_kernel *kernel)
{
    cr_status status = CR_OK;
    kernel->pairs = CR_PAIRS_NONE;
    CR_TRY(cr_convolution_create(program->engine, spec, &kernel->run));
    if (!kernel->run || cr_operation_weights_are_native(kernel->run))
        goto done;
    if (spec->pass != CR_PASS_WEIGHTS && cr_operation_weight_layout(kernel->run, &kernel->layout))
        kernel->pairs = cr_weights_bf16_kind(tensor, &kernel->layout);
    if (kernel->pairs != CR_PAIRS_NONE)
        goto done;
    if (spec->pass == CR_PASS_WEIGHTS) {
        CR_TRY(cr_weights_unpack_create(program->engine, kernel->run, &kernel->move));
    } else {
        CR_TRY(cr_weights_pack_create(program->engine, kernel->run, false, &kernel->move));
        kernel->move_plain = !kernel->move;
        if (!kernel->move)
            CR_TRY(cr_weights_pack_create(program->engine, kernel->run, true, &kernel->move));
    }
    if (!kernel->move)
        destroy_kernel(kernel);
done:
    return status;
}

/* Winograd where it was asked for and the library has it, direct otherwise. */
static cr_status choose_kernel(cr_cpu_program *program, const cr_step *step, cr_convolution_spec *spec,
                               cr_kernel *kernel)
{
    cr_status status = CR_OK;
    const cr_tensor *tensor = &program->net->tensors[step->layer->weight];
    CR_TRY(create_kernel(program, tensor, spec, kernel));
    if (!kernel->run && spec->winograd) {
        spec->winograd = false;
        CR_TRY(create_kernel(program, tensor, spec, kernel));
    }
    if (!kernel->run)
        status = cr_fail(CR_BAD_CONFIG, "oneDNN has no %s kernel for layer %s on this processor: %s",
                         spec->src.bf16 ? "bf16" : "float32", step->layer->name,
                         spec->src.bf16 ? "set train.precision to f32" : "take another kernel size or channel count");
done:
    return status;
}

/* Kernel, weights in its layout, scratch. Weights that depend on the state alone stay from run to run. */
static cr_status plan_kernel(cr_cpu_program *program, const cr_step *step, cr_convolution_spec *spec, int time,
                             cr_kernel *kernel)
{
    cr_status status = CR_OK;
    bool gradient = spec->pass == CR_PASS_WEIGHTS, fold = spec->pass == CR_PASS_EVALUATION;
    bool own = spec->winograd && cr_winograd_supports(spec);
    const cr_tensor *tensor = &program->net->tensors[step->layer->weight];
    kernel->moved = kernel->scratch = kernel->move_scratch = CR_NONE;
    if (!own)
        CR_TRY(choose_kernel(program, step, spec, kernel));
    kernel->spec = *spec;
    size_t scratch = own ? cr_winograd_scratch_bytes(spec) : cr_operation_scratch_bytes(kernel->run);
    CR_TRY(cr_buffer_add(program, scratch, time, &kernel->scratch));
    bool native = own || cr_operation_weights_are_native(kernel->run);
    if (kernel->move)
        CR_TRY(cr_buffer_add(program, cr_operation_scratch_bytes(kernel->move), gradient ? time : CR_TIME_PREPARE,
                             &kernel->move_scratch));
    if (!native || fold)
        CR_TRY(cr_buffer_add(program,
                             own ? (size_t)tensor->count * sizeof(float) : cr_operation_weight_bytes(kernel->run), time,
                             &kernel->moved));
    if (!gradient)
        cr_buffer_keep(program, kernel->moved);
done:
    return status;
}

static size_t channel_bytes(const cr_cpu_program *program, const cr_step *step)
{
    return (size_t)cr_norm_channels(program->places[step->dst].shape.channels) * 4 * sizeof(float);
}

static cr_status plan_training(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    const cr_layer *layer = step->layer;
    int time = step->time;
    cr_convolution_spec spec = spec_of(program, step, CR_PASS_TRAINING);
    CR_TRY(plan_kernel(program, step, &spec, time, &own->forward));
    CR_TRY(cr_buffer_add(program, cr_place_bytes(&own->place), time, &own->x));
    if (layer->bn_weight < 0) /* nothing needs what came before bias, add and ReLU */
        program->lowered.values[step->dst].buffer = own->x;
    own->mask_kind = !layer->relu ? CR_MASK_NONE : step->src2 == CR_NONE ? CR_MASK_RECOMPUTE : CR_MASK_OUTPUT;
    if (step->pool)
        CR_TRY(cr_buffer_add(program, cr_place_bytes(&program->places[step->dst]), time, &own->pooled));
    CR_TRY(cr_buffer_add(program, channel_bytes(program, step), time, &own->channels));
done:
    return status;
}

/* A residual that nobody reads later is overwritten by the sum: oneDNN adds to what dst holds. */
static bool residual_can_become_dst(const cr_cpu_program *program, const cr_step *step)
{
    const cr_value *residual = &program->lowered.values[step->src2], *src = &program->lowered.values[step->src];
    return residual->last_reader == step->time && residual->buffer != src->buffer &&
           cr_place_equal(&program->places[step->src2], &program->places[step->dst]);
}

static cr_status plan_evaluation(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    cr_convolution_spec spec = spec_of(program, step, CR_PASS_EVALUATION);
    spec.bias = true;
    spec.relu = step->layer->relu;
    spec.sum = step->src2 != CR_NONE;
    CR_TRY(plan_kernel(program, step, &spec, step->time, &own->forward));
    own->fused_sum = spec.sum && own->forward.run && residual_can_become_dst(program, step);
    if (own->fused_sum)
        program->lowered.values[step->dst].buffer = program->lowered.values[step->src2].buffer;
    CR_TRY(cr_buffer_add(program, channel_bytes(program, step), step->time, &own->channels));
    cr_buffer_keep(program, own->channels);
done:
    return status;
}

cr_status cr_convolution_plan_forward(cr_cpu_program *program, cr_step *step)
{
    step->convolution = calloc(1, sizeof *step->convolution);
    if (!step->convolution)
        return cr_fail_memory("a convolution", sizeof *step->convolution);
    cr_convolution_step *own = step->convolution;
    own->x = own->pooled = own->channels = CR_NONE;
    own->place = program->places[step->dst];
    own->place.shape = program->net->values[step->layer->dst];
    return step->learns ? plan_training(program, step) : plan_evaluation(program, step);
}

cr_status cr_convolution_plan_backward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    const cr_value *dst = &program->lowered.values[step->dst];
    int time = cr_backward_time(&program->lowered, step);
    cr_convolution_spec spec = spec_of(program, step, CR_PASS_WEIGHTS);
    CR_TRY(plan_kernel(program, step, &spec, time, &own->weights));
    cr_buffer_use(program, own->x, time);
    if (own->mask_kind == CR_MASK_OUTPUT)
        cr_buffer_use(program, dst->buffer, time);
    cr_buffer_use(program, own->channels, time);
    cr_buffer_use(program, own->pooled, time);
    own->writes_dz = step->sink2.buffer != CR_NONE || dst->n_gradients == 2 || step->pool;
    if (step->sink.buffer != CR_NONE) {
        spec = spec_of(program, step, CR_PASS_DATA);
        CR_TRY(plan_kernel(program, step, &spec, time, &own->data));
    }
done:
    return status;
}

void cr_convolution_step_destroy(cr_convolution_step **step)
{
    if (!step || !*step)
        return;
    destroy_kernel(&(*step)->forward);
    destroy_kernel(&(*step)->data);
    destroy_kernel(&(*step)->weights);
    free(*step);
    *step = NULL;
}
