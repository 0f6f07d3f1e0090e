/* Chooses every step's kernels and buffers: forward in order, then, for training, the gradients' ways in reverse. */
#include "convolution.h"
#include "dense.h"
#include "pool.h"

static cr_status plan_input(cr_cpu_program *program, int value)
{
    if (value == CR_NONE)
        return CR_OK;
    cr_value *input = &program->values[value];
    return cr_buffer_add(program, cr_place_bytes(&input->place), 0, &input->buffer);
}

/* Steps without kernels of oneDNN: a buffer for the result, and bytes for what backward has to remember. */
static cr_status plan_simple(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    int time = cr_step_index(program, step);
    cr_value *dst = &program->values[step->dst];
    CR_TRY(cr_buffer_add(program, cr_place_bytes(&dst->place), time, &dst->buffer));
    if (program->params.training && (step->kind == CR_STEP_MAX_POOL || step->kind == CR_STEP_DROPOUT))
        CR_TRY(cr_buffer_add(program, (size_t)cr_place_elements(&dst->place), time, &step->bytes));
    if (step->kind == CR_STEP_MAX_POOL && program->net->layers[step->layer].kernel > CR_POOL_MAX_KERNEL)
        status = cr_fail(CR_BAD_CONFIG, "layer %s: max-pooling windows are at most %d wide here",
                         program->net->layers[step->layer].name, CR_POOL_MAX_KERNEL);
done:
    return status;
}

static cr_status plan_forward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    int time = cr_step_index(program, step);
    if (step->kind == CR_STEP_CONVOLUTION)
        CR_TRY(cr_convolution_plan_forward(program, step));
    else if (step->kind == CR_STEP_DENSE)
        CR_TRY(cr_dense_plan_forward(program, step));
    else
        CR_TRY(plan_simple(program, step));
    cr_buffer_use(program, program->values[step->src].buffer, time);
    if (step->src2 != CR_NONE)
        cr_buffer_use(program, program->values[step->src2].buffer, time);
    cr_buffer_use(program, program->values[step->dst].buffer, time);
done:
    return status;
}

cr_sink cr_gradient_add(cr_cpu_program *program, int value, int buffer, int time)
{
    cr_value *target = &program->values[value];
    cr_sink sink = {.buffer = buffer, .add_to = CR_NONE};
    cr_buffer_use(program, buffer, time);
    if (target->n_gradients < 2)
        target->gradients[target->n_gradients++] = buffer;
    else
        sink.add_to = target->gradients[1];
    cr_buffer_use(program, sink.add_to, time);
    return sink;
}

cr_status cr_gradient_new(cr_cpu_program *program, int value, int time, cr_sink *sink)
{
    *sink = (cr_sink){CR_NONE, CR_NONE};
    if (value == CR_NONE || !program->values[value].wants_gradient)
        return CR_OK;
    int buffer;
    cr_status status = cr_buffer_add(program, cr_place_bytes(&program->values[value].place), time, &buffer);
    if (status == CR_OK)
        *sink = cr_gradient_add(program, value, buffer, time);
    return status;
}

void cr_sink_finish(const cr_cpu_program *program, int value, cr_sink sink)
{
    if (sink.add_to == CR_NONE)
        return;
    const cr_place *place = &program->values[value].place;
    cr_values_add(place->bf16, cr_place_elements(place), cr_buffer_data(program, sink.add_to),
                  cr_buffer_data(program, sink.buffer));
}

void *cr_gradient_whole(const cr_cpu_program *program, int value)
{
    const cr_value *whole = &program->values[value];
    void *first = cr_buffer_data(program, whole->gradients[0]);
    if (whole->n_gradients == 2)
        cr_values_add(whole->place.bf16, cr_place_elements(&whole->place), first,
                      cr_buffer_data(program, whole->gradients[1]));
    return first;
}

static cr_status plan_backward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    int time = cr_backward_time(program, cr_step_index(program, step));
    const cr_value *dst = &program->values[step->dst];
    step->has_backward = dst->n_gradients > 0;
    if (!step->has_backward) /* the logits do not depend on it, or it depends on no parameter */
        return CR_OK;
    for (int g = 0; g < dst->n_gradients; g++)
        cr_buffer_use(program, dst->gradients[g], time);
    switch (step->kind) {
    case CR_STEP_CONVOLUTION:
        CR_TRY(cr_convolution_plan_backward(program, step));
        break;
    case CR_STEP_DENSE:
        CR_TRY(cr_dense_plan_backward(program, step));
        break;
    case CR_STEP_DROPOUT: /* in place */
        cr_buffer_use(program, step->bytes, time);
        if (program->values[step->src].wants_gradient)
            step->sink = cr_gradient_add(program, step->src, dst->gradients[0], time);
        break;
    case CR_STEP_MAX_POOL:
    case CR_STEP_AVERAGE_POOL:
    case CR_STEP_CONCAT:
    case CR_STEP_CONVERT:
        cr_buffer_use(program, step->bytes, time);
        CR_TRY(cr_gradient_new(program, step->src, time, &step->sink));
        CR_TRY(cr_gradient_new(program, step->src2, time, &step->sink2));
        break;
    }
done:
    return status;
}

static cr_status plan_gradients(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    cr_value *logits = &program->values[program->logits];
    CR_TRY(cr_buffer_add(program, cr_place_bytes(&logits->place), program->n_steps, &program->logits_gradient));
    if (logits->wants_gradient)
        (void)cr_gradient_add(program, program->logits, program->logits_gradient, program->n_steps);
    for (int s = program->n_steps - 1; s >= 0; s--)
        CR_TRY(plan_backward(program, &program->steps[s]));
done:
    return status;
}

/* Room for sums over channels, and for the largest weights that are folded on their way to a kernel's layout. */
static cr_status plan_work(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    size_t channels = 0, weights = 0;
    for (int s = 0; s < program->n_steps; s++) {
        const cr_step *step = &program->steps[s];
        if (step->kind != CR_STEP_CONVOLUTION)
            continue;
        size_t own = (size_t)cr_norm_channels(program->values[step->dst].place.shape.channels);
        channels = own > channels ? own : channels;
        own = (size_t)program->net->tensors[program->net->layers[step->layer].weight].count;
        weights = own > weights ? own : weights;
    }
    CR_TRY(cr_buffer_add(program, channels * 2 * (sizeof(double) + sizeof(float)), 0, &program->channel_work));
    cr_buffer_keep(program, program->channel_work);
    CR_TRY(cr_buffer_add(program, weights * sizeof(float), CR_TIME_PREPARE, &program->fold_work));
    if (program->image != CR_NONE && program->params.training) {
        const cr_place *image = &program->values[program->image].place;
        size_t floats = ((size_t)image->n + 1) * 3 * /* one more: two samples mixed */
                        (size_t)image->shape.height * (size_t)image->shape.width;
        CR_TRY(cr_buffer_add(program, floats * sizeof(float), 0, &program->augment_work));
    }
done:
    return status;
}

cr_status cr_program_plan(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    CR_TRY(plan_work(program));
    CR_TRY(plan_input(program, program->image));
    CR_TRY(plan_input(program, program->metadata));
    program->values[program->logits].last_reader = program->n_steps;
    for (int s = 0; s < program->n_steps; s++)
        CR_TRY(plan_forward(program, &program->steps[s]));
    cr_buffer_use(program, program->values[program->logits].buffer, program->n_steps);
    if (program->params.training)
        CR_TRY(plan_gradients(program));
    CR_TRY(cr_arena_create(program));
done:
    return status;
}
