#include "dense.h"

#include <stdlib.h>

static cr_status plan_product(cr_cpu_program *program, const cr_product_spec *spec, int time, cr_product *product)
{
    cr_status status = CR_OK;
    product->scratch = CR_NONE;
    CR_TRY(cr_product_create(program->engine, spec, &product->run));
    CR_TRY(cr_buffer_add(program, cr_operation_scratch_bytes(product->run), time, &product->scratch));
done:
    return status;
}

cr_status cr_dense_plan_forward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    step->dense = calloc(1, sizeof *step->dense);
    if (!step->dense)
        return cr_fail_memory("a dense layer", sizeof *step->dense);
    cr_product_spec spec = {.m = program->params.micro_batch,
                            .n = cr_value_units(&program->lowered, step->dst),
                            .k = cr_value_units(&program->lowered, step->src),
                            .b_transposed = true,
                            .bias = step->layer->bias >= 0};
    CR_TRY(plan_product(program, &spec, step->time, &step->dense->forward));
done:
    return status;
}

cr_status cr_dense_plan_backward(cr_cpu_program *program, cr_step *step)
{
    cr_status status = CR_OK;
    int64_t n = program->params.micro_batch;
    int64_t in = cr_value_units(&program->lowered, step->src), out = cr_value_units(&program->lowered, step->dst);
    int time = cr_backward_time(&program->lowered, step);
    cr_product_spec weights = {.m = out, .n = in, .k = n, .a_transposed = true};
    CR_TRY(plan_product(program, &weights, time, &step->dense->weights));
    if (step->sink.buffer != CR_NONE) {
        cr_product_spec data = {.m = n, .n = in, .k = out};
        CR_TRY(plan_product(program, &data, time, &step->dense->data));
    }
done:
    return status;
}

void cr_dense_step_destroy(cr_dense_step **step)
{
    if (!step || !*step)
        return;
    cr_operation_destroy(&(*step)->forward.run);
    cr_operation_destroy(&(*step)->data.run);
    cr_operation_destroy(&(*step)->weights.run);
    free(*step);
    *step = NULL;
}

static cr_status run_product(const cr_cpu_program *program, const cr_product *product, const float *a, const float *b,
                             const float *bias, float *c)
{
    cr_arrays arrays = {
        .src = a, .weights = b, .bias = bias, .dst = c, .scratch = cr_buffer_data(program, product->scratch)};
    return cr_operation_run(product->run, &arrays);
}

cr_status cr_dense_forward(const cr_cpu_program *program, const cr_step *step, const float *state)
{
    const cr_layer *layer = step->layer;
    const cr_tensor *tensors = program->net->tensors;
    float *y = cr_value_data(program, step->dst);
    cr_status status = run_product(program, &step->dense->forward, cr_value_data(program, step->src),
                                   state + tensors[layer->weight].offset,
                                   layer->bias >= 0 ? state + tensors[layer->bias].offset : NULL, y);
    if (status != CR_OK || !layer->relu)
        return status;
    int64_t count = program->params.micro_batch * cr_value_units(&program->lowered, step->dst);
    for (int64_t i = 0; i < count; i++)
        y[i] = y[i] < 0.0f ? 0.0f : y[i]; /* NaN goes through, so that it is noticed */
    return CR_OK;
}

/* dz = dy where y > 0, in place; db = Σ dz over the samples. */
static void mask_and_sum(const float *y, bool relu, int64_t n, int64_t out, float *dy, float *d_bias)
{
    if (relu)
        for (int64_t i = 0; i < n * out; i++)
            dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    for (int64_t o = 0; d_bias && o < out; o++) {
        double sum = 0.0;
        for (int64_t i = 0; i < n; i++)
            sum += dy[i * out + o];
        d_bias[o] = (float)sum;
    }
}

cr_status cr_dense_backward(const cr_cpu_program *program, const cr_step *step, const float *state, float *gradient)
{
    cr_status status = CR_OK;
    const cr_layer *layer = step->layer;
    const cr_tensor *tensors = program->net->tensors;
    float *dy = cr_gradient_whole(program, step->dst);
    mask_and_sum(cr_value_data(program, step->dst), layer->relu, program->params.micro_batch,
                 cr_value_units(&program->lowered, step->dst), dy,
                 layer->bias >= 0 ? gradient + tensors[layer->bias].offset : NULL);
    CR_TRY(run_product(program, &step->dense->weights, dy, cr_value_data(program, step->src), NULL,
                       gradient + tensors[layer->weight].offset));
    if (step->sink.buffer == CR_NONE)
        goto done;
    CR_TRY(run_product(program, &step->dense->data, dy, state + tensors[layer->weight].offset, NULL,
                       cr_buffer_data(program, step->sink.buffer)));
    cr_sink_finish(program, step->src, step->sink);
done:
    return status;
}
