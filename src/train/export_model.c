/* A checkpoint's model for other programs: the tensors are in the checkpoint already, under PyTorch's names. */
#include "crisol/json.h"
#include "crisol/log.h"
#include "crisol/run.h"
#include "crisol/train.h"
#include "model_state.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct collection {
    cr_tensor_view *views;
    int64_t n;
} collection;

static bool is_of_model(const char *name)
{
    return !strncmp(name, "image.", 6) || !strncmp(name, "metadata.", 9) || !strncmp(name, "head.", 5);
}

/* torch.nn.BatchNorm2d counts its training batches beside its statistics; loading with strict=True asks for it. */
static bool add_counter(collection *all, const cr_tensor_view *view, const int64_t *step)
{
    static const char suffix[] = ".running_var", counter[] = ".num_batches_tracked";
    size_t length = strlen(view->name);
    if (length < sizeof suffix || strcmp(view->name + length - (sizeof suffix - 1), suffix) != 0)
        return true;
    size_t stem = length - (sizeof suffix - 1);
    cr_tensor_view *added = &all->views[all->n++];
    *added = (cr_tensor_view){.dtype = CR_DTYPE_I64, .rank = 0, .data = step, .bytes = sizeof *step};
    if (stem + sizeof counter > sizeof added->name)
        return false;
    memcpy(added->name, view->name, stem);
    memcpy(added->name + stem, counter, sizeof counter);
    return true;
}

/* The 8-byte counters first: every tensor then begins at a multiple of its element's size. */
static cr_status collect(const cr_safetensors *tensors, const int64_t *step, collection *all)
{
    int64_t n = cr_safetensors_count(tensors);
    all->views = calloc((size_t)n * 2 + 1, sizeof *all->views);
    if (!all->views)
        return cr_fail_memory("a list of tensors", (size_t)n * 2 * sizeof *all->views);
    for (int64_t i = 0; i < n; i++) {
        const cr_tensor_view *view = cr_safetensors_at(tensors, i);
        if (is_of_model(view->name) && !add_counter(all, view, step))
            return cr_fail(CR_BAD_DATA, "tensor %s: its name is too long", view->name);
    }
    for (int64_t i = 0; i < n; i++) {
        const cr_tensor_view *view = cr_safetensors_at(tensors, i);
        if (!is_of_model(view->name))
            continue;
        if (view->dtype != CR_DTYPE_F32 || cr_evaluated_tensor(tensors, view->name)->dtype != CR_DTYPE_F32)
            return cr_fail(CR_BAD_DATA, "tensor %s is not of float32", view->name);
        cr_tensor_view *added = &all->views[all->n++];
        *added = *cr_evaluated_tensor(tensors, view->name);
        memcpy(added->name, view->name, sizeof added->name);
    }
    return all->n ? CR_OK : cr_fail(CR_BAD_DATA, "the checkpoint has no weights of a model");
}

cr_status cr_export(const cr_export_options *options)
{
    cr_config *config = NULL;
    json_t *state = NULL;
    cr_safetensors *tensors = NULL;
    collection all = {0};
    char hash[CR_HASH_TEXT];
    int64_t step;
    cr_status status = CR_OK;
    CR_TRY(cr_session_read_config(options->run, &config));
    CR_TRY(cr_checkpoint_open(options->run, options->checkpoint, cr_monitor_is_maximized(config), &state, &tensors));
    CR_TRY(cr_json_get_int(state, "step", options->run, 0, INT64_MAX, &step));
    CR_TRY(collect(tensors, &step, &all));
    CR_TRY(cr_safetensors_write(options->output, all.views, all.n, hash));
    cr_log_info("%s: %lld tensors of step %lld of %s", options->output, (long long)all.n, (long long)step,
                options->run);
done:
    free(all.views);
    cr_safetensors_close(&tensors);
    json_decref(state);
    cr_config_destroy(&config);
    return status;
}
