/* One micro-batch through a program. */
#include "augment_cpu.h"
#include "convolution.h"
#include "dense.h"
#include "pool.h"

#include "crisol/clock.h"

#include <string.h>

void cr_sink_finish(const cr_cpu_program *program, int value, cr_sink sink)
{
    if (sink.add_to == CR_NONE)
        return;
    const cr_place *place = &program->places[value];
    cr_values_add(place->bf16, cr_place_elements(place), cr_buffer_data(program, sink.add_to),
                  cr_buffer_data(program, sink.buffer));
}

void *cr_gradient_whole(const cr_cpu_program *program, int value)
{
    const cr_value *whole = &program->lowered.values[value];
    const cr_place *place = &program->places[value];
    void *first = cr_buffer_data(program, whole->gradients[0]);
    if (whole->n_gradients == 2)
        cr_values_add(place->bf16, cr_place_elements(place), first, cr_buffer_data(program, whole->gradients[1]));
    return first;
}

static void load_inputs(const cr_cpu_program *program, const cr_batch *batch)
{
    bool mixes = program->params.training && batch->mixes;
    int image = program->lowered.image, metadata = program->lowered.metadata;
    if (image != CR_NONE && mixes) {
        cr_augment_mixed(batch->images, batch->augments, batch->mixes, &program->places[image],
                         cr_buffer_data(program, program->augment_work), cr_value_data(program, image));
    } else if (image != CR_NONE) {
        const cr_place *place = &program->places[image];
        size_t image_bytes = (size_t)cr_value_units(&program->lowered, image);
        float *planes = cr_buffer_data(program, program->augment_work);
#pragma omp parallel for if (place->n > 1)
        for (int64_t n = 0; n < place->n; n++)
            cr_augment_image(batch->images + (size_t)n * image_bytes, batch->augments ? &batch->augments[n] : NULL,
                             place, n, planes ? planes + (size_t)n * image_bytes : NULL, cr_value_data(program, image));
    }
    if (metadata != CR_NONE && mixes)
        cr_mix_metadata(batch->mixes, program->params.micro_batch, cr_value_units(&program->lowered, metadata),
                        batch->metadata, cr_value_data(program, metadata));
    else if (metadata != CR_NONE)
        memcpy(cr_value_data(program, metadata), batch->metadata, cr_place_bytes(&program->places[metadata]));
}

/* y = x · mask / (1 - p), or the same for gradients. */
static void apply_dropout(int64_t count, const uint8_t *keep, double probability, const float *x, float *y)
{
    float share = (float)(1.0 - probability);
    for (int64_t i = 0; i < count; i++)
        y[i] = keep[i] ? x[i] / share : 0.0f;
}

static void forward_dropout(const cr_cpu_program *program, const cr_step *step, const cr_batch *batch)
{
    int layer = (int)(step->layer - program->net->layers);
    double probability = step->layer->dropout;
    uint8_t *keep = cr_buffer_data(program, step->bytes);
    int64_t count = cr_value_units(&program->lowered, step->src), n = program->params.micro_batch;
    for (int64_t i = 0; i < n; i++)
        cr_dropout_mask(batch->seed, batch->epoch, batch->samples[i], layer, probability, count, keep + i * count);
    apply_dropout(n * count, keep, probability, cr_value_data(program, step->src), cr_value_data(program, step->dst));
}

static void backward_dropout(const cr_cpu_program *program, const cr_step *step)
{
    float *dy = cr_gradient_whole(program, step->dst);
    if (step->sink.buffer == CR_NONE)
        return;
    apply_dropout(cr_value_units(&program->lowered, step->src) * program->params.micro_batch,
                  cr_buffer_data(program, step->bytes), step->layer->dropout, dy, dy);
    cr_sink_finish(program, step->src, step->sink);
}

