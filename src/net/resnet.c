/* Residual networks. Layer names are torchvision's (torchvision/models/resnet.py) below "image.". Sources: He, Zhang,
 * Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, table 1; as in torchvision, a bottleneck's stride is
 * in its 3 × 3 convolution ("v1.5"). */
#include "resnet.h"

#include <stdio.h>
#include <string.h>

enum {
    N_STAGES = 4,
    STEM_CHANNELS = 64
};

typedef struct resnet {
    const char *name;
    int expansion; /* channels of a block over its stage's width: 1 basic block, 4 bottleneck */
    int blocks[N_STAGES];
} resnet;

static const resnet resnets[] = {
    {"resnet18", 1, {2, 2, 2, 2}},
    {"resnet34", 1, {3, 4, 6, 3}},
    {"resnet50", 4, {3, 4, 6, 3}},
};
enum {
    N_RESNETS = sizeof resnets / sizeof *resnets
};

const char *cr_net_backbone_name(int backbone)
{
    return backbone >= 0 && backbone < N_RESNETS ? resnets[backbone].name : NULL;
}

static cr_status add_conv_bn(cr_net *net, int src, const char *prefix, const char *conv, const char *bn,
                             cr_conv_params params, int *dst)
{
    char name[CR_NET_NAME_MAX], bn_name[CR_NET_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", prefix, conv);
    snprintf(bn_name, sizeof bn_name, "%s.%s", prefix, bn);
    params.batch_norm = true;
    params.name = name;
    params.bn_name = bn_name;
    return cr_net_add_conv(net, src, &params, dst);
}

/* What the block's last convolution adds: its input, through a convolution where the shape changes. */
static cr_status add_skip(cr_net *net, int src, const char *prefix, int64_t channels, int64_t stride, int *skip)
{
    *skip = src;
    if (stride == 1 && net->values[src].channels == channels)
        return CR_OK;
    cr_conv_params downsample = {channels, 1, stride, 0, .add = -1};
    return add_conv_bn(net, src, prefix, "downsample.0", "downsample.1", downsample, skip);
}

/* torchvision's BasicBlock. The downsample comes before the second convolution, which adds its result. */
static cr_status add_basic_block(cr_net *net, int src, const char *prefix, int64_t channels, int64_t stride, int *dst)
{
    cr_status status = CR_OK;
    int inner, skip;
    cr_conv_params first = {channels, 3, stride, 1, .relu = true, .add = -1};
    CR_TRY(add_conv_bn(net, src, prefix, "conv1", "bn1", first, &inner));
    CR_TRY(add_skip(net, src, prefix, channels, stride, &skip));
    cr_conv_params second = {channels, 3, 1, 1, .relu = true, .add = skip};
    CR_TRY(add_conv_bn(net, inner, prefix, "conv2", "bn2", second, dst));
done:
    return status;
}

/* torchvision's Bottleneck: 1 × 1 down to the stage's width, 3 × 3, 1 × 1 up again. */
static cr_status add_bottleneck(cr_net *net, int src, const char *prefix, int64_t width, int64_t channels,
                                int64_t stride, int *dst)
{
    cr_status status = CR_OK;
    int inner, skip;
    cr_conv_params first = {width, 1, 1, 0, .relu = true, .add = -1};
    CR_TRY(add_conv_bn(net, src, prefix, "conv1", "bn1", first, &inner));
    cr_conv_params second = {width, 3, stride, 1, .relu = true, .add = -1};
    CR_TRY(add_conv_bn(net, inner, prefix, "conv2", "bn2", second, &inner));
    CR_TRY(add_skip(net, src, prefix, channels, stride, &skip));
    cr_conv_params third = {channels, 1, 1, 0, .relu = true, .add = skip};
    CR_TRY(add_conv_bn(net, inner, prefix, "conv3", "bn3", third, dst));
done:
    return status;
}

static cr_status find(const char *backbone, const resnet **found)
{
    char known[128] = "";
    for (int i = 0; i < N_RESNETS; i++) {
        *found = &resnets[i];
        if (!strcmp((*found)->name, backbone))
            return CR_OK;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", (*found)->name);
    }
    return cr_fail(CR_BAD_CONFIG, "model.backbone: %s is unknown; known are %s", backbone, known);
}

static void name_last_layer(cr_net *net, const char *name)
{
    snprintf(net->layers[net->n_layers - 1].name, CR_NET_NAME_MAX, "%s", name);
}

cr_status cr_net_add_resnet(cr_net *net, const char *backbone, int *dst)
{
    cr_status status = CR_OK;
    const resnet *shape;
    int at;
    CR_TRY(find(backbone, &shape));
    cr_conv_params stem = {STEM_CHANNELS, 7, 2, 3, .relu = true, .add = -1};
    CR_TRY(add_conv_bn(net, CR_VALUE_IMAGE, "image", "conv1", "bn1", stem, &at));
    CR_TRY(cr_net_add_max_pool(net, at, 3, 2, 1, &at));
    name_last_layer(net, "image.maxpool");
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int block = 0; block < shape->blocks[stage]; block++) {
            char prefix[32];
            int64_t width = INT64_C(64) << stage, stride = stage > 0 && block == 0 ? 2 : 1;
            snprintf(prefix, sizeof prefix, "image.layer%d.%d", stage + 1, block);
            if (shape->expansion == 1)
                CR_TRY(add_basic_block(net, at, prefix, width, stride, &at));
            else
                CR_TRY(add_bottleneck(net, at, prefix, width, width * shape->expansion, stride, &at));
        }
    CR_TRY(cr_net_add_global_average_pool(net, at, dst));
    name_last_layer(net, "image.avgpool");
done:
    return status;
}
