/* The fused classifier: the backbone below "image."; the two MLPs are numbered as nn.Sequential(Linear, ReLU, Dropout,
 * Linear, …). */
#include "resnet.h"

#include <stdio.h>

enum {
    SEQUENTIAL_STRIDE = 3 /* Linear, ReLU, Dropout */
};

static cr_status check_widths(const char *branch, const int64_t *widths, int n)
{
    if (n < 0 || n > CR_NET_MAX_HIDDEN)
        return cr_fail(CR_BAD_CONFIG, "model.%s: %d hidden layers, allowed are 0 … %d", branch, n, CR_NET_MAX_HIDDEN);
    for (int i = 0; i < n; i++)
        if (widths[i] < 1 || widths[i] > 65536)
            return cr_fail(CR_BAD_CONFIG, "model.%s: a hidden layer of %lld units, allowed are 1 … 65536", branch,
                           (long long)widths[i]);
    return CR_OK;
}

static cr_status check_params(const cr_fusion_params *params)
{
    cr_status status = CR_OK;
    bool image = params->inputs != CR_INPUTS_METADATA, metadata = params->inputs != CR_INPUTS_IMAGE;
    if (image && (params->image_size < 32 || params->image_size > 4096))
        return cr_fail(CR_BAD_CONFIG, "image size %lld, allowed are 32 … 4096", (long long)params->image_size);
    if (metadata && params->n_features < 1)
        return cr_fail(CR_BAD_CONFIG, "model.inputs needs metadata, but no column is chosen: name columns or set "
                                      "model.inputs=image");
    if (params->n_classes < 2)
        return cr_fail(CR_BAD_CONFIG, "%lld classes: a classifier needs at least 2", (long long)params->n_classes);
    CR_TRY(check_widths("metadata.hidden", params->metadata_hidden, params->n_metadata_hidden));
    CR_TRY(check_widths("head.hidden", params->head_hidden, params->n_head_hidden));
done:
    return status;
}

static cr_status add_dropout(cr_net *net, const char *branch, int module, double probability, int *at)
{
    if (!(probability >= 0 && probability < 1))
        return cr_fail(CR_BAD_CONFIG, "model.%s.dropout: %g is not in [0, 1)", branch, probability);
    if (probability == 0)
        return CR_OK;
    char name[CR_NET_NAME_MAX];
    snprintf(name, sizeof name, "%s.%d", branch, module);
    return cr_net_add_dropout(net, *at, probability, name, at);
}

static cr_status add_metadata_mlp(cr_net *net, const cr_fusion_params *params, int *at)
{
    cr_status status = CR_OK;
    int n = params->n_metadata_hidden;
    for (int i = 0; i < n; i++) {
        char name[CR_NET_NAME_MAX];
        snprintf(name, sizeof name, "metadata.%d", i * SEQUENTIAL_STRIDE);
        CR_TRY(cr_net_add_dense(net, *at, params->metadata_hidden[i], true, name, at));
        if (i + 1 < n)
            CR_TRY(add_dropout(net, "metadata", i * SEQUENTIAL_STRIDE + 2, params->metadata_dropout, at));
    }
done:
    return status;
}

static cr_status add_head(cr_net *net, const cr_fusion_params *params, int *at)
{
    cr_status status = CR_OK;
    char name[CR_NET_NAME_MAX];
    int n = params->n_head_hidden;
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "head.%d", i * SEQUENTIAL_STRIDE);
        CR_TRY(cr_net_add_dense(net, *at, params->head_hidden[i], true, name, at));
        CR_TRY(add_dropout(net, "head", i * SEQUENTIAL_STRIDE + 2, params->head_dropout, at));
    }
    snprintf(name, sizeof name, "head.%d", n * SEQUENTIAL_STRIDE);
    CR_TRY(cr_net_add_dense(net, *at, params->n_classes, false, name, at));
done:
    return status;
}

cr_status cr_net_create_fusion(const cr_fusion_params *params, cr_net **net)
{
    cr_status status = CR_OK;
    cr_net *created = NULL;
    bool image = params->inputs != CR_INPUTS_METADATA, metadata = params->inputs != CR_INPUTS_IMAGE;
    int at = CR_VALUE_METADATA, features = CR_VALUE_METADATA;
    CR_TRY(check_params(params));
    CR_TRY(cr_net_create_empty(image ? params->image_size : 0, metadata ? params->n_features : 0, &created));
    if (image)
        CR_TRY(cr_net_add_resnet(created, params->backbone, &at));
    if (metadata)
        CR_TRY(add_metadata_mlp(created, params, &features));
    if (!image)
        at = features;
    else if (metadata)
        CR_TRY(cr_net_add_concat(created, at, features, &at));
    CR_TRY(add_head(created, params, &at));
    CR_TRY(cr_net_finish(created));
    *net = created;
    created = NULL;
done:
    cr_net_destroy(&created);
    return status;
}

cr_status cr_net_create_fusion_part(const cr_fusion_params *params, cr_fusion_part part, cr_net **net)
{
    cr_status status = CR_OK;
    cr_net *created = NULL;
    bool image = part == CR_FUSION_IMAGE;
    int at = CR_VALUE_METADATA;
    CR_TRY(check_params(params));
    CR_TRY(cr_net_create_empty(image ? params->image_size : 0, image ? 0 : params->n_features, &created));
    if (image)
        CR_TRY(cr_net_add_resnet(created, params->backbone, &at));
    else if (part == CR_FUSION_METADATA)
        CR_TRY(add_metadata_mlp(created, params, &at));
    else
        CR_TRY(add_head(created, params, &at));
    CR_TRY(cr_net_finish(created));
    *net = created;
    created = NULL;
done:
    cr_net_destroy(&created);
    return status;
}