/* Rows of `whole` are rows of a, then rows of b. A null part is left alone. */
static void split_or_join(const cr_cpu_program *program, const cr_step *step, float *whole, float *a, float *b,
                          bool join)
{
    int64_t a_count = cr_value_units(&program->lowered, step->src),
            b_count = cr_value_units(&program->lowered, step->src2);
    for (int64_t n = 0; n < program->params.micro_batch; n++, whole += a_count + b_count) {
        float *parts[] = {a ? a + n * a_count : NULL, b ? b + n * b_count : NULL}, *places[] = {whole, whole + a_count};
        int64_t counts[] = {a_count, b_count};
        for (int i = 0; i < 2; i++)
            if (parts[i])
                memcpy(join ? places[i] : parts[i], join ? parts[i] : places[i], (size_t)counts[i] * sizeof *whole);
    }
}

static cr_status forward_step(const cr_cpu_program *program, const cr_step *step, const float *state,
                              const cr_batch *batch, float *gradient)
{
    const cr_place *from = &program->places[step->src], *to = &program->places[step->dst];
    void *x = cr_value_data(program, step->src), *y = cr_value_data(program, step->dst);
    cr_window window = cr_window_of(step->layer);
    switch (step->kind) {
    case CR_STEP_CONVOLUTION:
        return step->learns ? cr_convolution_forward(program, step, state, gradient)
                            : cr_convolution_evaluate(program, step, state);
    case CR_STEP_DENSE:
        return cr_dense_forward(program, step, state);
    case CR_STEP_MAX_POOL:
        cr_max_pool_forward(&window, from, x, to, y, cr_buffer_data(program, step->bytes));
        break;
    case CR_STEP_AVERAGE_POOL:
        cr_average_pool_forward(from, x, y);
        break;
    case CR_STEP_DROPOUT:
        forward_dropout(program, step, batch);
        break;
    case CR_STEP_CONCAT:
        split_or_join(program, step, y, x, cr_value_data(program, step->src2), true);
        break;
    case CR_STEP_CONVERT:
        cr_place_convert(from, x, to, y);
        break;
    }
    return CR_OK;
}

static void backward_max_pool(const cr_cpu_program *program, const cr_step *step)
{
    const cr_value *dst = &program->lowered.values[step->dst];
    cr_window window = cr_window_of(step->layer);
    cr_max_pool_backward(&window, &program->places[step->src], cr_buffer_data(program, step->sink.buffer),
                         &program->places[step->dst], cr_buffer_data(program, dst->gradients[0]),
                         dst->n_gradients == 2 ? cr_buffer_data(program, dst->gradients[1]) : NULL,
                         cr_buffer_data(program, step->bytes));
    cr_sink_finish(program, step->src, step->sink);
}

static cr_status backward_step(const cr_cpu_program *program, const cr_step *step, const float *state, float *gradient)
{
    const cr_place *from = &program->places[step->src], *to = &program->places[step->dst];
    void *dx = cr_buffer_data(program, step->sink.buffer), *dx2 = cr_buffer_data(program, step->sink2.buffer);
    switch (step->kind) {
    case CR_STEP_CONVOLUTION:
        return cr_convolution_backward(program, step, state, gradient);
    case CR_STEP_DENSE:
        return cr_dense_backward(program, step, state, gradient);
    case CR_STEP_MAX_POOL:
        if (dx)
            backward_max_pool(program, step);
        return CR_OK;
    case CR_STEP_DROPOUT:
        backward_dropout(program, step);
        return CR_OK;
    case CR_STEP_AVERAGE_POOL:
        if (dx)
            cr_average_pool_backward(from, dx, cr_gradient_whole(program, step->dst));
        break;
    case CR_STEP_CONCAT:
        split_or_join(program, step, cr_gradient_whole(program, step->dst), dx, dx2, false);
        break;
    case CR_STEP_CONVERT:
        if (dx)
            cr_place_convert(to, cr_gradient_whole(program, step->dst), from, dx);
        break;
    }
    cr_sink_finish(program, step->src, step->sink);
    if (step->src2 != CR_NONE)
        cr_sink_finish(program, step->src2, step->sink2);
    return CR_OK;
}

