#include "model_state.h"

#include "pretrained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cr_status new_array(const cr_memory *memory, int64_t n, const char *what, float **array)
{
    cr_status status = cr_memory_allocate(memory, n, what, array);
    return status == CR_OK ? cr_memory_clear(memory, n, *array) : status;
}

cr_status cr_model_state_create(const cr_session *session, const cr_optimizer_params *optimizer, cr_model_state *state)
{
    const cr_memory *memory = cr_backend_memory(session->backend);
    cr_status status = CR_OK;
    *state = (cr_model_state){.memory = memory, .n = cr_session_state_count(session), .version = 1};
    state->n_moments = optimizer ? cr_optimizer_n_moments(optimizer) : 0;
    CR_TRY(new_array(memory, state->n, "weights", &state->weights));
    for (int m = 0; m < state->n_moments; m++)
        CR_TRY(new_array(memory, state->n, "moments", &state->moments[m]));
    if (optimizer && session->config->train.ema > 0)
        CR_TRY(new_array(memory, state->n, "averaged weights", &state->ema));
done:
    if (status != CR_OK)
        cr_model_state_destroy(state);
    return status;
}

void cr_model_state_destroy(cr_model_state *state)
{
    cr_memory_release(state->memory, &state->weights);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        cr_memory_release(state->memory, &state->moments[m]);
    cr_memory_release(state->memory, &state->ema);
    memset(state, 0, sizeof *state);
}

cr_model_state cr_model_state_to_evaluate(const cr_model_state *state)
{
    return (cr_model_state){.memory = state->memory,
                            .n = state->n,
                            .weights = state->ema ? state->ema : state->weights,
                            .version = state->version};
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
    if (!image->tensors)
        return cr_fail_memory("names of tensors", (size_t)net->n_tensors * sizeof *image->tensors);
    for (int a = 0; a < 1 + state->n_moments + (state->ema ? 1 : 0); a++)
        CR_TRY(new_array(cr_memory_host(), state->n, "a copy of the weights", &image->arrays[a]));
    CR_TRY(cr_backend_state_export(session->backend, net, state->weights, image->arrays[0]));
    for (int i = 0; i < net->n_tensors; i++)
        image->tensors[image->n_tensors++] = view_of(&net->tensors[i], "", image->arrays[0]);
    image->n_weight_tensors = image->n_tensors;
    for (int m = 0; m < state->n_moments; m++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "optimizer.%s.", cr_optimizer_moment_name(optimizer, m));
        CR_TRY(cr_backend_state_export(session->backend, net, state->moments[m], image->arrays[1 + m]));
        for (int i = 0; i < net->n_param_tensors; i++)
            image->tensors[image->n_tensors++] = view_of(&net->tensors[i], prefix, image->arrays[1 + m]);
    }
    if (state->ema) {
        float *average = image->arrays[1 + state->n_moments];
        CR_TRY(cr_backend_state_export(session->backend, net, state->ema, average));
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
        cr_memory_release(cr_memory_host(), &image->arrays[a]);
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
    return status == CR_OK ? cr_backend_state_import(session->backend, session->net, canonical, native) : status;
}

cr_status cr_model_state_restore(const cr_session *session, const cr_optimizer_params *optimizer,
                                 const cr_safetensors *file, cr_model_state *state)
{
    cr_status status = CR_OK;
    float *canonical = NULL;
    CR_TRY(new_array(cr_memory_host(), state->n, "a checkpoint's tensors", &canonical));
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
        CR_TRY(cr_backend_state_import(session->backend, session->net, canonical,
                                       state->ema ? state->ema : state->weights));
    }
    state->version++;
done:
    cr_memory_release(cr_memory_host(), &canonical);
    return status;
}

/* --- first weights ---------------------------------------------------------------------------------------------- */

cr_status cr_model_state_init(const cr_session *session, cr_model_state *state)
{
    const char *pretrained = session->config->model.weights;
    cr_status status = CR_OK;
    float *canonical = NULL;
    CR_TRY(new_array(cr_memory_host(), state->n, "initial weights", &canonical));
    cr_net_init_state(session->net, session->config->train.seed, canonical);
    if (pretrained && *pretrained && session->net->uses_image)
        CR_TRY(cr_pretrained_load(session->net, pretrained, canonical));
    CR_TRY(cr_backend_state_import(session->backend, session->net, canonical, state->weights));
    if (state->ema)
        CR_TRY(cr_memory_copy(state->memory, state->weights, state->n, state->ema));
    state->version++;
done:
    cr_memory_release(cr_memory_host(), &canonical);
    return status;
}

const cr_tensor_view *cr_evaluated_tensor(const cr_safetensors *file, const char *name)
{
    char averaged[CR_TENSOR_NAME_MAX + 8];
    snprintf(averaged, sizeof averaged, "ema.%s", name);
    const cr_tensor_view *view = cr_safetensors_find(file, averaged);
    return view ? view : cr_safetensors_find(file, name);
}
