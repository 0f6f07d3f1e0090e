/* Steps without convolutions, and what all steps share. */
#include "cuda_program.h"

const float *cr_cuda_tensor(const cr_cuda_run *run, int tensor)
{
    return tensor < 0 ? NULL : run->state + run->program->net->tensors[tensor].offset;
}

float *cr_cuda_tensor_gradient(const cr_cuda_run *run, int tensor)
{
    return tensor < 0 ? NULL : run->gradient + run->program->net->tensors[tensor].offset;
}

/* a += b. Buffers end at multiples of the vector, so plain values may be taken for whole vectors. */
static void add_to(const cr_cuda_run *run, const cr_value *value, void *a, const void *b)
{
    cr_value_job job = {.from = a,
                        .add = b,
                        .to = a,
                        .n = cr_cuda_padded(cr_form_elements(&run->program->lowered, value->shape, value->form)),
                        .area = 1,
                        .channels = 1,
                        .bf16 = value->form == CR_FORM_SPATIAL && run->program->bf16};
    cr_kernel_value_add(&job, run->stream);
}

void cr_cuda_sink_finish(const cr_cuda_run *run, int value, cr_sink sink)
{
    if (sink.add_to != CR_NONE)
        add_to(run, &run->program->lowered.values[value], cr_cuda_buffer(run->program, sink.add_to),
               cr_cuda_buffer(run->program, sink.buffer));
}

/* The whole gradient of a value in one buffer (the first part). */
static void *gradient_whole(const cr_cuda_run *run, int value)
{
    const cr_value *whole = &run->program->lowered.values[value];
    void *first = cr_cuda_buffer(run->program, whole->gradients[0]);
    if (whole->n_gradients == 2)
        add_to(run, whole, first, cr_cuda_buffer(run->program, whole->gradients[1]));
    return first;
}

static cr_pool_job pool_job(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    const cr_layer *layer = step->layer;
    cr_shape in = program->lowered.values[step->src].shape, out = program->lowered.values[step->dst].shape;
    return (cr_pool_job){.index = cr_cuda_buffer(program, step->bytes),
                         .n = program->params.micro_batch,
                         .height = in.height,
                         .width = in.width,
                         .out_height = out.height,
                         .out_width = out.width,
                         .channels = cr_cuda_padded(in.channels),
                         .kernel = layer->kernel,
                         .stride = layer->stride,
                         .padding = layer->padding,
                         .bf16 = program->bf16};
}

static cr_average_job average_job(const cr_cuda_run *run, int spatial)
{
    cr_shape shape = run->program->lowered.values[spatial].shape;
    return (cr_average_job){.n = run->program->params.micro_batch,
                            .area = shape.height * shape.width,
                            .channels = cr_cuda_padded(shape.channels),
                            .n_channels = shape.channels,
                            .bf16 = run->program->bf16};
}

static void convert(const cr_cuda_run *run, const cr_value *to, const void *from, void *data)
{
    cr_value_job job = {.from = from,
                        .to = data,
                        .n = run->program->params.micro_batch,
                        .area = to->shape.height * to->shape.width,
                        .channels = cr_cuda_padded(to->shape.channels),
                        .n_channels = to->shape.channels,
                        .bf16 = run->program->bf16};
    if (to->form == CR_FORM_SPATIAL)
        cr_kernel_to_spatial(&job, run->stream);
    else
        cr_kernel_to_plain(&job, run->stream);
}

static void dense_forward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_layer *layer = step->layer;
    cr_product_job job = {.a = cr_cuda_value_data(run->program, step->src),
                          .b = cr_cuda_tensor(run, layer->weight),
                          .bias = cr_cuda_tensor(run, layer->bias),
                          .c = cr_cuda_value_data(run->program, step->dst),
                          .m = run->program->params.micro_batch,
                          .n = cr_value_units(&run->program->lowered, step->dst),
                          .k = cr_value_units(&run->program->lowered, step->src),
                          .b_transposed = true,
                          .relu = layer->relu};
    cr_kernel_product(&job, run->stream);
}

static void dense_backward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    const cr_layer *layer = step->layer;
    int64_t n = program->params.micro_batch;
    int64_t in = cr_value_units(&program->lowered, step->src), out = cr_value_units(&program->lowered, step->dst);
    float *dy = gradient_whole(run, step->dst);
    cr_dense_mask_job mask = {.y = layer->relu ? cr_cuda_value_data(program, step->dst) : NULL,
                              .dy = dy,
                              .d_bias = cr_cuda_tensor_gradient(run, layer->bias),
                              .n = n,
                              .width = out};
    cr_kernel_dense_mask(&mask, run->stream);
    cr_product_job weights = {.a = dy,
                              .b = cr_cuda_value_data(program, step->src),
                              .c = cr_cuda_tensor_gradient(run, layer->weight),
                              .m = out,
                              .n = in,
                              .k = n,
                              .a_transposed = true};
    cr_kernel_product(&weights, run->stream);
    if (step->sink.buffer == CR_NONE)
        return;
    cr_product_job data = {.a = dy,
                           .b = cr_cuda_tensor(run, layer->weight),
                           .c = cr_cuda_buffer(program, step->sink.buffer),
                           .m = n,
                           .n = in,
                           .k = out};
    cr_kernel_product(&data, run->stream);
    cr_cuda_sink_finish(run, step->src, step->sink);
}

