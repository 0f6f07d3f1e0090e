#include "crisol/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SIDE = 65536, /* image sizes, kernels, strides, channels, features: keeps every product below 2^63 */
    MAX_LAYERS = 4096 /* and values, and tensors */
};
static const int64_t max_count = INT64_C(1) << 31; /* elements of one tensor */

static cr_status grow(void **array, int n, size_t element_bytes, const char *what)
{
    if (n >= MAX_LAYERS)
        return cr_fail(CR_BAD_CONFIG, "a net of more than %d %s: take a smaller backbone", MAX_LAYERS, what);
    size_t bytes = (size_t)(n + 1) * element_bytes;
    void *larger = realloc(*array, bytes);
    if (!larger)
        return cr_fail_memory(what, bytes);
    memset((char *)larger + (size_t)n * element_bytes, 0, element_bytes);
    *array = larger;
    return CR_OK;
}

static bool in_range(int64_t value, int64_t lowest, int64_t highest)
{
    return lowest <= value && value <= highest;
}

cr_status cr_net_create_empty(int64_t image_size, int64_t n_features, cr_net **net)
{
    cr_net *created = NULL;
    if (!in_range(image_size, 0, MAX_SIDE) || !in_range(n_features, 0, MAX_SIDE))
        return cr_fail(CR_BAD_CONFIG, "image size %lld and %lld features: each must be 0 … %d", (long long)image_size,
                       (long long)n_features, MAX_SIDE);
    created = calloc(1, sizeof *created);
    cr_shape *values = calloc(2, sizeof *values);
    if (!created || !values) {
        free(created);
        free(values);
        return cr_fail_memory("a net", sizeof *created);
    }
    values[CR_VALUE_IMAGE] = (cr_shape){3, image_size, image_size};
    values[CR_VALUE_METADATA] = (cr_shape){n_features, 1, 1};
    *created =
        (cr_net){.values = values, .n_values = 2, .logits = -1, .image_size = image_size, .n_features = n_features};
    *net = created;
    return CR_OK;
}

/* Appends a tensor; its place in the state is found by cr_net_finish. */
static cr_status add_tensor(cr_net *net, const char *layer, const char *suffix, cr_tensor_role role, int rank,
                            const int64_t *shape, int *index)
{
    cr_status status = CR_OK;
    void *array = net->tensors;
    CR_TRY(grow(&array, net->n_tensors, sizeof *net->tensors, "tensors"));
    net->tensors = array;
    cr_tensor *tensor = &net->tensors[net->n_tensors];
    *tensor = (cr_tensor){.role = role, .rank = rank, .count = 1, .is_backbone = strncmp(layer, "image.", 6) == 0};
    for (int i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
        if (shape[i] < 1 || tensor->count > max_count / shape[i])
            return cr_fail(CR_BAD_CONFIG, "tensor %s.%s would have more than 2^31 elements: take smaller layers", layer,
                           suffix);
        tensor->count *= shape[i];
    }
    size_t length = strlen(layer);
    if (length + strlen(suffix) + 2 > sizeof tensor->name)
        return cr_fail(CR_BAD_CONFIG, "the name of layer %s is too long", layer);
    memcpy(tensor->name, layer, length);
    tensor->name[length] = '.';
    strcpy(tensor->name + length + 1, suffix);
    *index = net->n_tensors++;
done:
    return status;
}

/* A value can be read when it exists and is not an absent input (image size or number of features 0). */
static cr_status check_source(const cr_net *net, const char *name, int src)
{
    if (!in_range(src, 0, net->n_values - 1) || net->values[src].channels < 1 || net->values[src].height < 1)
        return cr_fail(CR_BAD_CONFIG, "layer %s reads value %d, which the net lacks", name, src);
    return CR_OK;
}

