#include "cuda_stem.h"

bool cr_stem_fits(const cr_net *net)
{
    if (!net->uses_image || net->image_size % 2 != 0 || net->values[CR_VALUE_IMAGE].channels > CR_BLOCK_PIXEL)
        return false;
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        bool reads = layer->src == CR_VALUE_IMAGE;
        if (layer->src2 == CR_VALUE_IMAGE ||
            (reads && (layer->kind != CR_LAYER_CONV || layer->stride != 2 || layer->padding >= layer->kernel)))
            return false;
    }
    return net->logits != CR_VALUE_IMAGE;
}

void cr_stem_shape(cr_conv_shape *shape)
{
    int64_t before = (shape->padding + 1) / 2, last = (shape->kernel - 1 - shape->padding) / 2;
    shape->in = CR_BLOCK_CHANNELS;
    shape->height /= 2;
    shape->width /= 2;
    shape->kernel = before + last + 1;
    shape->stride = 1;
    shape->padding = before;
}
