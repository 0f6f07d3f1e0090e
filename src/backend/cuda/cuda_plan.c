/* Chooses every step's kernels and buffers: forward in order, then, for training, the gradients' ways in reverse. */
#include "cuda_program.h"

#include <stdlib.h>

enum {
    ALIGNMENT = 256 /* bytes, of buffers on the device */
};

int64_t cr_cuda_elements(const cr_cuda_program *program, cr_shape shape, bool spatial)
{
    int64_t channels = spatial ? cr_cuda_padded(shape.channels) : shape.channels;
    return program->params.micro_batch * channels * shape.height * shape.width;
}

size_t cr_cuda_bytes(const cr_cuda_program *program, cr_shape shape, bool spatial)
{
    size_t size = spatial && program->bf16 ? sizeof(uint16_t) : sizeof(float);
    return (size_t)cr_cuda_elements(program, shape, spatial) * size;
}

void *cr_cuda_buffer(const cr_cuda_program *program, int buffer)
{
    return buffer == CR_NONE ? NULL : program->arena + program->plan.buffers[buffer].offset;
}

void *cr_cuda_value_data(const cr_cuda_program *program, int value)
{
    return value == CR_NONE ? NULL : cr_cuda_buffer(program, program->values[value].buffer);
}

static size_t value_bytes(const cr_cuda_program *program, int value)
{
    return cr_cuda_bytes(program, program->values[value].shape, program->values[value].spatial);
}

/* Registers `buffer`, written at `time`, as a part of the gradient of `value`. */
static cr_cuda_sink gradient_add(cr_cuda_program *program, int value, int buffer, int time)
{
    cr_cuda_value *target = &program->values[value];
    cr_cuda_sink sink = {.buffer = buffer, .add_to = CR_NONE};
    cr_buffer_plan_use(&program->plan, buffer, time);
    if (target->n_gradients < 2)
        target->gradients[target->n_gradients++] = buffer;
    else
        sink.add_to = target->gradients[1];
    cr_buffer_plan_use(&program->plan, sink.add_to, time);
    return sink;
}

/* A new buffer as gradient of `value`, or nothing when the value wants none. */
static cr_status gradient_new(cr_cuda_program *program, int value, int time, cr_cuda_sink *sink)
{
    *sink = (cr_cuda_sink){CR_NONE, CR_NONE};
    if (value == CR_NONE || !program->values[value].wants_gradient)
        return CR_OK;
    int buffer;
    cr_status status = cr_buffer_plan_add(&program->plan, value_bytes(program, value), time, &buffer);
    if (status == CR_OK)
        *sink = gradient_add(program, value, buffer, time);
    return status;
}

/* The largest buffer so far of a kind that lives on and is written anew by whoever needs it. */
static cr_status share_work(cr_cuda_program *program, size_t bytes, int *buffer)
{
    if (*buffer == CR_NONE) {
        cr_status status = cr_buffer_plan_add(&program->plan, bytes, 0, buffer);
        cr_buffer_plan_keep(&program->plan, *buffer);
        return status;
    }
    cr_buffer *work = &program->plan.buffers[*buffer];
    work->bytes = bytes > work->bytes ? bytes : work->bytes;
    return CR_OK;
}

static cr_status plan_pass(cr_cuda_program *program, cr_cuda_step *step, cr_conv_pass pass)
{
    cr_status status = CR_OK;
    const cr_layer *layer = &program->net->layers[step->layer];
    cr_cuda_convolution *own = step->convolution;
    cr_shape in = program->values[step->src].shape, out = own->shape;
    cr_conv_shape shape = {.n = program->params.micro_batch,
                           .in = cr_cuda_padded(in.channels),
                           .height = in.height,
                           .width = in.width,
                           .out = cr_cuda_padded(out.channels),
                           .out_height = out.height,
                           .out_width = out.width,
                           .kernel = layer->kernel,
                           .stride = layer->stride,
                           .padding = layer->padding,
                           .bf16 = program->bf16,
                           .winograd = program->params.convolution == CR_CONVOLUTION_AUTO};
    CR_TRY(cr_conv_plan_create(program->cuda, &shape, pass, layer->name, &own->plans[pass]));
    CR_TRY(share_work(program, cr_conv_plan_workspace_bytes(own->plans[pass]), &program->workspace));
done:
    return status;
}

static size_t packed_bytes(const cr_cuda_program *program, const cr_cuda_step *step)
{
    int64_t kernel = program->net->layers[step->layer].kernel;
    int64_t count = cr_cuda_padded(program->values[step->src].shape.channels) *
                    cr_cuda_padded(step->convolution->shape.channels) * kernel * kernel;
    return (size_t)count * (program->bf16 ? sizeof(uint16_t) : sizeof(float));
}

