#include "reference_program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t ref_volume(cr_shape shape)
{
    return shape.channels * shape.height * shape.width;
}

const double *ref_tensor(const reference_program *p, int index)
{
    return index < 0 ? NULL : p->state + p->head.net->tensors[index].offset;
}

double *ref_tensor_gradient(const reference_program *p, int index)
{
    return index < 0 ? NULL : p->gradient + p->head.net->tensors[index].offset;
}

ref_window ref_layer_window(const reference_program *p, const cr_layer *layer)
{
    const cr_net *net = p->head.net;
    return (ref_window){p->n,          net->values[layer->src], net->values[layer->dst], layer->kernel,
                        layer->kernel, layer->stride,           layer->padding};
}

static const reference_program *self(const cr_program *program)
{
    return (const reference_program *)program;
}

static int64_t n_state(const cr_net *net)
{
    return net->n_params + net->n_stats;
}

static double *new_doubles(int64_t count)
{
    return calloc((size_t)(count > 0 ? count : 1), sizeof(double));
}

static void destroy_program(cr_program **program)
{
    if (!program || !*program)
        return;
    reference_program *p = (reference_program *)*program;
    const cr_net *net = p->head.net;
    for (int v = 0; v < net->n_values; v++) {
        if (p->values)
            free(p->values[v]);
        if (p->value_gradients)
            free(p->value_gradients[v]);
    }
    for (int l = 0; p->layers && l < net->n_layers; l++) {
        free(p->layers[l].z);
        free(p->layers[l].mean);
        free(p->layers[l].var);
        free(p->layers[l].mask);
        free(p->layers[l].argmax);
    }
    free(p->values);
    free(p->value_gradients);
    free(p->layers);
    free(p->state);
    free(p->gradient);
    free(p->dy);
    free(p->losses);
    free(p);
    *program = NULL;
}

static bool allocate_layer(const cr_net *net, const cr_layer *layer, int64_t n, layer_memory *memory)
{
    int64_t count = n * ref_volume(net->values[layer->dst]), channels = net->values[layer->dst].channels;
    memory->z = new_doubles(layer->bn_weight >= 0 ? count : 0);
    memory->mean = new_doubles(channels);
    memory->var = new_doubles(channels);
    memory->mask = new_doubles(layer->kind == CR_LAYER_DROPOUT ? count : 0);
    memory->argmax = calloc(layer->kind == CR_LAYER_MAX_POOL ? (size_t)count : 1, sizeof *memory->argmax);
    return memory->z && memory->mean && memory->var && memory->mask && memory->argmax;
}

static cr_status create_program(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                cr_program **program)
{
    (void)backend;
    cr_status status = CR_OK;
    cr_program *created = NULL;
    if (params->precision != CR_PRECISION_F32)
        return cr_fail(CR_BAD_CONFIG, "the reference backend computes in double only: set precision f32");
    reference_program *p = calloc(1, sizeof *p);
    if (!p)
        return cr_fail_memory("a reference program", sizeof *p);
    created = &p->head;
    p->head.net = net;
    p->n = params->micro_batch;
    p->values = calloc((size_t)net->n_values, sizeof *p->values);
    p->value_gradients = calloc((size_t)net->n_values, sizeof *p->value_gradients);
    p->layers = calloc((size_t)net->n_layers, sizeof *p->layers);
    p->state = new_doubles(n_state(net));
    p->gradient = new_doubles(n_state(net));
    p->losses = new_doubles(p->n);
    int64_t largest = 0;
    bool complete = p->values && p->value_gradients && p->layers && p->state && p->gradient && p->losses;
    for (int v = 0; complete && v < net->n_values; v++) {
        int64_t count = p->n * ref_volume(net->values[v]);
        largest = count > largest ? count : largest;
        p->values[v] = new_doubles(count);
        p->value_gradients[v] = new_doubles(params->training && v >= REF_INPUT_VALUES ? count : 0);
        complete = p->values[v] && p->value_gradients[v];
    }
    for (int l = 0; complete && l < net->n_layers; l++)
        complete = allocate_layer(net, &net->layers[l], p->n, &p->layers[l]);
    p->dy = complete ? new_doubles(largest) : NULL;
    if (!p->dy) {
        destroy_program(&created);
        return cr_fail_memory("a reference program", (size_t)largest * sizeof(double));
    }
    *program = created;
    return status;
}

/* ImageNet's statistics as torchvision writes them, in double */
static const double image_mean[3] = {0.485, 0.456, 0.406}, image_deviation[3] = {0.229, 0.224, 0.225};

/* pixel = (x/255 - mean)/deviation, NHWC bytes → NCHW */
static void load_inputs(reference_program *p, const float *state, const cr_batch *batch)
{
    const cr_net *net = p->head.net;
    int64_t size = net->image_size, n_pixels = size * size;
    for (int64_t i = 0; i < n_state(net); i++)
        p->state[i] = (double)state[i];
    for (int64_t s = 0; net->uses_image && s < p->n; s++) {
        bool flip = batch->augments && batch->augments[s].hflip;
        for (int64_t i = 0; i < 3 * n_pixels; i++) {
            int64_t c = i / n_pixels, row = i % n_pixels / size, column = i % size;
            int64_t from = flip ? size - 1 - column : column;
            double pixel = (double)batch->images[((s * size + row) * size + from) * 3 + c] / 255.0;
            p->values[CR_VALUE_IMAGE][s * 3 * n_pixels + i] = (pixel - image_mean[c]) / image_deviation[c];
        }
    }
    for (int64_t i = 0; net->uses_metadata && i < p->n * net->n_features; i++)
        p->values[CR_VALUE_METADATA][i] = (double)batch->metadata[i];
}

