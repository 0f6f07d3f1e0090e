#include "convolution.h"

#include "weights.h"
#include "winograd.h"

#include <math.h>
#include <string.h>

/* Arrays of a step's channels, each cr_norm_channels() floats. */
typedef struct channel_arrays {
    float *mean, *scale, *shift, *inverse_deviation;
    int64_t n, padded;
} channel_arrays;

static channel_arrays arrays_of(const cr_cpu_program *program, const cr_step *step)
{
    channel_arrays arrays;
    arrays.n = program->places[step->dst].shape.channels;
    arrays.padded = cr_norm_channels(arrays.n);
    arrays.mean = cr_buffer_data(program, step->convolution->channels);
    arrays.scale = arrays.mean + arrays.padded;
    arrays.shift = arrays.scale + arrays.padded;
    arrays.inverse_deviation = arrays.shift + arrays.padded;
    return arrays;
}

static const float *tensor_of(const cr_cpu_program *program, const float *state, int tensor)
{
    return tensor < 0 ? NULL : state + program->net->tensors[tensor].offset;
}

static float *gradient_of(const cr_cpu_program *program, float *gradient, int tensor)
{
    return tensor < 0 ? NULL : gradient + program->net->tensors[tensor].offset;
}

static cr_status move_weights(const cr_cpu_program *program, const cr_kernel *kernel, const void *from, void *to)
{
    cr_arrays arrays = {.src = from, .dst = to, .scratch = cr_buffer_data(program, kernel->move_scratch)};
    return cr_operation_run(kernel->move, &arrays);
}

/* The kernel's own copy of the state's weights, times `scale` a channel (null: 1). */
static cr_status pack_weights(const cr_cpu_program *program, const cr_step *step, const cr_kernel *kernel,
                              const float *weight, const float *scale)
{
    const cr_tensor *tensor = &program->net->tensors[step->layer->weight];
    float *moved = cr_buffer_data(program, kernel->moved), *work = cr_buffer_data(program, program->fold_work);
    bool moves = kernel->move || kernel->pairs != CR_PAIRS_NONE;
    if (scale || kernel->move_plain) {
        cr_weights_scale(tensor, weight, scale, kernel->move_plain, moves ? work : moved);
        weight = work;
    }
    if (kernel->pairs != CR_PAIRS_NONE)
        cr_weights_bf16_pack(tensor, &kernel->layout, kernel->pairs, weight, (uint16_t *)moved);
    return kernel->move ? move_weights(program, kernel, weight, moved) : CR_OK;
}

/* Batch norm with constant statistics is a factor and a shift a channel: into the weights and the bias. */
static cr_status prepare_evaluation(const cr_cpu_program *program, const cr_step *step, const float *state)
{
    const cr_layer *layer = step->layer;
    const cr_kernel *kernel = &step->convolution->forward;
    const float *bias = tensor_of(program, state, layer->bias), *weight = tensor_of(program, state, layer->weight);
    channel_arrays arrays = arrays_of(program, step);
    memset(arrays.mean, 0, (size_t)arrays.padded * 4 * sizeof(float));
    for (int64_t c = 0; c < arrays.n; c++) {
        double scale = 1.0, shift = bias ? bias[c] : 0.0;
        if (layer->bn_weight >= 0) {
            double variance = tensor_of(program, state, layer->bn_var)[c];
            scale = tensor_of(program, state, layer->bn_weight)[c] / sqrt(variance + CR_NORM_EPSILON);
            shift = tensor_of(program, state, layer->bn_bias)[c] +
                    (shift - tensor_of(program, state, layer->bn_mean)[c]) * scale;
        }
        arrays.scale[c] = (float)scale;
        arrays.shift[c] = (float)shift;
    }
    return pack_weights(program, step, kernel, weight, arrays.scale);
}

cr_status cr_convolution_prepare(const cr_cpu_program *program, const cr_step *step, const float *state)
{
    cr_status status = CR_OK;
    cr_convolution_step *own = step->convolution;
    const float *weight = tensor_of(program, state, step->layer->weight);
    if (!step->learns)
        return prepare_evaluation(program, step, state);
    if (own->forward.moved != CR_NONE)
        CR_TRY(pack_weights(program, step, &own->forward, weight, NULL));
    if (own->data.run && own->data.moved != CR_NONE)
        CR_TRY(pack_weights(program, step, &own->data, weight, NULL));
done:
    return status;
}

