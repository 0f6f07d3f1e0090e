#include "crisol/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 16 /* floats: one cache line, one 512-bit register */
};

void cr_net_destroy(cr_net **net)
{
    if (!net || !*net)
        return;
    free((*net)->layers);
    free((*net)->values);
    free((*net)->tensors);
    free(*net);
    *net = NULL;
}

static bool is_statistic(const cr_tensor *tensor)
{
    return tensor->role == CR_TENSOR_BN_MEAN || tensor->role == CR_TENSOR_BN_VAR;
}

static void renumber(int *index, const int *place)
{
    if (*index >= 0)
        *index = place[*index];
}

static void renumber_layer(cr_layer *layer, const int *place)
{
    renumber(&layer->weight, place);
    renumber(&layer->bias, place);
    renumber(&layer->bn_weight, place);
    renumber(&layer->bn_bias, place);
    renumber(&layer->bn_mean, place);
    renumber(&layer->bn_var, place);
}

/* Parameters first, statistics after them, each in the order of creation, which is the forward order. */
static cr_status sort_tensors(cr_net *net)
{
    size_t bytes = (size_t)net->n_tensors * sizeof *net->tensors;
    cr_tensor *sorted = malloc(bytes ? bytes : 1);
    int *place = calloc((size_t)net->n_tensors + 1, sizeof *place);
    if (!sorted || !place) {
        free(sorted);
        free(place);
        return cr_fail_memory("a net's tensors", bytes);
    }
    int n = 0;
    for (int statistics = 0; statistics <= 1; statistics++) {
        for (int t = 0; t < net->n_tensors; t++) {
            if (is_statistic(&net->tensors[t]) != (statistics == 1))
                continue;
            place[t] = n;
            sorted[n++] = net->tensors[t];
        }
        if (!statistics)
            net->n_param_tensors = n;
    }
    for (int l = 0; l < net->n_layers; l++)
        renumber_layer(&net->layers[l], place);
    free(place);
    free(net->tensors);
    net->tensors = sorted;
    return CR_OK;
}

cr_status cr_net_finish(cr_net *net)
{
    cr_status status = CR_OK;
    if (net->logits >= 0)
        return cr_fail(CR_INTERNAL, "a net was finished twice");
    if (net->n_layers == 0)
        return cr_fail(CR_BAD_CONFIG, "a net without layers");
    cr_shape last = net->values[net->n_values - 1];
    if (last.height != 1 || last.width != 1)
        return cr_fail(CR_BAD_CONFIG, "the net ends in planes of %lld × %lld: end it in a dense layer",
                       (long long)last.height, (long long)last.width);
    if (net->n_tensors == 0)
        return cr_fail(CR_BAD_CONFIG, "a net without parameters");
    for (int t = 0; t < net->n_tensors; t++)
        for (int u = 0; u < t; u++)
            if (strcmp(net->tensors[t].name, net->tensors[u].name) == 0)
                return cr_fail(CR_BAD_CONFIG, "the net has two tensors named %s", net->tensors[t].name);
    CR_TRY(sort_tensors(net));
    int64_t offset = 0;
    for (int t = 0; t < net->n_tensors; t++) {
        net->tensors[t].offset = offset;
        offset += (net->tensors[t].count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (t + 1 == net->n_param_tensors)
            net->n_params = offset;
    }
    net->n_stats = offset - net->n_params;
    net->n_classes = last.channels;
    net->logits = net->n_values - 1;
done:
    return status;
}

int cr_net_count_layers(const cr_net *net, const char *stage)
{
    bool is_stem = strcmp(stage, "stem") == 0;
    char prefix[CR_NET_NAME_MAX];
    int n = -1;
    snprintf(prefix, sizeof prefix, "image.%s.", is_stem ? "layer1" : stage);
    for (int l = 0; l < net->n_layers; l++) {
        if (strncmp(net->layers[l].name, prefix, strlen(prefix)) != 0)
            continue;
        if (is_stem)
            return l;
        n = l + 1;
    }
    return n;
}

static void reach(const cr_net *net, int tensor, int64_t base, int64_t *n)
{
    if (tensor < 0)
        return;
    const cr_tensor *t = &net->tensors[tensor];
    int64_t end = t->offset + (t->count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - base;
    *n = end > *n ? end : *n;
}

void cr_net_count_state(const cr_net *net, int n_layers, int64_t *n_params, int64_t *n_stats)
{
    *n_params = *n_stats = 0;
    for (int l = 0; l < n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        int params[] = {layer->weight, layer->bias, layer->bn_weight, layer->bn_bias};
        for (int i = 0; i < 4; i++)
            reach(net, params[i], 0, n_params);
        reach(net, layer->bn_mean, net->n_params, n_stats);
        reach(net, layer->bn_var, net->n_params, n_stats);
    }
}

void cr_net_buckets(const cr_net *net, cr_buckets *buckets)
{
    int64_t end = net->n_params + net->n_stats, least = end / CR_MAX_BUCKETS;
    *buckets = (cr_buckets){0};
    for (int t = net->n_param_tensors - 1; t >= 0; t--) {
        int64_t begin = net->tensors[t].offset;
        if (begin > 0 && end - begin < least)
            continue;
        buckets->begin[buckets->n++] = begin;
        end = begin;
    }
}

int cr_net_find_tensor(const cr_net *net, const char *name)
{
    for (int t = 0; t < net->n_tensors; t++)
        if (strcmp(net->tensors[t].name, name) == 0)
            return t;
    return -1;
}

int64_t cr_net_forward_macs(const cr_net *net)
{
    int64_t macs = 0;
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        if (layer->kind != CR_LAYER_CONV && layer->kind != CR_LAYER_DENSE)
            continue;
        cr_shape out = net->values[layer->dst]; /* each weight is used once an output pixel */
        macs += net->tensors[layer->weight].count * out.height * out.width;
    }
    return macs;
}