/* Appends a layer with its value; no tensors yet. */
static cr_status add_layer(cr_net *net, cr_layer_kind kind, const char *name, int src, cr_shape shape, int *dst)
{
    cr_status status = CR_OK;
    if (net->logits >= 0)
        return cr_fail(CR_INTERNAL, "layer %s added to a finished net", name);
    if (!in_range(shape.channels, 1, MAX_SIDE) || !in_range(shape.height, 1, MAX_SIDE) ||
        !in_range(shape.width, 1, MAX_SIDE))
        return cr_fail(CR_BAD_CONFIG, "layer %s would give %lld × %lld × %lld values, each must be 1 … %d", name,
                       (long long)shape.channels, (long long)shape.height, (long long)shape.width, MAX_SIDE);
    if (shape.channels > max_count / (shape.height * shape.width))
        return cr_fail(CR_BAD_CONFIG, "layer %s would give more than 2^31 values a sample: take smaller layers", name);
    if (strlen(name) >= CR_NET_NAME_MAX)
        return cr_fail(CR_BAD_CONFIG, "the name of layer %s is too long", name);
    void *array = net->layers;
    CR_TRY(grow(&array, net->n_layers, sizeof *net->layers, "layers"));
    net->layers = array;
    array = net->values;
    CR_TRY(grow(&array, net->n_values, sizeof *net->values, "values"));
    net->values = array;
    cr_layer *layer = &net->layers[net->n_layers++];
    *layer = (cr_layer){.kind = kind,
                        .src = src,
                        .src2 = -1,
                        .dst = net->n_values,
                        .weight = -1,
                        .bias = -1,
                        .bn_weight = -1,
                        .bn_bias = -1,
                        .bn_mean = -1,
                        .bn_var = -1};
    strcpy(layer->name, name);
    net->values[net->n_values] = shape;
    *dst = net->n_values++;
    net->uses_image |= src == CR_VALUE_IMAGE;
    net->uses_metadata |= src == CR_VALUE_METADATA;
done:
    return status;
}

/* A square window over a plane, floor mode: (size + 2·padding - kernel) / stride + 1 (torch.nn.Conv2d, MaxPool2d). */
static cr_status window_shape(const char *name, cr_shape in, int64_t kernel, int64_t stride, int64_t padding,
                              cr_shape *out)
{
    if (!in_range(kernel, 1, MAX_SIDE) || !in_range(stride, 1, MAX_SIDE) || !in_range(padding, 0, kernel - 1))
        return cr_fail(CR_BAD_CONFIG, "layer %s: kernel %lld, stride %lld, padding %lld are impossible", name,
                       (long long)kernel, (long long)stride, (long long)padding);
    int64_t height = in.height + 2 * padding - kernel, width = in.width + 2 * padding - kernel;
    if (height < 0 || width < 0)
        return cr_fail(CR_BAD_CONFIG,
                       "layer %s: a %lld × %lld plane is too small for a %lld × %lld window: take larger "
                       "images",
                       name, (long long)in.height, (long long)in.width, (long long)kernel, (long long)kernel);
    out->channels = in.channels;
    out->height = height / stride + 1;
    out->width = width / stride + 1;
    return CR_OK;
}

static cr_status add_batch_norm(cr_net *net, const char *name, int64_t channels, cr_layer *tensors)
{
    cr_status status = CR_OK;
    CR_TRY(add_tensor(net, name, "weight", CR_TENSOR_BN_WEIGHT, 1, &channels, &tensors->bn_weight));
    CR_TRY(add_tensor(net, name, "bias", CR_TENSOR_BN_BIAS, 1, &channels, &tensors->bn_bias));
    CR_TRY(add_tensor(net, name, "running_mean", CR_TENSOR_BN_MEAN, 1, &channels, &tensors->bn_mean));
    CR_TRY(add_tensor(net, name, "running_var", CR_TENSOR_BN_VAR, 1, &channels, &tensors->bn_var));
done:
    return status;
}

cr_status cr_net_add_conv(cr_net *net, int src, const cr_conv_params *params, int *dst)
{
    cr_status status = CR_OK;
    CR_TRY(check_source(net, params->name, src));
    int64_t in_channels = net->values[src].channels;
    cr_shape shape;
    CR_TRY(window_shape(params->name, net->values[src], params->kernel, params->stride, params->padding, &shape));
    shape.channels = params->out_channels;
    if (params->add >= 0) {
        if (params->add < 2 || params->add >= net->n_values)
            return cr_fail(CR_BAD_CONFIG, "layer %s adds value %d, which no earlier layer makes", params->name,
                           params->add);
        if (memcmp(&net->values[params->add], &shape, sizeof shape) != 0)
            return cr_fail(CR_BAD_CONFIG, "layer %s adds a value of another shape", params->name);
    }
    if (params->batch_norm && !params->bn_name)
        return cr_fail(CR_INTERNAL, "layer %s: batch norm without a name", params->name);
    CR_TRY(add_layer(net, CR_LAYER_CONV, params->name, src, shape, dst));
    cr_layer *layer = &net->layers[net->n_layers - 1];
    layer->src2 = params->add >= 0 ? params->add : -1;
    layer->kernel = params->kernel;
    layer->stride = params->stride;
    layer->padding = params->padding;
    layer->relu = params->relu;
    CR_TRY(add_tensor(net, params->name, "weight", CR_TENSOR_CONV_WEIGHT, 4,
                      (int64_t[]){params->out_channels, in_channels, params->kernel, params->kernel}, &layer->weight));
    if (params->bias)
        CR_TRY(add_tensor(net, params->name, "bias", CR_TENSOR_BIAS, 1, &params->out_channels, &layer->bias));
    if (params->batch_norm)
        CR_TRY(add_batch_norm(net, params->bn_name, params->out_channels, layer));
done:
    return status;
}