/* The arrays of one run of a kernel. `weights`: the state's or the gradient's; a moved copy takes precedence. */
static cr_status run_kernel(const cr_cpu_program *program, const cr_kernel *kernel, const void *src,
                            const void *weights, const void *bias, const void *residual, const void *dst)
{
    if (!kernel->run) { /* which arrays are written depends on the pass */
        cr_winograd_arrays own = {.src = (void *)src, .weights = (float *)weights, .dst = (void *)dst};
        if (kernel->moved != CR_NONE)
            own.weights = cr_buffer_data(program, kernel->moved);
        own.bias = bias;
        own.residual = residual;
        own.scratch = cr_buffer_data(program, kernel->scratch);
        cr_winograd_run(&kernel->spec, &own);
        return CR_OK;
    }
    cr_arrays arrays = {.src = src,
                        .weights = kernel->moved != CR_NONE ? cr_buffer_data(program, kernel->moved) : weights,
                        .bias = bias,
                        .dst = dst,
                        .scratch = cr_buffer_data(program, kernel->scratch)};
    return cr_operation_run(kernel->run, &arrays);
}

cr_status cr_convolution_evaluate(const cr_cpu_program *program, const cr_step *step, const float *state)
{
    const cr_convolution_step *own = step->convolution;
    void *y = cr_value_data(program, step->dst);
    (void)state; /* prepared */
    const void *residual = cr_value_data(program, step->src2);
    if (residual && own->forward.run && !own->fused_sum)
        memcpy(y, residual, cr_place_bytes(&program->places[step->dst]));
    return run_kernel(program, &own->forward, cr_value_data(program, step->src), NULL, arrays_of(program, step).shift,
                      residual, y);
}

/* Statistics of the batch, and with them the norm's factor and shift. */
static void take_statistics(const cr_cpu_program *program, const cr_step *step, const float *state, float *gradient,
                            const channel_arrays *arrays)
{
    const cr_layer *layer = step->layer;
    const cr_place *place = &step->convolution->place;
    const float *weight = tensor_of(program, state, layer->bn_weight);
    const float *shift = tensor_of(program, state, layer->bn_bias), *bias = tensor_of(program, state, layer->bias);
    float *mean = gradient_of(program, gradient, layer->bn_mean),
          *variance = gradient_of(program, gradient, layer->bn_var);
    double *square_sum = cr_buffer_data(program, program->channel_work), n = (double)cr_place_pixels(place);
    cr_norm_statistics(place, cr_buffer_data(program, step->convolution->x), arrays->mean, square_sum);
    for (int64_t c = 0; c < arrays->n; c++) {
        double inverse = 1.0 / sqrt(square_sum[c] / n + CR_NORM_EPSILON);
        arrays->inverse_deviation[c] = (float)inverse;
        arrays->scale[c] = (float)(weight[c] * inverse);
        arrays->shift[c] = shift[c];
        mean[c] = bias ? arrays->mean[c] + bias[c] : arrays->mean[c]; /* the bias itself changes nothing else */
        variance[c] = (float)(square_sum[c] / (n - 1.0));
    }
}

cr_status cr_convolution_forward(const cr_cpu_program *program, const cr_step *step, const float *state,
                                 float *gradient)
{
    cr_status status = CR_OK;
    const cr_layer *layer = step->layer;
    const cr_convolution_step *own = step->convolution;
    channel_arrays arrays = arrays_of(program, step);
    void *x = cr_buffer_data(program, own->x);
    CR_TRY(run_kernel(program, &own->forward, cr_value_data(program, step->src),
                      tensor_of(program, state, layer->weight), NULL, NULL, x));
    memset(arrays.mean, 0, (size_t)arrays.padded * 4 * sizeof(float));
    if (layer->bn_weight >= 0)
        take_statistics(program, step, state, gradient, &arrays);
    else
        for (int64_t c = 0; c < arrays.n; c++) {
            arrays.scale[c] = 1.0f;
            arrays.shift[c] = layer->bias >= 0 ? tensor_of(program, state, layer->bias)[c] : 0.0f;
        }
    cr_norm norm = {.mean = arrays.mean, .scale = arrays.scale, .shift = arrays.shift, .relu = layer->relu};
    const cr_place *place = &program->places[step->dst];
    if (step->pool) {
        cr_window window = cr_window_of(step->pool);
        void *pooled = cr_buffer_data(program, own->pooled);
        cr_extreme_pool_forward(&window, &own->place, x, arrays.scale, place, pooled,
                                cr_buffer_data(program, step->bytes));
        x = pooled;
    }
    cr_norm_apply(place, &norm, x, cr_value_data(program, step->src2), cr_value_data(program, step->dst));
done:
    return status;
}