static cr_status plan_convolution(cr_cuda_program *program, cr_cuda_step *step, int time)
{
    cr_status status = CR_OK;
    const cr_layer *layer = &program->net->layers[step->layer];
    cr_cuda_value *dst = &program->values[step->dst];
    cr_cuda_convolution *own = step->convolution = calloc(1, sizeof *own);
    if (!own)
        return cr_fail_memory("a convolution", sizeof *own);
    own->x = own->pooled = own->packed = own->d_packed = own->arrays = CR_NONE;
    own->shape = program->net->values[layer->dst];
    int64_t channels = cr_cuda_padded(own->shape.channels);
    int64_t pixels = program->params.micro_batch * own->shape.height * own->shape.width;
    bool learns = cr_cuda_learns(program, step->layer);
    CR_TRY(plan_pass(program, step, CR_CONV_FORWARD));
    CR_TRY(cr_buffer_plan_add(&program->plan, packed_bytes(program, step), 0, &own->packed));
    cr_buffer_plan_keep(&program->plan, own->packed);
    CR_TRY(cr_buffer_plan_add(&program->plan, cr_cuda_bytes(program, own->shape, true), time, &own->x));
    CR_TRY(cr_buffer_plan_add(&program->plan, (size_t)channels * 4 * sizeof(float), time, &own->arrays));
    if (!learns)
        cr_buffer_plan_keep(&program->plan, own->arrays);
    if (step->pool != CR_NONE) {
        CR_TRY(cr_buffer_plan_add(&program->plan, value_bytes(program, step->dst), time, &own->pooled));
        CR_TRY(cr_buffer_plan_add(&program->plan, (size_t)cr_cuda_elements(program, dst->shape, true), time,
                                  &step->bytes));
    }
    own->mask = !layer->relu ? CR_MASK_FROM_NOTHING : step->src2 == CR_NONE ? CR_MASK_FROM_X : CR_MASK_FROM_Y;
    if (learns) {
        CR_TRY(share_work(program, cr_norm_partials_bytes(pixels, channels), &program->sums_work));
        CR_TRY(share_work(program, (size_t)channels * 2 * sizeof(float), &program->factors_work));
    }
done:
    return status;
}

/* What 32-bit kernels can count, and what a byte can. */
static cr_status check_step(const cr_cuda_program *program, const cr_cuda_step *step)
{
    const cr_layer *layer = &program->net->layers[step->layer];
    cr_shape largest = step->convolution ? step->convolution->shape : program->values[step->dst].shape;
    if (cr_cuda_elements(program, largest, true) > INT32_MAX * (int64_t)8)
        return cr_fail(CR_BAD_CONFIG,
                       "layer %s: its values are too many for one micro-batch: set data.micro_batch "
                       "to less than %lld",
                       layer->name, (long long)program->params.micro_batch);
    if (step->kind == CR_CUDA_MAX_POOL && layer->kernel > CR_CUDA_MAX_POOL_KERNEL)
        return cr_fail(CR_BAD_CONFIG, "layer %s: max-pooling windows are at most %d wide here", layer->name,
                       CR_CUDA_MAX_POOL_KERNEL);
    return CR_OK;
}

static cr_status plan_forward(cr_cuda_program *program, cr_cuda_step *step)
{
    cr_status status = CR_OK;
    int time = (int)(step - program->steps);
    cr_cuda_value *dst = &program->values[step->dst];
    if (step->kind == CR_CUDA_CONVOLUTION)
        CR_TRY(plan_convolution(program, step, time));
    CR_TRY(check_step(program, step));
    CR_TRY(cr_buffer_plan_add(&program->plan, value_bytes(program, step->dst), time, &dst->buffer));
    if (program->params.training && (step->kind == CR_CUDA_MAX_POOL || step->kind == CR_CUDA_DROPOUT))
        CR_TRY(cr_buffer_plan_add(&program->plan, (size_t)cr_cuda_elements(program, dst->shape, dst->spatial), time,
                                  &step->bytes));
    cr_buffer_plan_use(&program->plan, program->values[step->src].buffer, time);
    if (step->src2 != CR_NONE)
        cr_buffer_plan_use(&program->plan, program->values[step->src2].buffer, time);
done:
    return status;
}

