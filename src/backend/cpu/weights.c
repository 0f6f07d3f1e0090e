#include "weights.h"

#include "place.h"

#include <string.h>

bool cr_weights_blocked(int64_t out_channels, int64_t in_channels)
{
    return out_channels % CR_LANES == 0 && in_channels % CR_LANES == 0;
}

static bool is_blocked(const cr_tensor *tensor)
{
    return tensor->role == CR_TENSOR_CONV_WEIGHT && cr_weights_blocked(tensor->shape[0], tensor->shape[1]);
}

/* Position of element (o, i, k) in OIhw16i16o; k = row-major position in the kernel's window. */
static int64_t blocked_offset(const cr_tensor *tensor, int64_t o, int64_t i, int64_t k)
{
    int64_t area = tensor->shape[2] * tensor->shape[3], in_blocks = tensor->shape[1] / CR_LANES;
    return (((o / CR_LANES * in_blocks + i / CR_LANES) * area + k) * CR_LANES + i % CR_LANES) * CR_LANES + o % CR_LANES;
}

static void permute(const cr_tensor *tensor, const float *from, float *to, bool import)
{
    int64_t area = tensor->shape[2] * tensor->shape[3], canonical = 0;
    for (int64_t o = 0; o < tensor->shape[0]; o++)
        for (int64_t i = 0; i < tensor->shape[1]; i++)
            for (int64_t k = 0; k < area; k++, canonical++) {
                int64_t native = blocked_offset(tensor, o, i, k);
                if (import)
                    to[native] = from[canonical];
                else
                    to[canonical] = from[native];
            }
}

static void permute_state(const cr_net *net, const float *from, float *to, bool import)
{
    memcpy(to, from, (size_t)(net->n_params + net->n_stats) * sizeof *to);
    for (int t = 0; t < net->n_param_tensors; t++)
        if (is_blocked(&net->tensors[t]))
            permute(&net->tensors[t], from + net->tensors[t].offset, to + net->tensors[t].offset, import);
}

void cr_weights_import(const cr_net *net, const float *canonical, float *native)
{
    permute_state(net, canonical, native, true);
}

void cr_weights_export(const cr_net *net, const float *native, float *canonical)
{
    permute_state(net, native, canonical, false);
}

void cr_weights_scale(const cr_tensor *tensor, const float *weight, const float *scale, bool plain, float *folded)
{
    int64_t area = tensor->shape[2] * tensor->shape[3], per_output = tensor->shape[1] * area, to = 0;
    bool blocked = is_blocked(tensor);
    if (blocked && !plain) {
        for (int64_t o = 0; o < tensor->shape[0]; o += CR_LANES)
            for (int64_t i = 0; i < per_output; i++, to += CR_LANES)
                for (int64_t lane = 0; lane < CR_LANES; lane++)
                    folded[to + lane] = weight[to + lane] * (scale ? scale[o + lane] : 1.0f);
        return;
    }
    for (int64_t o = 0; o < tensor->shape[0]; o++)
        for (int64_t i = 0; i < tensor->shape[1]; i++)
            for (int64_t k = 0; k < area; k++, to++)
                folded[to] = weight[blocked ? blocked_offset(tensor, o, i, k) : to] * (scale ? scale[o] : 1.0f);
}
