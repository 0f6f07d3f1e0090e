#include "crisol/net.h"
#include "crisol/rng.h"

#include <math.h>
#include <string.h>

static void fill_normal(uint64_t seed, int tensor, double deviation, float *values, int64_t n)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_INIT, 0, (uint64_t)tensor);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(deviation * cr_rng_normal(&rng));
}

static void fill_uniform(uint64_t seed, int tensor, double bound, float *values, int64_t n)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_INIT, 0, (uint64_t)tensor);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(bound * (2.0 * cr_rng_uniform_double(&rng) - 1.0));
}

static void fill_constant(const cr_net *net, int tensor, float value, float *state)
{
    if (tensor < 0)
        return;
    for (int64_t i = 0; i < net->tensors[tensor].count; i++)
        state[net->tensors[tensor].offset + i] = value;
}

/* Kaiming normal, fan_out, gain √2 (torchvision/models/resnet.py); for Linear torch.nn.Linear.reset_parameters, whose
 * kaiming_uniform(a = √5) is uniform ± 1/√fan_in. A bias is uniform ± 1/√fan_in in both modules. */
static void init_layer(const cr_net *net, const cr_layer *layer, uint64_t seed, float *state)
{
    if (layer->weight >= 0) {
        const cr_tensor *weight = &net->tensors[layer->weight];
        int64_t inputs = weight->count / weight->shape[0]; /* whole: the shape is [out, in, …] */
        double fan_in = (double)inputs;
        if (layer->kind == CR_LAYER_CONV) {
            double fan_out = (double)(weight->shape[0] * weight->shape[2] * weight->shape[3]);
            fill_normal(seed, layer->weight, sqrt(2.0 / fan_out), state + weight->offset, weight->count);
        } else {
            fill_uniform(seed, layer->weight, 1.0 / sqrt(fan_in), state + weight->offset, weight->count);
        }
        if (layer->bias >= 0) {
            const cr_tensor *bias = &net->tensors[layer->bias];
            fill_uniform(seed, layer->bias, 1.0 / sqrt(fan_in), state + bias->offset, bias->count);
        }
    }
    fill_constant(net, layer->bn_weight, 1.0F, state);
    fill_constant(net, layer->bn_bias, 0.0F, state);
    fill_constant(net, layer->bn_mean, 0.0F, state);
    fill_constant(net, layer->bn_var, 1.0F, state);
}

void cr_net_init_state(const cr_net *net, uint64_t seed, float *state)
{
    memset(state, 0, (size_t)(net->n_params + net->n_stats) * sizeof *state);
    for (int l = 0; l < net->n_layers; l++)
        init_layer(net, &net->layers[l], seed, state);
}
