/* From the net's layers to steps over values, each value spatial or plain as its readers want it. */
#include "cuda_program.h"

#include <stdlib.h>

typedef enum form {
    FORM_PLAIN,
    FORM_SPATIAL,
    N_FORMS
} form;

typedef struct lowering {
    cr_cuda_program *program;
    int (*forms)[N_FORMS]; /* [net's values]: value of the program or CR_NONE */
} lowering;

static int add_value(lowering *state, int net_value, form wanted, bool wants_gradient)
{
    cr_cuda_program *program = state->program;
    int index = program->n_values++;
    program->values[index] = (cr_cuda_value){.shape = program->net->values[net_value],
                                             .spatial = wanted == FORM_SPATIAL,
                                             .buffer = CR_NONE,
                                             .wants_gradient = wants_gradient && program->params.training};
    state->forms[net_value][wanted] = index;
    return index;
}

static cr_cuda_step *add_step(lowering *state, cr_cuda_step_kind kind, int layer, int src, int src2, int dst)
{
    cr_cuda_step *step = &state->program->steps[state->program->n_steps++];
    *step = (cr_cuda_step){.kind = kind,
                           .layer = layer,
                           .src = src,
                           .src2 = src2,
                           .dst = dst,
                           .pool = CR_NONE,
                           .sink = {CR_NONE, CR_NONE},
                           .sink2 = {CR_NONE, CR_NONE},
                           .bytes = CR_NONE};
    return step;
}

/* The value in the wanted form; converted once, before its first reader. */
static int need(lowering *state, int net_value, form wanted, int layer)
{
    int *forms = state->forms[net_value];
    if (forms[wanted] != CR_NONE)
        return forms[wanted];
    int from = forms[wanted == FORM_PLAIN ? FORM_SPATIAL : FORM_PLAIN];
    int to = add_value(state, net_value, wanted, state->program->values[from].wants_gradient);
    add_step(state, CR_CUDA_CONVERT, layer, from, CR_NONE, to);
    return to;
}

/* The layer that pools a convolution's norm and ReLU, when nothing else reads them: then only pooled values are made.
 */
static int pool_of(const lowering *state, int index)
{
    const cr_net *net = state->program->net;
    const cr_layer *layer = &net->layers[index];
    int n_readers = net->logits == layer->dst, pool = CR_NONE;
    for (int l = index + 1; l < net->n_layers; l++)
        if (net->layers[l].src == layer->dst || net->layers[l].src2 == layer->dst) {
            n_readers++;
            pool = l;
        }
    bool fits = cr_cuda_learns(state->program, index) && layer->bn_weight >= 0 && layer->relu && layer->src2 < 0 &&
                n_readers == 1 && pool != CR_NONE && net->layers[pool].kind == CR_LAYER_MAX_POOL &&
                net->layers[pool].kernel <= CR_CUDA_MAX_POOL_KERNEL;
    return fits ? pool : CR_NONE;
}

static void lower_convolution(lowering *state, int index)
{
    const cr_layer *layer = &state->program->net->layers[index];
    int pool = pool_of(state, index), net_value = pool == CR_NONE ? layer->dst : state->program->net->layers[pool].dst;
    int src = need(state, layer->src, FORM_SPATIAL, index);
    int src2 = layer->src2 >= 0 ? need(state, layer->src2, FORM_SPATIAL, index) : CR_NONE;
    int dst = add_value(state, net_value, FORM_SPATIAL, cr_cuda_learns(state->program, index));
    add_step(state, CR_CUDA_CONVOLUTION, index, src, src2, dst)->pool = pool;
}

/* Layers whose value depends on parameters only as far as their sources do; dense ones have some of their own. */
static void lower_simple(lowering *state, int index, cr_cuda_step_kind kind, form from, form to)
{
    const cr_layer *layer = &state->program->net->layers[index];
    int src = need(state, layer->src, from, index);
    int src2 = layer->src2 >= 0 ? need(state, layer->src2, from, index) : CR_NONE;
    const cr_cuda_value *values = state->program->values;
    bool gradient = values[src].wants_gradient || (src2 != CR_NONE && values[src2].wants_gradient) ||
                    (kind == CR_CUDA_DENSE && cr_cuda_learns(state->program, index));
    int dst = add_value(state, layer->dst, to, gradient);
    add_step(state, kind, index, src, src2, dst);
}

static void lower_dropout(lowering *state, int index)
{
    const cr_layer *layer = &state->program->net->layers[index];
    if (state->program->params.training && layer->dropout > 0) {
        lower_simple(state, index, CR_CUDA_DROPOUT, FORM_PLAIN, FORM_PLAIN);
        return;
    }
    for (int f = 0; f < N_FORMS; f++) /* the identity is another name */
        state->forms[layer->dst][f] = state->forms[layer->src][f];
}

static void lower_layer(lowering *state, int index)
{
    const cr_layer *layer = &state->program->net->layers[index];
    switch (layer->kind) {
    case CR_LAYER_CONV:
        lower_convolution(state, index);
        break;
    case CR_LAYER_MAX_POOL: /* unless its convolution does it */
        if (state->forms[layer->dst][FORM_SPATIAL] == CR_NONE)
            lower_simple(state, index, CR_CUDA_MAX_POOL, FORM_SPATIAL, FORM_SPATIAL);
        break;
    case CR_LAYER_GLOBAL_AVERAGE_POOL:
        lower_simple(state, index, CR_CUDA_AVERAGE_POOL, FORM_SPATIAL, FORM_PLAIN);
        break;
    case CR_LAYER_DENSE:
        lower_simple(state, index, CR_CUDA_DENSE, FORM_PLAIN, FORM_PLAIN);
        break;
    case CR_LAYER_DROPOUT:
        lower_dropout(state, index);
        break;
    case CR_LAYER_CONCAT:
        lower_simple(state, index, CR_CUDA_CONCAT, FORM_PLAIN, FORM_PLAIN);
        break;
    }
}

cr_status cr_cuda_lower(cr_cuda_program *program)
{
    const cr_net *net = program->net;
    lowering state = {.program = program};
    size_t room = (size_t)net->n_values * N_FORMS, steps = (size_t)net->n_layers + room;
    cr_status status = CR_OK;
    state.forms = calloc((size_t)net->n_values, sizeof *state.forms);
    program->values = calloc(room, sizeof *program->values);
    program->steps = calloc(steps, sizeof *program->steps);
    if (!state.forms || !program->values || !program->steps) {
        status = cr_fail_memory("a program", steps * sizeof *program->steps);
        goto done;
    }
    for (int v = 0; v < net->n_values; v++)
        for (int f = 0; f < N_FORMS; f++)
            state.forms[v][f] = CR_NONE;
    program->image = net->uses_image ? add_value(&state, CR_VALUE_IMAGE, FORM_SPATIAL, false) : CR_NONE;
    program->metadata = net->uses_metadata ? add_value(&state, CR_VALUE_METADATA, FORM_PLAIN, false) : CR_NONE;
    for (int l = 0; l < net->n_layers; l++)
        lower_layer(&state, l);
    program->logits = need(&state, net->logits, FORM_PLAIN, net->n_layers - 1);
done:
    free(state.forms);
    return status;
}
