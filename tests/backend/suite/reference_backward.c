#include "reference_program.h"

#include <string.h>

/* Gradient of a value, or null for the inputs, whose gradient nobody wants. */
static double *value_gradient(const reference_program *p, int value)
{
    return value > REF_INPUT_VALUES - 1 ? p->value_gradients[value] : NULL;
}

static void backward_conv(reference_program *p, const cr_layer *layer, const layer_memory *memory)
{
    cr_shape shape = p->head.net->values[layer->dst];
    int64_t count = p->n * ref_volume(shape);
    double *dy = p->dy, *dz = NULL;
    for (int64_t i = 0; layer->src2 >= 0 && i < count; i++)
        p->value_gradients[layer->src2][i] += dy[i];
    if (layer->bn_weight >= 0) {
        /* the value's own gradient has been used up: it becomes the convolution's */
        dz = p->value_gradients[layer->dst];
        memset(dz, 0, (size_t)count * sizeof *dz);
        ref_batch_norm_backward(p->n, shape, REF_BN_EPS, true, memory->z, ref_tensor(p, layer->bn_weight), memory->mean,
                                memory->var, dy, dz, ref_tensor_gradient(p, layer->bn_weight),
                                ref_tensor_gradient(p, layer->bn_bias));
        double values = (double)(count / shape.channels);
        for (int64_t c = 0; c < shape.channels; c++) {
            ref_tensor_gradient(p, layer->bn_mean)[c] = memory->mean[c];
            ref_tensor_gradient(p, layer->bn_var)[c] = memory->var[c] * values / (values - 1);
        }
    }
    ref_window window = ref_layer_window(p, layer);
    ref_conv_backward(&window, p->values[layer->src], ref_tensor(p, layer->weight), dz ? dz : dy,
                      value_gradient(p, layer->src), ref_tensor_gradient(p, layer->weight),
                      ref_tensor_gradient(p, layer->bias));
}

void ref_backward_layer(reference_program *p, int index)
{
    const cr_net *net = p->head.net;
    const cr_layer *layer = &net->layers[index];
    const layer_memory *memory = &p->layers[index];
    double *dx = value_gradient(p, layer->src);
    int64_t in = ref_volume(net->values[layer->src]), out = ref_volume(net->values[layer->dst]);
    ref_window window = ref_layer_window(p, layer);
    if (layer->relu)
        ref_relu_backward(p->n * out, p->values[layer->dst], p->value_gradients[layer->dst], p->dy);
    else
        memcpy(p->dy, p->value_gradients[layer->dst], (size_t)(p->n * out) * sizeof(double));
    switch (layer->kind) {
    case CR_LAYER_CONV:
        backward_conv(p, layer, memory);
        break;
    case CR_LAYER_MAX_POOL:
        ref_max_pool_backward(&window, memory->argmax, p->dy, dx);
        break;
    case CR_LAYER_GLOBAL_AVERAGE_POOL:
        ref_global_average_pool_backward(p->n, net->values[layer->src], p->dy, dx);
        break;
    case CR_LAYER_DENSE:
        ref_dense_backward(p->n, in, out, p->values[layer->src], ref_tensor(p, layer->weight), p->dy, dx,
                           ref_tensor_gradient(p, layer->weight), ref_tensor_gradient(p, layer->bias));
        break;
    case CR_LAYER_DROPOUT:
        ref_dropout_backward(p->n * out, layer->dropout, p->dy, memory->mask, dx);
        break;
    case CR_LAYER_CONCAT:
        ref_concat_backward(p->n, in, ref_volume(net->values[layer->src2]), p->dy, dx, value_gradient(p, layer->src2));
        break;
    }
}