/* In place, by torch.roll's rule: each sample with an unmixed copy of its partner. */
static void mix_inputs(reference_program *p, const cr_batch *batch, const double *images, const double *metadata)
{
    const cr_net *net = p->head.net;
    int64_t size = net->uses_image ? net->image_size : 0, area = size * size, width = net->n_features;
    for (int64_t s = 0; s < p->n; s++) {
        const cr_mix *mix = &batch->mixes[s];
        double share = (double)mix->share;
        for (int64_t i = 0; i < 3 * area; i++) {
            int64_t y = i % area / size, x = i % size, at = s * 3 * area + i, other = mix->partner * 3 * area + i;
            bool inside = y >= mix->box.top && y < mix->box.top + mix->box.height && x >= mix->box.left &&
                          x < mix->box.left + mix->box.width;
            p->values[CR_VALUE_IMAGE][at] =
                mix->box.height == 0 ? share * images[at] + (1 - share) * images[other] : images[inside ? other : at];
        }
        for (int64_t i = 0; net->uses_metadata && i < width; i++)
            p->values[CR_VALUE_METADATA][s * width + i] =
                share * metadata[s * width + i] + (1 - share) * metadata[mix->partner * width + i];
    }
}

static cr_status load_mixed(reference_program *p, const float *state, const cr_batch *batch)
{
    const cr_net *net = p->head.net;
    load_inputs(p, state, batch);
    if (!batch->mixes)
        return CR_OK;
    int64_t n_image = net->uses_image ? p->n * ref_volume(net->values[CR_VALUE_IMAGE]) : 0;
    int64_t n_metadata = net->uses_metadata ? p->n * net->n_features : 0;
    double *images = new_doubles(n_image), *metadata = new_doubles(n_metadata);
    if (images && metadata) {
        memcpy(images, p->values[CR_VALUE_IMAGE], (size_t)n_image * sizeof *images);
        memcpy(metadata, p->values[CR_VALUE_METADATA], (size_t)n_metadata * sizeof *metadata);
        mix_inputs(p, batch, images, metadata);
    }
    bool complete = images && metadata;
    free(images);
    free(metadata);
    return complete ? CR_OK : cr_fail_memory("a copy of the inputs", (size_t)(n_image + n_metadata) * sizeof(double));
}

static cr_status train(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                       cr_batch_result *result)
{
    reference_program *p = (reference_program *)program;
    const cr_net *net = program->net;
    cr_status status = CR_OK;
    p->margin = INFINITY;
    p->piece = UINT64_C(0xcbf29ce484222325);
    CR_TRY(load_mixed(p, state, batch));
    for (int l = 0; l < net->n_layers; l++)
        CR_TRY(ref_forward_layer(p, l, batch, true));
    for (int v = REF_INPUT_VALUES; v < net->n_values; v++)
        memset(p->value_gradients[v], 0, (size_t)(p->n * ref_volume(net->values[v])) * sizeof(double));
    memset(p->gradient, 0, (size_t)n_state(net) * sizeof(double));
    if (batch->targets || batch->loss->focal_gamma != 0)
        ref_focal_loss(p->n, net->n_classes, batch->loss, p->values[net->logits], batch->labels, batch->targets,
                       p->losses, p->value_gradients[net->logits]);
    else
        ref_cross_entropy(p->n, net->n_classes, batch->loss->class_weights, batch->loss->label_smoothing,
                          batch->loss->weight_sum, p->values[net->logits], batch->labels, p->losses,
                          p->value_gradients[net->logits]);
    for (int l = net->n_layers - 1; l >= program->params.frozen_layers; l--)
        ref_backward_layer(p, l);
    for (int64_t i = 0; i < n_state(net); i++)
        gradient[i] = (float)p->gradient[i];
    for (int64_t i = 0; i < p->n * net->n_classes; i++)
        result->logits[i] = (float)p->values[net->logits][i];
    memcpy(result->losses, p->losses, (size_t)p->n * sizeof(double));
done:
    return status;
}

static cr_status evaluate(cr_program *program, const float *state, const cr_batch *batch, float *logits)
{
    cr_status status = CR_OK;
    reference_program *p = (reference_program *)program;
    load_inputs(p, state, batch);
    for (int l = 0; l < program->net->n_layers; l++)
        CR_TRY(ref_forward_layer(p, l, batch, false));
    for (int64_t i = 0; i < p->n * program->net->n_classes; i++)
        logits[i] = (float)p->values[program->net->logits][i];
done:
    return status;
}

static void destroy_backend(cr_backend **backend)
{
    free(*backend);
    *backend = NULL;
}

static const cr_backend_ops reference_ops = {.name = "reference",
                                             .program_create = create_program,
                                             .program_destroy = destroy_program,
                                             .train = train,
                                             .evaluate = evaluate,
                                             .destroy = destroy_backend};

cr_status reference_backend_open(cr_backend **backend)
{
    cr_backend *opened = calloc(1, sizeof *opened);
    if (!opened)
        return cr_fail_memory("a backend", sizeof *opened);
    opened->ops = &reference_ops;
    *backend = opened;
    return CR_OK;
}

const double *reference_gradient(const cr_program *program)
{
    return self(program)->gradient;
}

const double *reference_logits(const cr_program *program)
{
    return self(program)->values[program->net->logits];
}

double reference_margin(const cr_program *program)
{
    return self(program)->margin;
}

uint64_t reference_piece(const cr_program *program)
{
    return self(program)->piece;
}
