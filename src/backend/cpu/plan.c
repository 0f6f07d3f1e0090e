/* Chooses every step's kernels and buffers: forward in order, then, for training, backward in reverse. */
#include "convolution.h"
#include "dense.h"
#include "pool.h"

#include <stdlib.h>

static bool form_is_bf16(const cr_cpu_program *program, cr_form form)
{
    return program->bf16 && form != CR_FORM_PLAIN;
}

/* The lowered net, and how its values lie in memory. */
static cr_status lower(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    cr_lowered *lowered = &program->lowered;
    cr_forms forms = {.image = CR_FORM_INPUT};
    for (int f = 0; f < CR_N_FORMS; f++) {
        forms.sizes[f].lanes = cr_format_lanes(program->formats[f]);
        forms.sizes[f].number_bytes = form_is_bf16(program, (cr_form)f) ? sizeof(uint16_t) : sizeof(float);
    }
    CR_TRY(cr_net_lower(program->net, &program->params, &forms, lowered));
    program->places = calloc((size_t)lowered->n_values, sizeof *program->places);
    if (!program->places)
        return cr_fail_memory("a program", (size_t)lowered->n_values * sizeof *program->places);
    for (int v = 0; v < lowered->n_values; v++) {
        const cr_value *value = &lowered->values[v];
        program->places[v] = cr_place_make(lowered->micro_batch, value->shape, program->formats[value->form],
                                           form_is_bf16(program, value->form));
    }
done:
    return status;
}

static cr_status plan_forward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    if (step->kind == CR_STEP_CONVOLUTION)
        CR_TRY(cr_convolution_plan_forward(program, step));
    else if (step->kind == CR_STEP_DENSE)
        CR_TRY(cr_dense_plan_forward(program, step));
    CR_TRY(cr_lowered_plan_forward(&program->lowered, step));
done:
    return status;
}

static cr_status plan_backward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    CR_TRY(cr_lowered_plan_backward(&program->lowered, step));
    if (step->has_backward && step->kind == CR_STEP_CONVOLUTION)
        CR_TRY(cr_convolution_plan_backward(program, step));
    else if (step->has_backward && step->kind == CR_STEP_DENSE)
        CR_TRY(cr_dense_plan_backward(program, step));
done:
    return status;
}

/* Room for sums over channels, and for the largest weights that are folded on their way to a kernel's layout. */
static cr_status plan_work(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    size_t channels = 0, weights = 0;
    for (int s = 0; s < program->lowered.n_steps; s++) {
        const cr_step *step = &program->lowered.steps[s];
        if (step->kind != CR_STEP_CONVOLUTION)
            continue;
        size_t own = (size_t)cr_norm_channels(program->places[step->dst].shape.channels);
        channels = own > channels ? own : channels;
        own = (size_t)program->net->tensors[step->layer->weight].count;
        weights = own > weights ? own : weights;
    }
    CR_TRY(cr_buffer_add(program, channels * 2 * (sizeof(double) + sizeof(float)), 0, &program->channel_work));
    cr_buffer_keep(program, program->channel_work);
    CR_TRY(cr_buffer_add(program, weights * sizeof(float), CR_TIME_PREPARE, &program->fold_work));
    if (program->lowered.image != CR_NONE && program->params.training) {
        const cr_place *image = &program->places[program->lowered.image];
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
    cr_lowered *lowered = &program->lowered;
    CR_TRY(lower(program));
    CR_TRY(plan_work(program));
    CR_TRY(cr_lowered_plan_inputs(lowered));
    lowered->values[lowered->logits].last_reader = lowered->n_steps;
    for (int s = 0; s < lowered->n_steps; s++)
        CR_TRY(plan_forward(program, &lowered->steps[s]));
    cr_buffer_use(program, lowered->values[lowered->logits].buffer, lowered->n_steps);
    if (program->params.training)
        CR_TRY(cr_lowered_plan_loss(lowered));
    for (int s = lowered->n_steps - 1; s >= 0; s--)
        CR_TRY(plan_backward(program, &lowered->steps[s]));
    CR_TRY(cr_arena_create(program));
done:
    return status;
}