/* Gradients of the norm's parameters from the two sums; returns in k1, k2 what cr_norm_backward_apply() takes. */
static void finish_sums(const cr_cpu_program *program, const cr_step *step, float *gradient,
                        const channel_arrays *arrays, const double *sum, const double *dot, float *k1, float *k2)
{
    const cr_layer *layer = step->layer;
    double n = (double)cr_place_pixels(&step->convolution->place);
    float *d_bias = gradient_of(program, gradient, layer->bias);
    float *d_weight = gradient_of(program, gradient, layer->bn_weight);
    float *d_shift = gradient_of(program, gradient, layer->bn_bias);
    for (int64_t c = 0; c < arrays->n; c++) {
        double inverse = arrays->inverse_deviation[c];
        if (layer->bn_weight >= 0) {
            d_weight[c] = (float)(dot[c] * inverse);
            d_shift[c] = (float)sum[c];
        }
        if (d_bias) /* the batch's mean takes a bias away again */
            d_bias[c] = layer->bn_weight >= 0 ? 0.0f : (float)sum[c];
        k1[c] = (float)(sum[c] / n);
        k2[c] = (float)(dot[c] * inverse * inverse / n);
    }
}

/* The gradient of the convolution's result, written over that result. */
static void norm_backward(const cr_cpu_program *program, const cr_step *step, float *gradient)
{
    const cr_layer *layer = step->layer;
    const cr_convolution_step *own = step->convolution;
    const cr_value *dst = &program->lowered.values[step->dst];
    channel_arrays arrays = arrays_of(program, step);
    double *sum = cr_buffer_data(program, program->channel_work), *dot = sum + arrays.padded;
    float *k1 = (float *)(dot + arrays.padded), *k2 = k1 + arrays.padded;
    const void *y = cr_value_data(program, step->dst);
    void *x = cr_buffer_data(program, own->x), *g0 = cr_buffer_data(program, dst->gradients[0]);
    bool has_norm = layer->bn_weight >= 0, pools = step->pool;
    memset(sum, 0, (size_t)arrays.padded * 2 * (sizeof *sum + sizeof *k1));
    if (!has_norm) /* x is y now: its sign is ReLU's */
        memset(arrays.shift, 0, (size_t)arrays.padded * sizeof(float));
    cr_norm norm = {.mean = arrays.mean, .scale = arrays.scale, .shift = arrays.shift, .relu = layer->relu};
    const cr_place *place = &program->places[step->dst];
    cr_norm_backward_sums(place, &norm, own->mask_kind, pools ? cr_buffer_data(program, own->pooled) : x, y, g0,
                          dst->n_gradients == 2 ? cr_buffer_data(program, dst->gradients[1]) : NULL,
                          own->writes_dz ? g0 : NULL, sum, dot);
    finish_sums(program, step, gradient, &arrays, sum, dot, k1, k2);
    if (pools) {
        cr_window window = cr_window_of(step->pool);
        cr_extreme_pool_backward(&window, &norm, &own->place, x, place, g0, cr_buffer_data(program, step->bytes), k1,
                                 k2);
        return;
    }
    cr_norm_backward_apply(place, &norm, own->writes_dz ? CR_MASK_NONE : own->mask_kind, x, y, g0, has_norm ? k1 : NULL,
                           has_norm ? k2 : NULL);
}

cr_status cr_convolution_backward(const cr_cpu_program *program, const cr_step *step, const float *state,
                                  float *gradient)
{
    cr_status status = CR_OK;
    const cr_layer *layer = step->layer;
    const cr_convolution_step *own = step->convolution;
    const void *x = cr_buffer_data(program, own->x);
    float *d_weight = gradient_of(program, gradient, layer->weight);
    norm_backward(program, step, gradient);
    cr_sink_finish(program, step->src2, step->sink2);
    CR_TRY(run_kernel(program, &own->weights, cr_value_data(program, step->src), d_weight, NULL, NULL, x));
    if (own->weights.move)
        CR_TRY(move_weights(program, &own->weights, cr_buffer_data(program, own->weights.moved), d_weight));
    if (step->sink.buffer == CR_NONE)
        goto done;
    CR_TRY(run_kernel(program, &own->data, cr_buffer_data(program, step->sink.buffer),
                      tensor_of(program, state, layer->weight), NULL, NULL, x));
    cr_sink_finish(program, step->src, step->sink);
done:
    return status;
}
