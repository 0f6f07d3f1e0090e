/* From the net's layers to steps over values, each value in the forms that its readers want. */
#include "lowered.h"

#include <stdlib.h>

typedef struct lowering {
    const cr_net *net;
    const cr_program_params *params;
    cr_lowered *lowered;
    int (*forms)[CR_N_FORMS]; /* [net's values]: value of the program or CR_NONE */
} lowering;

/* Whether a layer learns in this program: it has gradients, and batch statistics. */
static bool learns(const lowering *state, const cr_layer *layer)
{
    return state->params->training && layer - state->net->layers >= state->params->frozen_layers;
}

static int add_value(lowering *state, int net_value, cr_form wanted, bool wants_gradient)
{
    cr_lowered *lowered = state->lowered;
    int index = lowered->n_values++;
    lowered->values[index] = (cr_value){.shape = state->net->values[net_value],
                                        .form = wanted,
                                        .buffer = CR_NONE,
                                        .last_reader = CR_NONE,
                                        .wants_gradient = wants_gradient && state->params->training};
    state->forms[net_value][wanted] = index;
    return index;
}

static cr_step *add_step(lowering *state, cr_step_kind kind, const cr_layer *layer, int src, int src2, int dst)
{
    cr_lowered *lowered = state->lowered;
    int time = lowered->n_steps++;
    lowered->steps[time] = (cr_step){.kind = kind,
                                     .time = time,
                                     .layer = layer,
                                     .learns = learns(state, layer),
                                     .src = src,
                                     .src2 = src2,
                                     .dst = dst,
                                     .sink = {CR_NONE, CR_NONE},
                                     .sink2 = {CR_NONE, CR_NONE},
                                     .bytes = CR_NONE};
    lowered->values[src].last_reader = time;
    if (src2 != CR_NONE)
        lowered->values[src2].last_reader = time;
    return &lowered->steps[time];
}

/* The value in the wanted form; converted once, before its first reader. */
static int need(lowering *state, int net_value, cr_form wanted, const cr_layer *layer)
{
    int *forms = state->forms[net_value];
    if (forms[wanted] != CR_NONE)
        return forms[wanted];
    int from = forms[CR_FORM_PLAIN] != CR_NONE     ? forms[CR_FORM_PLAIN]
               : forms[CR_FORM_SPATIAL] != CR_NONE ? forms[CR_FORM_SPATIAL]
                                                   : forms[CR_FORM_INPUT];
    int to = add_value(state, net_value, wanted, state->lowered->values[from].wants_gradient);
    add_step(state, CR_STEP_CONVERT, layer, from, CR_NONE, to);
    return to;
}

/* The layer that pools a convolution's norm and ReLU, when nothing else reads them: then only pooled values are made.
 */
static const cr_layer *pool_of(const lowering *state, const cr_layer *layer)
{
    const cr_net *net = state->net;
    const cr_layer *pool = NULL;
    int n_readers = net->logits == layer->dst;
    for (const cr_layer *l = layer + 1; l < net->layers + net->n_layers; l++)
        if (l->src == layer->dst || l->src2 == layer->dst) {
            n_readers++;
            pool = l;
        }
    bool fits = learns(state, layer) && layer->bn_weight >= 0 && layer->relu && layer->src2 < 0 && n_readers == 1 &&
                pool && pool->kind == CR_LAYER_MAX_POOL && pool->kernel <= CR_POOL_MAX_KERNEL;
    return fits ? pool : NULL;
}

static void lower_convolution(lowering *state, const cr_layer *layer)
{
    const cr_layer *pool = pool_of(state, layer);
    cr_form from = layer->src == CR_VALUE_IMAGE ? state->lowered->forms.image : CR_FORM_SPATIAL;
    int src = need(state, layer->src, from, layer);
    int src2 = layer->src2 >= 0 ? need(state, layer->src2, CR_FORM_SPATIAL, layer) : CR_NONE;
    int dst = add_value(state, pool ? pool->dst : layer->dst, CR_FORM_SPATIAL, learns(state, layer));
    add_step(state, CR_STEP_CONVOLUTION, layer, src, src2, dst)->pool = pool;
}