/* What the program keeps of the state is made again when the state changed. */
static cr_status prepare(cr_cpu_program *program, const float *state, uint64_t version)
{
    cr_status status = CR_OK;
    if (program->prepared && program->prepared_state == state && program->prepared_version == version)
        return CR_OK;
    program->prepared = false;
    for (int s = 0; s < program->lowered.n_steps; s++)
        if (program->lowered.steps[s].kind == CR_STEP_CONVOLUTION)
            CR_TRY(cr_convolution_prepare(program, &program->lowered.steps[s], state));
    program->prepared = true;
    program->prepared_state = state;
    program->prepared_version = version;
done:
    return status;
}

static double clock_if(const cr_cpu_program *program)
{
    return program->params.profile ? cr_clock_s() : 0.0;
}

static cr_status forward(cr_cpu_program *program, const float *state, const cr_batch *batch, float *gradient)
{
    cr_status status = CR_OK;
    double start = clock_if(program);
    cr_engine_set_threads(program->params.n_threads);
    CR_TRY(prepare(program, state, batch->state_version));
    load_inputs(program, batch);
    program->input_s += clock_if(program) - start;
    for (int s = 0; s < program->lowered.n_steps; s++) {
        cr_step *step = &program->lowered.steps[s];
        start = clock_if(program);
        CR_TRY(forward_step(program, step, state, batch, gradient));
        step->forward_s += clock_if(program) - start;
    }
    program->n_runs++;
done:
    return status;
}

/* What no kernel writes: the padding between tensors, and tensors that the logits do not depend on. */
static void clear_rest(const cr_cpu_program *program, float *gradient)
{
    const cr_net *net = program->net;
    int64_t end = 0;
    for (int t = 0; t < net->n_tensors; t++) { /* tensors lie in order */
        memset(gradient + end, 0, (size_t)(net->tensors[t].offset - end) * sizeof *gradient);
        end = net->tensors[t].offset + net->tensors[t].count;
    }
    memset(gradient + end, 0, (size_t)(net->n_params + net->n_stats - end) * sizeof *gradient);
    for (int s = 0; s < program->lowered.n_steps; s++) {
        const cr_step *step = &program->lowered.steps[s];
        const cr_layer *layer = step->layer;
        if (step->has_backward || step->kind == CR_STEP_CONVERT)
            continue;
        int n_unwritten = step->learns ? 4 : 6; /* a frozen layer writes no statistics either */
        int tensors[] = {layer->weight, layer->bias, layer->bn_weight, layer->bn_bias, layer->bn_mean, layer->bn_var};
        for (int i = 0; i < n_unwritten; i++)
            if (tensors[i] >= 0)
                memset(gradient + net->tensors[tensors[i]].offset, 0,
                       (size_t)net->tensors[tensors[i]].count * sizeof *gradient);
    }
}

cr_status cr_program_train_cpu(cr_program *head, const float *state, const cr_batch *batch, float *gradient,
                               cr_batch_result *result)
{
    cr_status status = CR_OK;
    cr_cpu_program *program = (cr_cpu_program *)head;
    int64_t n = program->params.micro_batch, n_classes = program->net->n_classes;
    CR_TRY(forward(program, state, batch, gradient));
    const float *logits = cr_value_data(program, program->lowered.logits);
    memcpy(result->logits, logits, (size_t)(n * n_classes) * sizeof *logits);
    cr_loss_evaluate(batch->loss, n, n_classes, logits, batch->labels, batch->targets, result->losses,
                     cr_buffer_data(program, program->lowered.logits_gradient));
    for (int s = program->lowered.n_steps - 1; s >= 0; s--) {
        cr_step *step = &program->lowered.steps[s];
        double start = clock_if(program);
        if (step->has_backward)
            CR_TRY(backward_step(program, step, state, gradient));
        step->backward_s += clock_if(program) - start;
    }
    clear_rest(program, gradient);
done:
    return status;
}

cr_status cr_program_evaluate_cpu(cr_program *head, const float *state, const cr_batch *batch, float *logits)
{
    cr_status status = CR_OK;
    cr_cpu_program *program = (cr_cpu_program *)head;
    CR_TRY(forward(program, state, batch, NULL));
    memcpy(logits, cr_value_data(program, program->lowered.logits),
           (size_t)(program->params.micro_batch * program->net->n_classes) * sizeof *logits);
done:
    return status;
}
