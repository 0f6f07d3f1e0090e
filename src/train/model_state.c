#include "model_state.h"

#include "pretrained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *new_array(int64_t n)
{
    size_t bytes = ((size_t)n * sizeof(float) + 63) / 64 * 64;
    float *array = aligned_alloc(64, bytes);
    if (array)
        memset(array, 0, bytes);
    return array;
}

cr_status cr_model_state_create(const cr_session *session, const cr_optimizer_params *optimizer, cr_model_state *state)
{
    *state = (cr_model_state){.n = cr_session_state_count(session), .version = 1};
    state->n_moments = optimizer ? cr_optimizer_n_moments(optimizer) : 0;
    state->weights = new_array(state->n);
    bool good = state->weights != NULL;
    for (int m = 0; m < state->n_moments; m++) {
        state->moments[m] = new_array(state->n);
        good = good && state->moments[m];
    }
    if (optimizer && session->config->train.ema > 0) {
        state->ema = new_array(state->n);
        good = good && state->ema;
    }
    if (good)
        return CR_OK;
    cr_model_state_destroy(state);
    return cr_fail_memory("weights and moments", (size_t)session->net->n_params * sizeof(float) * 3);
}

void cr_model_state_destroy(cr_model_state *state)
{
    free(state->weights);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        free(state->moments[m]);
    free(state->ema);
    memset(state, 0, sizeof *state);
}

cr_model_state cr_model_state_to_evaluate(const cr_model_state *state)
{
    return (cr_model_state){
        .n = state->n, .weights = state->ema ? state->ema : state->weights, .version = state->version};
}

/* --- named tensors ---------------------------------------------------------------------------------------------- */

static cr_tensor_view view_of(const cr_tensor *tensor, const char *prefix, const float *array)
{
    cr_tensor_view view = {.dtype = CR_DTYPE_F32,
                           .rank = tensor->rank,
                           .data = array + tensor->offset,
                           .bytes = (size_t)tensor->count * sizeof(float)};
    snprintf(view.name, sizeof view.name, "%.32s%s", prefix, tensor->name);
    for (int i = 0; i < tensor->rank; i++)
        view.shape[i] = tensor->shape[i];
    return view;
}

cr_status cr_state_image_create(const cr_session *session, const cr_optimizer_params *optimizer,
                                const cr_model_state *state, cr_state_image *image)
{
    const cr_net *net = session->net;
    cr_status status = CR_OK;
    memset(image, 0, sizeof *image);
    image->tensors = calloc((size_t)net->n_tensors * (size_t)(2 + state->n_moments), sizeof *image->tensors);
    bool good = image->tensors != NULL;
    for (int a = 0; a < 1 + state->n_moments + (state->ema ? 1 : 0); a++) {
        image->arrays[a] = new_array(state->n);
        good = good && image->arrays[a];
    }
    if (!good) {
        status = cr_fail_memory("a copy of the weights", (size_t)state->n * sizeof(float));
        goto done;
    }
    cr_backend_state_export(session->backend, net, state->weights, image->arrays[0]);
    for (int i = 0; i < net->n_tensors; i++)
        image->tensors[image->n_tensors++] = view_of(&net->tensors[i], "", image->arrays[0]);
    image->n_weight_tensors = image->n_tensors;
    for (int m = 0; m < state->n_moments; m++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "optimizer.%s.", cr_optimizer_moment_name(optimizer, m));
        cr_backend_state_export(session->backend, net, state->moments[m], image->arrays[1 + m]);
        for (int i = 0; i < net->n_param_tensors; i++)
            image->tensors[image->n_tensors++] = view_of(&net->tensors[i], prefix, image->arrays[1 + m]);
    }
    if (state->ema) {
        float *average = image->arrays[1 + state->n_moments];
        cr_backend_state_export(session->backend, net, state->ema, average);
        for (int i = 0; i < net->n_param_tensors; i++)
            image->tensors[image->n_tensors++] = view_of(&net->tensors[i], "ema.", average);
    }
done:
    if (status != CR_OK)
        cr_state_image_destroy(image);
    return status;
}

void cr_state_image_destroy(cr_state_image *image)
{
    for (int a = 0; a < 2 + CR_OPTIMIZER_MAX_MOMENTS; a++)
        free(image->arrays[a]);
    free(image->tensors);
    memset(image, 0, sizeof *image);
}

