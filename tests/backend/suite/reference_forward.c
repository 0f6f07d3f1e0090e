#include "reference_program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void note_piece(reference_program *p, uint64_t choice)
{
    p->piece = (p->piece ^ choice) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static double deviation(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sum > 0 ? sqrt(sum / (double)count) : 1;
}

static void apply_relu(reference_program *p, int64_t count, double *y)
{
    double scale = deviation(y, count), nearest = INFINITY;
    for (int64_t i = 0; i < count; i++) {
        nearest = fmin(nearest, fabs(y[i]));
        note_piece(p, y[i] > 0);
    }
    p->margin = fmin(p->margin, nearest / scale);
    ref_relu_forward(count, y, y);
}

static void forward_conv(reference_program *p, const cr_layer *layer, layer_memory *memory, bool training)
{
    const cr_net *net = p->head.net;
    cr_shape shape = net->values[layer->dst];
    int64_t count = p->n * ref_volume(shape);
    double *y = p->values[layer->dst];
    bool norm = layer->bn_weight >= 0;
    ref_window window = ref_layer_window(p, layer);
    ref_conv_forward(&window, p->values[layer->src], ref_tensor(p, layer->weight), ref_tensor(p, layer->bias),
                     norm ? memory->z : y);
    if (norm) {
        if (training) {
            ref_batch_norm_statistics(p->n, shape, memory->z, memory->mean, memory->var);
        } else {
            memcpy(memory->mean, ref_tensor(p, layer->bn_mean), (size_t)shape.channels * sizeof(double));
            memcpy(memory->var, ref_tensor(p, layer->bn_var), (size_t)shape.channels * sizeof(double));
        }
        ref_batch_norm_forward(p->n, shape, REF_BN_EPS, memory->z, ref_tensor(p, layer->bn_weight),
                               ref_tensor(p, layer->bn_bias), memory->mean, memory->var, y);
    }
    for (int64_t i = 0; layer->src2 >= 0 && i < count; i++)
        y[i] += p->values[layer->src2][i];
    if (layer->relu)
        apply_relu(p, count, y);
}

/* The gap between a window's winner and the largest value below it. Equal values (zeros after a ReLU) are equal in any
 * arithmetic and their order is fixed, so they are no kink. */
static void note_pool(reference_program *p, const ref_window *window, const double *x, const layer_memory *memory,
                      const double *y)
{
    int64_t in = window->in.height * window->in.width, out = window->out.height * window->out.width;
    double scale = deviation(x, window->n * window->in.channels * in), nearest = INFINITY;
    for (int64_t i = 0; i < window->n * window->out.channels * out; i++) {
        int64_t row = i % out / window->out.width, column = i % window->out.width;
        note_piece(p, (uint64_t)memory->argmax[i]);
        for (int64_t k = 0; k < window->kernel_height * window->kernel_width; k++) {
            int64_t r = row * window->stride + k / window->kernel_width - window->padding;
            int64_t c = column * window->stride + k % window->kernel_width - window->padding;
            if (r < 0 || r >= window->in.height || c < 0 || c >= window->in.width)
                continue;
            double gap = y[i] - x[i / out * in + r * window->in.width + c];
            if (gap > 0)
                nearest = fmin(nearest, gap);
        }
    }
    p->margin = fmin(p->margin, nearest / scale);
}

static cr_status forward_dropout(reference_program *p, int index, const cr_batch *batch, bool training)
{
    const cr_layer *layer = &p->head.net->layers[index];
    int64_t units = ref_volume(p->head.net->values[layer->dst]);
    double *mask = p->layers[index].mask;
    if (!training) {
        memcpy(p->values[layer->dst], p->values[layer->src], (size_t)(p->n * units) * sizeof(double));
        return CR_OK;
    }
    uint8_t *keep = malloc((size_t)units);
    if (!keep)
        return cr_fail_memory("a dropout mask", (size_t)units);
    for (int64_t s = 0; s < p->n; s++) {
        cr_dropout_mask(batch->seed, batch->epoch, batch->samples[s], index, layer->dropout, units, keep);
        for (int64_t i = 0; i < units; i++)
            mask[s * units + i] = keep[i];
    }
    free(keep);
    ref_dropout_forward(p->n * units, layer->dropout, p->values[layer->src], mask, p->values[layer->dst]);
    return CR_OK;
}

cr_status ref_forward_layer(reference_program *p, int index, const cr_batch *batch, bool training)
{
    const cr_net *net = p->head.net;
    const cr_layer *layer = &net->layers[index];
    layer_memory *memory = &p->layers[index];
    const double *x = p->values[layer->src];
    double *y = p->values[layer->dst];
    ref_window window = ref_layer_window(p, layer);
    switch (layer->kind) {
    case CR_LAYER_CONV:
        forward_conv(p, layer, memory, training && index >= p->head.params.frozen_layers);
        break;
    case CR_LAYER_MAX_POOL:
        ref_max_pool_forward(&window, x, y, memory->argmax);
        note_pool(p, &window, x, memory, y);
        break;
    case CR_LAYER_GLOBAL_AVERAGE_POOL:
        ref_global_average_pool_forward(p->n, net->values[layer->src], x, y);
        break;
    case CR_LAYER_DENSE:
        ref_dense_forward(p->n, ref_volume(net->values[layer->src]), ref_volume(net->values[layer->dst]), x,
                          ref_tensor(p, layer->weight), ref_tensor(p, layer->bias), y);
        if (layer->relu)
            apply_relu(p, p->n * ref_volume(net->values[layer->dst]), y);
        break;
    case CR_LAYER_DROPOUT:
        return forward_dropout(p, index, batch, training);
    case CR_LAYER_CONCAT:
        ref_concat_forward(p->n, ref_volume(net->values[layer->src]), ref_volume(net->values[layer->src2]), x,
                           p->values[layer->src2], y);
        break;
    }
    return CR_OK;
}
