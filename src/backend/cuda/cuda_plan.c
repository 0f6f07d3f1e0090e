/* Chooses every step's kernels and buffers: forward in order, then, for training, backward in reverse. */
#include "cuda_choice.h"
#include "cuda_program.h"

#include <stdlib.h>

enum {
    ALIGNMENT = 256 /* bytes, of buffers on the device */
};

void *cr_cuda_buffer(const cr_cuda_program *program, int buffer)
{
    return buffer == CR_NONE ? NULL : program->arena + program->lowered.plan.buffers[buffer].offset;
}

void *cr_cuda_value_data(const cr_cuda_program *program, int value)
{
    return value == CR_NONE ? NULL : cr_cuda_buffer(program, program->lowered.values[value].buffer);
}

/* The largest buffer so far of a kind that lives on and is written anew by whoever needs it. */
static cr_status share_work(cr_cuda_program *program, size_t bytes, int *buffer)
{
    if (*buffer == CR_NONE) {
        cr_status status = cr_buffer_plan_add(&program->lowered.plan, bytes, 0, buffer);
        cr_buffer_plan_keep(&program->lowered.plan, *buffer);
        return status;
    }
    cr_buffer *work = &program->lowered.plan.buffers[*buffer];
    work->bytes = bytes > work->bytes ? bytes : work->bytes;
    return CR_OK;
}

/* What cuDNN computes for a step. */
static cr_conv_shape conv_shape(const cr_cuda_program *program, const cr_step *step)
{
    const cr_layer *layer = step->layer;
    const cr_value *src = &program->lowered.values[step->src];
    cr_shape in = src->shape, out = step->convolution->shape;
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
    if (src->form == CR_FORM_INPUT)
        cr_stem_shape(&program->stem, &shape);
    return shape;
}

static cr_status plan_pass(cr_cuda_program *program, cr_step *step, cr_conv_pass pass)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    cr_conv_shape shape = conv_shape(program, step);
    CR_TRY(cr_cuda_choose(program->cuda, &shape, pass, step->layer->name, &own->plans[pass]));
    CR_TRY(share_work(program, cr_conv_plan_workspace_bytes(own->plans[pass]),
                      pass == CR_CONV_WEIGHTS ? &program->side_workspace : &program->workspace));
done:
    return status;
}

static size_t packed_bytes(const cr_cuda_program *program, const cr_step *step)
{
    const cr_conv_shape shape = conv_shape(program, step);
    return (size_t)(shape.in * shape.out * shape.kernel * shape.kernel) *
           (program->bf16 ? sizeof(uint16_t) : sizeof(float));
}

static cr_status plan_convolution(cr_cuda_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    int time = step->time;
    const cr_layer *layer = step->layer;
    cr_convolution_step *own = step->convolution = calloc(1, sizeof *own);
    if (!own)
        return cr_fail_memory("a convolution", sizeof *own);
    own->x = own->pooled = own->packed = own->d_packed = own->arrays = CR_NONE;
    own->shape = program->net->values[layer->dst];
    int64_t channels = cr_cuda_padded(own->shape.channels);
    cr_shape kept = program->lowered.values[step->dst].shape;
    int64_t pixels = program->params.micro_batch * own->shape.height * own->shape.width;
    int64_t kept_pixels = program->params.micro_batch * kept.height * kept.width; /* after pooling */
    CR_TRY(plan_pass(program, step, CR_CONV_FORWARD));
    CR_TRY(cr_buffer_plan_add(&program->lowered.plan, packed_bytes(program, step), 0, &own->packed));
    cr_buffer_plan_keep(&program->lowered.plan, own->packed);
    CR_TRY(cr_buffer_plan_add(&program->lowered.plan, cr_form_bytes(&program->lowered, own->shape, CR_FORM_SPATIAL),
                              time, &own->x));
    CR_TRY(cr_buffer_plan_add(&program->lowered.plan, (size_t)channels * 4 * sizeof(float), time, &own->arrays));
    if (!step->learns)
        cr_buffer_plan_keep(&program->lowered.plan, own->arrays);
    if (step->pool)
        CR_TRY(cr_buffer_plan_add(&program->lowered.plan, cr_value_bytes(&program->lowered, step->dst), time,
                                  &own->pooled));
    own->mask = !layer->relu ? CR_MASK_FROM_NOTHING : step->src2 == CR_NONE ? CR_MASK_FROM_X : CR_MASK_FROM_Y;
    if (step->learns) {
        CR_TRY(share_work(program, cr_norm_partials_bytes(pixels, channels), &program->sums_work));
        CR_TRY(share_work(program, cr_norm_partials_bytes(kept_pixels, channels), &program->sums_work));
        CR_TRY(share_work(program, (size_t)channels * 2 * sizeof(float), &program->factors_work));
    }
done:
    return status;
}

/* What 32-bit kernels can count. */
static cr_status check_step(const cr_cuda_program *program, const cr_step *step)
{
    cr_shape largest = step->convolution ? step->convolution->shape : program->lowered.values[step->dst].shape;
    if (cr_form_elements(&program->lowered, largest, CR_FORM_SPATIAL) > INT32_MAX * (int64_t)8)
        return cr_fail(CR_BAD_CONFIG,
                       "layer %s: its values are too many for one micro-batch: set data.micro_batch "
                       "to less than %lld",
                       step->layer->name, (long long)program->params.micro_batch);
    return CR_OK;
}