static cr_status plan_convolution_backward(cr_cuda_program *program, cr_cuda_step *step, int time)
{
    cr_status status = CR_OK;
    cr_cuda_convolution *own = step->convolution;
    const cr_cuda_value *dst = &program->values[step->dst];
    int used[] = {own->x, own->pooled, own->arrays, step->bytes, program->values[step->src].buffer};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        cr_buffer_plan_use(&program->plan, used[i], time);
    if (own->mask == CR_MASK_FROM_Y)
        cr_buffer_plan_use(&program->plan, dst->buffer, time);
    bool has_residual = step->src2 != CR_NONE && program->values[step->src2].wants_gradient;
    own->writes_dz = has_residual || dst->n_gradients == 2 || step->pool != CR_NONE;
    if (has_residual) /* the masked gradient is the residual's, as it is */
        step->sink2 = gradient_add(program, step->src2, dst->gradients[0], time);
    CR_TRY(plan_pass(program, step, CR_CONV_WEIGHTS));
    CR_TRY(cr_buffer_plan_add(&program->plan, packed_bytes(program, step), time, &own->d_packed));
    if (program->values[step->src].wants_gradient) {
        CR_TRY(plan_pass(program, step, CR_CONV_DATA));
        CR_TRY(gradient_new(program, step->src, time, &step->sink));
    }
done:
    return status;
}

static cr_status plan_backward(cr_cuda_program *program, cr_cuda_step *step)
{
    cr_status status = CR_OK;
    int time = cr_cuda_backward_time(program, (int)(step - program->steps));
    const cr_cuda_value *dst = &program->values[step->dst];
    step->has_backward = dst->n_gradients > 0;
    if (!step->has_backward) /* the logits do not depend on it, or it depends on no parameter */
        return CR_OK;
    for (int g = 0; g < dst->n_gradients; g++)
        cr_buffer_plan_use(&program->plan, dst->gradients[g], time);
    cr_buffer_plan_use(&program->plan, step->bytes, time);
    switch (step->kind) {
    case CR_CUDA_CONVOLUTION:
        CR_TRY(plan_convolution_backward(program, step, time));
        break;
    case CR_CUDA_DROPOUT: /* in place */
        if (program->values[step->src].wants_gradient)
            step->sink = gradient_add(program, step->src, dst->gradients[0], time);
        break;
    case CR_CUDA_DENSE:
        cr_buffer_plan_use(&program->plan, program->values[step->src].buffer, time);
        cr_buffer_plan_use(&program->plan, dst->buffer, time);
        CR_TRY(gradient_new(program, step->src, time, &step->sink));
        break;
    case CR_CUDA_MAX_POOL:
    case CR_CUDA_AVERAGE_POOL:
    case CR_CUDA_CONCAT:
    case CR_CUDA_CONVERT:
        CR_TRY(gradient_new(program, step->src, time, &step->sink));
        CR_TRY(gradient_new(program, step->src2, time, &step->sink2));
        break;
    }
done:
    return status;
}

static cr_status plan_gradients(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    CR_TRY(cr_buffer_plan_add(&program->plan, (size_t)program->params.micro_batch * sizeof(double), program->n_steps,
                              &program->losses));
    cr_buffer_plan_keep(&program->plan, program->losses);
    CR_TRY(cr_buffer_plan_add(&program->plan, value_bytes(program, program->logits), program->n_steps,
                              &program->logits_gradient));
    if (program->values[program->logits].wants_gradient)
        (void)gradient_add(program, program->logits, program->logits_gradient, program->n_steps);
    for (int s = program->n_steps - 1; s >= 0; s--)
        CR_TRY(plan_backward(program, &program->steps[s]));
done:
    return status;
}

static cr_status plan_inputs(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    int inputs[] = {program->image, program->metadata};
    for (int i = 0; i < 2; i++)
        if (inputs[i] != CR_NONE)
            CR_TRY(cr_buffer_plan_add(&program->plan, value_bytes(program, inputs[i]), 0,
                                      &program->values[inputs[i]].buffer));
    if (program->image != CR_NONE)
        CR_TRY(cr_buffer_plan_add(&program->plan, (size_t)program->params.micro_batch * sizeof(cr_sample_plan), 0,
                                  &program->sample_plans));
done:
    return status;
}

cr_status cr_cuda_plan(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    void *arena = NULL;
    CR_TRY(plan_inputs(program));
    for (int s = 0; s < program->n_steps; s++)
        CR_TRY(plan_forward(program, &program->steps[s]));
    int logits = program->values[program->logits].buffer;
    cr_buffer_plan_keep(&program->plan, logits); /* read after the last step */
    if (program->params.training)
        CR_TRY(plan_gradients(program));
    CR_TRY(cr_buffer_plan_place(&program->plan, ALIGNMENT, &program->arena_bytes));
    CR_TRY(cr_cuda_allocate(program->arena_bytes, "a program: use a smaller data.micro_batch", &arena));
    program->arena = arena;
done:
    return status;
}
