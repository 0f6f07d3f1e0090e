#include "lowered.h"

int64_t cr_form_elements(const cr_lowered *lowered, cr_shape shape, cr_form form)
{
    int64_t lanes = lowered->forms.sizes[form].lanes, border = lowered->forms.sizes[form].border;
    return lowered->micro_batch * ((shape.channels + lanes - 1) / lanes * lanes) * (shape.height + border) *
           (shape.width + border);
}

size_t cr_form_bytes(const cr_lowered *lowered, cr_shape shape, cr_form form)
{
    return (size_t)cr_form_elements(lowered, shape, form) * lowered->forms.sizes[form].number_bytes;
}

size_t cr_value_bytes(const cr_lowered *lowered, int value)
{
    return cr_form_bytes(lowered, lowered->values[value].shape, lowered->values[value].form);
}

int64_t cr_value_units(const cr_lowered *lowered, int value)
{
    cr_shape shape = lowered->values[value].shape;
    return shape.channels * shape.height * shape.width;
}

static cr_status add_value_buffer(cr_lowered *lowered, int value, int time)
{
    return cr_buffer_plan_add(&lowered->plan, cr_value_bytes(lowered, value), time, &lowered->values[value].buffer);
}

static void use_value(cr_lowered *lowered, int value, int time)
{
    if (value != CR_NONE)
        cr_buffer_plan_use(&lowered->plan, lowered->values[value].buffer, time);
}

cr_status cr_lowered_plan_inputs(cr_lowered *lowered)
{
    cr_status status = CR_OK;
    if (lowered->image != CR_NONE)
        CR_TRY(add_value_buffer(lowered, lowered->image, 0));
    if (lowered->metadata != CR_NONE)
        CR_TRY(add_value_buffer(lowered, lowered->metadata, 0));
done:
    return status;
}

cr_status cr_lowered_plan_forward(cr_lowered *lowered, cr_step *step)
{
    cr_status status = CR_OK;
    const cr_value *dst = &lowered->values[step->dst];
    bool remembers = step->kind == CR_STEP_MAX_POOL || step->kind == CR_STEP_DROPOUT || step->pool;
    if (dst->buffer == CR_NONE)
        CR_TRY(add_value_buffer(lowered, step->dst, step->time));
    if (lowered->training && remembers)
        CR_TRY(cr_buffer_plan_add(&lowered->plan, (size_t)cr_form_elements(lowered, dst->shape, dst->form), step->time,
                                  &step->bytes));
    use_value(lowered, step->src, step->time);
    use_value(lowered, step->src2, step->time);
    use_value(lowered, step->dst, step->time);
done:
    return status;
}

static bool wants_gradient(const cr_lowered *lowered, int value)
{
    return value != CR_NONE && lowered->values[value].wants_gradient;
}

/* Registers `buffer`, written at `time`, as a part of the gradient of `value`, if that wants one. */
static cr_sink gradient_add(cr_lowered *lowered, int value, int buffer, int time)
{
    cr_sink sink = {CR_NONE, CR_NONE};
    if (!wants_gradient(lowered, value))
        return sink;
    cr_value *target = &lowered->values[value];
    sink.buffer = buffer;
    if (target->n_gradients < 2)
        target->gradients[target->n_gradients++] = buffer;
    else
        sink.add_to = target->gradients[1];
    cr_buffer_plan_use(&lowered->plan, sink.buffer, time);
    cr_buffer_plan_use(&lowered->plan, sink.add_to, time);
    return sink;
}

/* The same with a new buffer. */
static cr_status gradient_new(cr_lowered *lowered, int value, int time, cr_sink *sink)
{
    int buffer;
    if (!wants_gradient(lowered, value))
        return CR_OK;
    cr_status status = cr_buffer_plan_add(&lowered->plan, cr_value_bytes(lowered, value), time, &buffer);
    if (status == CR_OK)
        *sink = gradient_add(lowered, value, buffer, time);
    return status;
}

cr_status cr_lowered_plan_loss(cr_lowered *lowered)
{
    int time = lowered->n_steps;
    cr_status status =
        cr_buffer_plan_add(&lowered->plan, cr_value_bytes(lowered, lowered->logits), time, &lowered->logits_gradient);
    if (status == CR_OK)
        (void)gradient_add(lowered, lowered->logits, lowered->logits_gradient, time);
    return status;
}

cr_status cr_lowered_plan_backward(cr_lowered *lowered, cr_step *step)
{
    cr_status status = CR_OK;
    int time = cr_backward_time(lowered, step);
    const cr_value *dst = &lowered->values[step->dst];
    step->has_backward = dst->n_gradients > 0;
    if (!step->has_backward) /* the logits do not depend on it, or it depends on no parameter */
        return CR_OK;
    for (int g = 0; g < dst->n_gradients; g++)
        cr_buffer_plan_use(&lowered->plan, dst->gradients[g], time);
    cr_buffer_plan_use(&lowered->plan, step->bytes, time);
    switch (step->kind) {
    case CR_STEP_CONVOLUTION: /* the gradient that ReLU masked is the residual's, as it is */
        use_value(lowered, step->src, time);
        step->sink2 = gradient_add(lowered, step->src2, dst->gradients[0], time);
        CR_TRY(gradient_new(lowered, step->src, time, &step->sink));
        break;
    case CR_STEP_DENSE:
        use_value(lowered, step->src, time);
        use_value(lowered, step->dst, time);
        CR_TRY(gradient_new(lowered, step->src, time, &step->sink));
        break;
    case CR_STEP_DROPOUT: /* in place */
        step->sink = gradient_add(lowered, step->src, dst->gradients[0], time);
        break;
    case CR_STEP_MAX_POOL:
    case CR_STEP_AVERAGE_POOL:
    case CR_STEP_CONCAT:
    case CR_STEP_CONVERT:
        CR_TRY(gradient_new(lowered, step->src, time, &step->sink));
        CR_TRY(gradient_new(lowered, step->src2, time, &step->sink2));
        break;
    }
done:
    return status;
}