static cr_status plan_forward(cr_cuda_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    if (step->kind == CR_STEP_CONVOLUTION)
        CR_TRY(plan_convolution(program, step));
    CR_TRY(check_step(program, step));
    CR_TRY(cr_lowered_plan_forward(&program->lowered, step));
done:
    return status;
}

/* What a convolution's gradient of its weights needs, until `time`; null: there was none. */
static void use_on_side(cr_cuda_program *program, const cr_step *step, int time)
{
    if (!step)
        return;
    const cr_convolution_step *own = step->convolution;
    int used[] = {own->x, own->d_packed, program->lowered.values[step->src].buffer};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        cr_buffer_plan_use(&program->lowered.plan, used[i], time);
}

/* *above: the convolution whose backward came before this one's, and is on the side until this one's begins. */
static cr_status plan_convolution_backward(cr_cuda_program *program, cr_step *step, const cr_step **above)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    const cr_value *dst = &program->lowered.values[step->dst];
    int time = cr_backward_time(&program->lowered, step);
    int used[] = {own->x, own->pooled, own->arrays, own->mask == CR_MASK_FROM_Y ? dst->buffer : CR_NONE};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        cr_buffer_plan_use(&program->lowered.plan, used[i], time);
    own->writes_dz = step->sink2.buffer != CR_NONE || dst->n_gradients == 2 || step->pool;
    CR_TRY(plan_pass(program, step, CR_CONV_WEIGHTS));
    CR_TRY(cr_buffer_plan_add(&program->lowered.plan, packed_bytes(program, step), time, &own->d_packed));
    if (step->sink.buffer != CR_NONE)
        CR_TRY(plan_pass(program, step, CR_CONV_DATA));
    use_on_side(program, *above, time);
    *above = step;
done:
    return status;
}

static cr_status plan_backward(cr_cuda_program *program, cr_step *step, const cr_step **above)
{
    cr_status status = CR_OK;
    CR_TRY(cr_lowered_plan_backward(&program->lowered, step));
    if (step->has_backward && step->kind == CR_STEP_CONVOLUTION)
        CR_TRY(plan_convolution_backward(program, step, above));
done:
    return status;
}

static cr_status plan_training(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    const cr_step *above = NULL;
    cr_lowered *lowered = &program->lowered;
    CR_TRY(cr_buffer_plan_add(&lowered->plan, (size_t)program->params.micro_batch * sizeof(double), lowered->n_steps,
                              &program->losses));
    cr_buffer_plan_keep(&lowered->plan, program->losses);
    CR_TRY(cr_lowered_plan_loss(lowered));
    for (int s = lowered->n_steps - 1; s >= 0; s--)
        CR_TRY(plan_backward(program, &lowered->steps[s], &above));
    use_on_side(program, above, 2 * lowered->n_steps + 1); /* the end */
    cr_cuda_marks_place(program);
done:
    return status;
}

static cr_status plan_inputs(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    CR_TRY(cr_lowered_plan_inputs(&program->lowered));
    if (program->lowered.image != CR_NONE)
        CR_TRY(cr_buffer_plan_add(&program->lowered.plan, (size_t)program->params.micro_batch * sizeof(cr_sample_plan),
                                  0, &program->sample_plans));
done:
    return status;
}

cr_status cr_cuda_plan(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    void *arena = NULL;
    cr_lowered *lowered = &program->lowered;
    size_t number_bytes = program->bf16 ? sizeof(uint16_t) : sizeof(float);
    cr_forms forms = {.sizes = {[CR_FORM_PLAIN] = {.lanes = 1, .number_bytes = sizeof(float)},
                                [CR_FORM_SPATIAL] = {.lanes = cr_cuda_padded(1), .number_bytes = number_bytes},
                                [CR_FORM_INPUT] = {.lanes = CR_BLOCK_PIXEL, .number_bytes = number_bytes}},
                      .image = CR_FORM_SPATIAL};
    if (program->bf16 && cr_stem_find(program->net, &program->stem)) { /* float32 computes on no tensor cores */
        forms.image = CR_FORM_INPUT;
        forms.sizes[CR_FORM_INPUT].border = 2 * (program->stem.before + program->stem.behind);
    }
    CR_TRY(cr_net_lower(program->net, &program->params, &forms, lowered));
    CR_TRY(plan_inputs(program));
    for (int s = 0; s < lowered->n_steps; s++)
        CR_TRY(plan_forward(program, &lowered->steps[s]));
    cr_buffer_plan_keep(&lowered->plan, lowered->values[lowered->logits].buffer); /* read after the last step */
    if (program->params.training)
        CR_TRY(plan_training(program));
    CR_TRY(cr_buffer_plan_place(&lowered->plan, ALIGNMENT, &program->arena_bytes));
    CR_TRY(cr_cuda_allocate(program->arena_bytes, "a program: use a smaller data.micro_batch", &arena));
    program->arena = arena;
done:
    return status;
}