/* "max_pool_3": layers without tensors need a name only for profiles. */
static void name_by_index(cr_net *net, const char *kind, char name[CR_NET_NAME_MAX])
{
    snprintf(name, CR_NET_NAME_MAX, "%s_%d", kind, net->n_layers);
}

cr_status cr_net_add_max_pool(cr_net *net, int src, int64_t kernel, int64_t stride, int64_t padding, int *dst)
{
    cr_status status = CR_OK;
    char name[CR_NET_NAME_MAX];
    name_by_index(net, "max_pool", name);
    if (!in_range(src, 0, net->n_values - 1))
        return cr_fail(CR_BAD_CONFIG, "layer %s reads value %d, which the net lacks", name, src);
    if (padding > kernel / 2) /* a window might lie wholly in the padding; PyTorch refuses it too */
        return cr_fail(CR_BAD_CONFIG, "layer %s: padding %lld is more than half of kernel %lld", name,
                       (long long)padding, (long long)kernel);
    cr_shape shape;
    CR_TRY(window_shape(name, net->values[src], kernel, stride, padding, &shape));
    CR_TRY(add_layer(net, CR_LAYER_MAX_POOL, name, src, shape, dst));
    cr_layer *layer = &net->layers[net->n_layers - 1];
    layer->kernel = kernel;
    layer->stride = stride;
    layer->padding = padding;
done:
    return status;
}

cr_status cr_net_add_global_average_pool(cr_net *net, int src, int *dst)
{
    char name[CR_NET_NAME_MAX];
    cr_status status = CR_OK;
    name_by_index(net, "average_pool", name);
    CR_TRY(check_source(net, name, src));
    CR_TRY(add_layer(net, CR_LAYER_GLOBAL_AVERAGE_POOL, name, src, (cr_shape){net->values[src].channels, 1, 1}, dst));
done:
    return status;
}

cr_status cr_net_add_dense(cr_net *net, int src, int64_t out_features, bool relu, const char *name, int *dst)
{
    cr_status status = CR_OK;
    CR_TRY(check_source(net, name, src));
    cr_shape in = net->values[src];
    int64_t in_features = in.channels * in.height * in.width; /* ≤ 2^48 */
    CR_TRY(add_layer(net, CR_LAYER_DENSE, name, src, (cr_shape){out_features, 1, 1}, dst));
    cr_layer *layer = &net->layers[net->n_layers - 1];
    layer->relu = relu;
    CR_TRY(add_tensor(net, name, "weight", CR_TENSOR_DENSE_WEIGHT, 2, (int64_t[]){out_features, in_features},
                      &layer->weight));
    CR_TRY(add_tensor(net, name, "bias", CR_TENSOR_BIAS, 1, &out_features, &layer->bias));
done:
    return status;
}

cr_status cr_net_add_dropout(cr_net *net, int src, double probability, const char *name, int *dst)
{
    if (!(probability >= 0 && probability < 1))
        return cr_fail(CR_BAD_CONFIG, "layer %s: dropout %g is not in [0, 1)", name, probability);
    cr_status status = CR_OK;
    CR_TRY(check_source(net, name, src));
    CR_TRY(add_layer(net, CR_LAYER_DROPOUT, name, src, net->values[src], dst));
    net->layers[net->n_layers - 1].dropout = probability;
done:
    return status;
}

cr_status cr_net_add_concat(cr_net *net, int src, int src2, int *dst)
{
    char name[CR_NET_NAME_MAX];
    name_by_index(net, "concat", name);
    cr_status status = CR_OK;
    CR_TRY(check_source(net, name, src));
    CR_TRY(check_source(net, name, src2));
    cr_shape first = net->values[src], second = net->values[src2];
    if (first.height * first.width != 1 || second.height * second.width != 1)
        return cr_fail(CR_BAD_CONFIG, "layer %s joins planes; it can join 1 × 1 values only", name);
    CR_TRY(add_layer(net, CR_LAYER_CONCAT, name, src, (cr_shape){first.channels + second.channels, 1, 1}, dst));
    net->layers[net->n_layers - 1].src2 = src2;
    net->uses_image |= src2 == CR_VALUE_IMAGE;
    net->uses_metadata |= src2 == CR_VALUE_METADATA;
done:
    return status;
}
