#include "cuda_stem.h"

static cr_stem stem_of(const cr_net *net, const cr_layer *layer)
{
    int64_t before = (layer->padding + 1) / 2, last = (layer->kernel - 1 - layer->padding) / 2;
    return (cr_stem){.before = before,
                     .behind = net->values[layer->dst].height + last - net->image_size / 2,
                     .kernel = before + last + 1};
}

static bool fits(const cr_net *net, const cr_layer *layer, const cr_stem *stem)
{
    if (layer->kind != CR_LAYER_CONV || layer->stride != 2 || layer->padding >= layer->kernel)
        return false;
    cr_stem own = stem_of(net, layer);
    return own.before == stem->before && own.behind == stem->behind && own.kernel == stem->kernel;
}

bool cr_stem_find(const cr_net *net, cr_stem *stem)
{
    bool found = false;
    *stem = (cr_stem){0};
    if (!net->uses_image || net->image_size % 2 != 0 || net->values[CR_VALUE_IMAGE].channels > CR_BLOCK_PIXEL)
        return false;
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        if (layer->src2 == CR_VALUE_IMAGE)
            return false;
        if (layer->src != CR_VALUE_IMAGE)
            continue;
        if (!found)
            *stem = stem_of(net, layer);
        found = true;
        if (!fits(net, layer, stem))
            return false;
    }
    return found;
}

void cr_stem_shape(const cr_stem *stem, cr_conv_shape *shape)
{
    shape->in = CR_BLOCK_CHANNELS;
    shape->height = shape->height / 2 + stem->before + stem->behind;
    shape->width = shape->width / 2 + stem->before + stem->behind;
    shape->kernel = stem->kernel;
    shape->stride = 1;
    shape->padding = 0;
}