static cr_dropout_job dropout_job(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    const cr_cuda_inputs *inputs = &program->inputs;
    return (cr_dropout_job){.keep = cr_cuda_buffer(program, step->bytes),
                            .samples = (const int64_t *)(inputs->block + inputs->at.samples),
                            .head = (const cr_batch_head *)(inputs->block + inputs->at.head),
                            .n = program->params.micro_batch,
                            .width = cr_value_units(&program->lowered, step->src),
                            .layer = (int)(step->layer - program->net->layers),
                            .probability = step->layer->dropout};
}

/* Rows of `whole` are rows of src, then rows of src2. */
static void columns(const cr_cuda_run *run, const cr_step *step, float *whole, float *a, float *b, bool put)
{
    const cr_cuda_program *program = run->program;
    float *parts[] = {a, b};
    int64_t widths[] = {cr_value_units(&program->lowered, step->src), cr_value_units(&program->lowered, step->src2)};
    int64_t begin = 0;
    for (int i = 0; i < 2; begin += widths[i], i++) {
        cr_columns_job job = {.whole = whole,
                              .part = parts[i],
                              .n = program->params.micro_batch,
                              .wide = widths[0] + widths[1],
                              .begin = begin,
                              .width = widths[i]};
        if (parts[i] && put)
            cr_kernel_columns_put(&job, run->stream);
        else if (parts[i])
            cr_kernel_columns_take(&job, run->stream);
    }
}

cr_status cr_cuda_step_forward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    void *x = cr_cuda_value_data(program, step->src), *y = cr_cuda_value_data(program, step->dst);
    switch (step->kind) {
    case CR_STEP_CONVOLUTION:
        return cr_cuda_convolution_forward(run, step);
    case CR_STEP_DENSE:
        dense_forward(run, step);
        break;
    case CR_STEP_MAX_POOL: {
        cr_pool_job job = pool_job(run, step);
        job.x = x;
        job.out = y;
        cr_kernel_max_pool_forward(&job, run->stream);
        break;
    }
    case CR_STEP_AVERAGE_POOL: {
        cr_average_job job = average_job(run, step->src);
        job.x = x;
        job.out = y;
        cr_kernel_average_pool_forward(&job, run->stream);
        break;
    }
    case CR_STEP_DROPOUT: {
        cr_dropout_job job = dropout_job(run, step);
        job.x = x;
        job.y = y;
        cr_kernel_dropout_forward(&job, run->stream);
        break;
    }
    case CR_STEP_CONCAT:
        columns(run, step, y, x, cr_cuda_value_data(program, step->src2), true);
        break;
    case CR_STEP_CONVERT:
        convert(run, &program->lowered.values[step->dst], x, y);
        break;
    }
    return CR_OK;
}

static void max_pool_backward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_value *dst = &run->program->lowered.values[step->dst];
    cr_pool_job job = pool_job(run, step);
    job.dy = cr_cuda_buffer(run->program, dst->gradients[0]);
    job.dy1 = dst->n_gradients == 2 ? cr_cuda_buffer(run->program, dst->gradients[1]) : NULL;
    job.out = cr_cuda_buffer(run->program, step->sink.buffer);
    cr_kernel_max_pool_backward(&job, run->stream);
}

static void dropout_backward(const cr_cuda_run *run, const cr_step *step)
{
    cr_dropout_job job = dropout_job(run, step);
    float *dy = gradient_whole(run, step->dst);
    job.x = dy;
    job.y = dy;
    cr_kernel_dropout_backward(&job, run->stream);
}

cr_status cr_cuda_step_backward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    void *dx = cr_cuda_buffer(program, step->sink.buffer), *dx2 = cr_cuda_buffer(program, step->sink2.buffer);
    if (step->kind == CR_STEP_CONVOLUTION)
        return cr_cuda_convolution_backward(run, step);
    if (step->kind == CR_STEP_DENSE) {
        dense_backward(run, step);
        return CR_OK;
    }
    if (!dx && !dx2)
        return CR_OK;
    if (step->kind == CR_STEP_MAX_POOL) {
        max_pool_backward(run, step);
    } else if (step->kind == CR_STEP_AVERAGE_POOL) {
        cr_average_job job = average_job(run, step->src);
        job.x = gradient_whole(run, step->dst);
        job.out = dx;
        cr_kernel_average_pool_backward(&job, run->stream);
    } else if (step->kind == CR_STEP_DROPOUT) {
        dropout_backward(run, step);
    } else if (step->kind == CR_STEP_CONCAT) {
        columns(run, step, gradient_whole(run, step->dst), dx, dx2, false);
    } else {
        convert(run, &program->lowered.values[step->src], gradient_whole(run, step->dst), dx);
    }
    cr_cuda_sink_finish(run, step->src, step->sink);
    if (step->src2 != CR_NONE)
        cr_cuda_sink_finish(run, step->src2, step->sink2);
    return CR_OK;
}