/* Layers whose value depends on parameters only as far as their sources do; dense ones have some of their own. */
static void lower_simple(lowering *state, const cr_layer *layer, cr_step_kind kind, cr_form from, cr_form to)
{
    int src = need(state, layer->src, from, layer);
    int src2 = layer->src2 >= 0 ? need(state, layer->src2, from, layer) : CR_NONE;
    const cr_value *values = state->lowered->values;
    bool gradient = values[src].wants_gradient || (src2 != CR_NONE && values[src2].wants_gradient) ||
                    (kind == CR_STEP_DENSE && learns(state, layer));
    int dst = add_value(state, layer->dst, to, gradient);
    add_step(state, kind, layer, src, src2, dst);
}

static cr_status lower_max_pool(lowering *state, const cr_layer *layer)
{
    if (state->forms[layer->dst][CR_FORM_SPATIAL] != CR_NONE) /* its convolution does it */
        return CR_OK;
    if (layer->kernel > CR_POOL_MAX_KERNEL)
        return cr_fail(CR_BAD_CONFIG, "layer %s: max-pooling windows are at most %d wide here", layer->name,
                       CR_POOL_MAX_KERNEL);
    lower_simple(state, layer, CR_STEP_MAX_POOL, CR_FORM_SPATIAL, CR_FORM_SPATIAL);
    return CR_OK;
}

static void lower_dropout(lowering *state, const cr_layer *layer)
{
    if (state->params->training && layer->dropout > 0) {
        lower_simple(state, layer, CR_STEP_DROPOUT, CR_FORM_PLAIN, CR_FORM_PLAIN);
        return;
    }
    for (int f = 0; f < CR_N_FORMS; f++) /* the identity is another name */
        state->forms[layer->dst][f] = state->forms[layer->src][f];
}

static cr_status lower_layer(lowering *state, const cr_layer *layer)
{
    switch (layer->kind) {
    case CR_LAYER_CONV:
        lower_convolution(state, layer);
        break;
    case CR_LAYER_MAX_POOL:
        return lower_max_pool(state, layer);
    case CR_LAYER_GLOBAL_AVERAGE_POOL:
        lower_simple(state, layer, CR_STEP_AVERAGE_POOL, CR_FORM_SPATIAL, CR_FORM_PLAIN);
        break;
    case CR_LAYER_DENSE:
        lower_simple(state, layer, CR_STEP_DENSE, CR_FORM_PLAIN, CR_FORM_PLAIN);
        break;
    case CR_LAYER_DROPOUT:
        lower_dropout(state, layer);
        break;
    case CR_LAYER_CONCAT:
        lower_simple(state, layer, CR_STEP_CONCAT, CR_FORM_PLAIN, CR_FORM_PLAIN);
        break;
    }
    return CR_OK;
}

cr_status cr_net_lower(const cr_net *net, const cr_program_params *params, const cr_forms *forms, cr_lowered *lowered)
{
    lowering state = {.net = net, .params = params, .lowered = lowered};
    size_t room = (size_t)net->n_values * CR_N_FORMS, steps = (size_t)net->n_layers + room;
    cr_status status = CR_OK;
    *lowered = (cr_lowered){
        .logits_gradient = CR_NONE, .forms = *forms, .micro_batch = params->micro_batch, .training = params->training};
    state.forms = calloc((size_t)net->n_values, sizeof *state.forms);
    lowered->values = calloc(room, sizeof *lowered->values);
    lowered->steps = calloc(steps, sizeof *lowered->steps);
    if (!state.forms || !lowered->values || !lowered->steps) {
        status = cr_fail_memory("a program", steps * sizeof *lowered->steps);
        goto done;
    }
    for (int v = 0; v < net->n_values; v++)
        for (int f = 0; f < CR_N_FORMS; f++)
            state.forms[v][f] = CR_NONE;
    lowered->image = net->uses_image ? add_value(&state, CR_VALUE_IMAGE, forms->image, false) : CR_NONE;
    lowered->metadata = net->uses_metadata ? add_value(&state, CR_VALUE_METADATA, CR_FORM_PLAIN, false) : CR_NONE;
    for (int l = 0; l < net->n_layers; l++)
        CR_TRY(lower_layer(&state, &net->layers[l]));
    lowered->logits = need(&state, net->logits, CR_FORM_PLAIN, &net->layers[net->n_layers - 1]);
done:
    free(state.forms);
    return status;
}

void cr_lowered_clear(cr_lowered *lowered)
{
    cr_buffer_plan_clear(&lowered->plan);
    free(lowered->steps);
    free(lowered->values);
    *lowered = (cr_lowered){0};
}