void cr_state_image_hash(const cr_state_image *image, char hash[CR_HASH_TEXT])
{
    cr_hasher *hasher = NULL;
    hash[0] = '\0';
    if (cr_hasher_create(&hasher) != CR_OK)
        return;
    for (int64_t i = 0; i < image->n_weight_tensors; i++)
        cr_hasher_update(hasher, image->tensors[i].data, image->tensors[i].bytes);
    cr_hasher_finish(hasher, hash);
    cr_hasher_destroy(&hasher);
}

/* Copies a file's tensor into a canonical array; *found is false when the file lacks it. */
static cr_status copy_tensor(const cr_safetensors *file, const char *name, const cr_tensor *tensor, float *array,
                             bool *found)
{
    const cr_tensor_view *view = cr_safetensors_find(file, name);
    *found = view != NULL;
    if (!view)
        return CR_OK;
    bool same = view->dtype == CR_DTYPE_F32 && view->rank == tensor->rank;
    for (int i = 0; same && i < tensor->rank; i++)
        same = view->shape[i] == tensor->shape[i];
    if (!same)
        return cr_fail(CR_BAD_DATA, "tensor %s has another type or shape than this model's %s (float32, %lld elements)",
                       name, tensor->name, (long long)tensor->count);
    memcpy(array + tensor->offset, view->data, view->bytes);
    return CR_OK;
}

static cr_status read_tensors(const cr_session *session, const cr_safetensors *file, const char *prefix, int n_tensors,
                              float *canonical)
{
    for (int i = 0; i < n_tensors; i++) {
        const cr_tensor *tensor = &session->net->tensors[i];
        char name[CR_TENSOR_NAME_MAX + 64];
        bool found;
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
        cr_status status = copy_tensor(file, name, tensor, canonical, &found);
        if (status != CR_OK)
            return status;
        if (!found)
            return cr_fail(CR_BAD_DATA, "the checkpoint has no tensor %s: it is of another model", name);
    }
    return CR_OK;
}

static cr_status restore_array(const cr_session *session, const cr_safetensors *file, const char *prefix, int n_tensors,
                               float *canonical, float *native)
{
    cr_status status = read_tensors(session, file, prefix, n_tensors, canonical);
    if (status == CR_OK)
        cr_backend_state_import(session->backend, session->net, canonical, native);
    return status;
}

cr_status cr_model_state_restore(const cr_session *session, const cr_optimizer_params *optimizer,
                                 const cr_safetensors *file, cr_model_state *state)
{
    cr_status status = CR_OK;
    float *canonical = new_array(state->n);
    if (!canonical)
        return cr_fail_memory("a checkpoint's tensors", (size_t)state->n * sizeof(float));
    CR_TRY(restore_array(session, file, "", session->net->n_tensors, canonical, state->weights));
    for (int m = 0; m < state->n_moments; m++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "optimizer.%s.", cr_optimizer_moment_name(optimizer, m));
        memset(canonical, 0, (size_t)state->n * sizeof(float));
        CR_TRY(restore_array(session, file, prefix, session->net->n_param_tensors, canonical, state->moments[m]));
    }
    if (session->config->train.ema > 0) {
        CR_TRY(read_tensors(session, file, "", session->net->n_tensors, canonical)); /* for the statistics */
        CR_TRY(read_tensors(session, file, "ema.", session->net->n_param_tensors, canonical));
        cr_backend_state_import(session->backend, session->net, canonical, state->ema ? state->ema : state->weights);
    }
    state->version++;
done:
    free(canonical);
    return status;
}

/* --- first weights ---------------------------------------------------------------------------------------------- */

cr_status cr_model_state_init(const cr_session *session, cr_model_state *state)
{
    const char *pretrained = session->config->model.weights;
    cr_status status = CR_OK;
    float *canonical = new_array(state->n);
    if (!canonical)
        return cr_fail_memory("initial weights", (size_t)state->n * sizeof(float));
    cr_net_init_state(session->net, session->config->train.seed, canonical);
    if (pretrained && *pretrained && session->net->uses_image)
        CR_TRY(cr_pretrained_load(session->net, pretrained, canonical));
    cr_backend_state_import(session->backend, session->net, canonical, state->weights);
    if (state->ema)
        memcpy(state->ema, state->weights, (size_t)state->n * sizeof *state->ema);
    state->version++;
done:
    free(canonical);
    return status;
}

const cr_tensor_view *cr_evaluated_tensor(const cr_safetensors *file, const char *name)
{
    char averaged[CR_TENSOR_NAME_MAX + 8];
    snprintf(averaged, sizeof averaged, "ema.%s", name);
    const cr_tensor_view *view = cr_safetensors_find(file, averaged);
    return view ? view : cr_safetensors_find(file, name);
}
