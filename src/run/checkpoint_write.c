#include "checkpoint_file.h"
#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Weights that are no numbers must never take the place of a good checkpoint. All-ones exponent: infinity or NaN. */
static cr_status check_finite(const cr_tensor_view *tensors, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t found = 0;
        const unsigned char *at = tensors[i].data;
        if (tensors[i].dtype != CR_DTYPE_F32)
            continue;
        for (size_t k = 0; k < tensors[i].bytes / sizeof(uint32_t); k++) {
            uint32_t bits;
            memcpy(&bits, at + k * sizeof bits, sizeof bits);
            found |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (found)
            return cr_fail(CR_NON_FINITE, "no checkpoint is written: tensor %s holds infinity or NaN", tensors[i].name);
    }
    return CR_OK;
}

/* The checkpoints' folder, malloc'ed; made when absent; a symbolic link is refused. */
static cr_status open_folder(const cr_run *run, char **folder)
{
    struct stat info;
    char *path = cr_path_join(run->folder, "checkpoints");
    if (!path)
        return cr_fail_memory("a path", strlen(run->folder));
    cr_status status = cr_make_folders(path);
    if (status == CR_OK && (lstat(path, &info) || !S_ISDIR(info.st_mode)))
        status = cr_fail(CR_PERMISSION, "%s: must be a folder, not a symbolic link", path);
    if (status == CR_OK)
        *folder = path;
    else
        free(path);
    return status;
}

/* A step that is written a second time must not replace the tensors that its valid JSON still refers to. */
static cr_status choose_tensors_name(const char *json_path, int64_t step, char name[CR_CHECKPOINT_NAME_MAX])
{
    cr_checkpoint_file old;
    cr_status status = cr_checkpoint_load(json_path, &old);
    snprintf(name, CR_CHECKPOINT_NAME_MAX, "step-%lld.safetensors", (long long)step);
    if (status == CR_OK && !strcmp(old.tensors, name))
        snprintf(name, CR_CHECKPOINT_NAME_MAX, "step-%lld-again.safetensors", (long long)step);
    json_decref(old.state);
    return status == CR_MISSING || status == CR_BAD_DATA ? CR_OK : status;
}

static cr_status write_tensors(const char *path, const cr_tensor_view *tensors, int64_t n, uint64_t *bytes,
                               char hash[CR_HASH_TEXT])
{
    cr_status status = CR_OK;
    char again[CR_HASH_TEXT];
    CR_TRY(cr_safetensors_write(path, tensors, n, hash));
    CR_TRY(cr_hash_file(path, bytes, again));
    if (strcmp(hash, again) != 0)
        status = cr_fail(CR_IO, "%s: reads back differently from what was written; check the disk", path);
done:
    return status;
}

/* The text of step-N.json: our fields, the caller's, and the checksum over all of it. */
static cr_status make_text(const cr_checkpoint_file *file, char **text)
{
    static const char zeros[] = "00000000000000000000000000000000";
    cr_status status = CR_OK;
    char sum[CR_HASH_TEXT];
    char *made = NULL;
    json_t *object = json_pack("{s:s, s:i, s:I, s:{s:s, s:I, s:s}}", "checksum", zeros, "format", CR_CHECKPOINT_FORMAT,
                               "step", (json_int_t)file->step, "tensors", "file", file->tensors, "bytes",
                               (json_int_t)file->tensors_bytes, "hash", file->hash);
    if (!object || json_object_update_missing(object, file->state) ||
        !(made = cr_json_text(object, JSON_INDENT(1) | JSON_REAL_PRECISION(17)))) {
        status = cr_fail(CR_INTERNAL,
                         "step %lld: the checkpoint's state makes no JSON (out of memory, or text that is not UTF-8)",
                         (long long)file->step);
        goto done;
    }
    size_t bytes = strlen(made);
    if (bytes > CR_CHECKPOINT_JSON_MAX) {
        status = cr_fail(CR_INTERNAL, "step %lld: the checkpoint's state is larger than %d bytes",
                         (long long)file->step, CR_CHECKPOINT_JSON_MAX);
        goto done;
    }
    cr_hash128(made, bytes, sum);
    memcpy(made + sizeof CR_CHECKPOINT_START - 1, sum, sizeof sum - 1);
    *text = made;
    made = NULL;
done:
    free(made);
    json_decref(object);
    return status;
}

static cr_status write_json(const char *path, const cr_checkpoint_file *file)
{
    cr_status status = CR_OK;
    cr_checkpoint_file again = {0};
    char *text = NULL;
    CR_TRY(make_text(file, &text));
    CR_TRY(cr_atomic_file_save(path, text, strlen(text)));
    CR_TRY(cr_checkpoint_load(path, &again));
    if (strcmp(again.hash, file->hash) != 0)
        status = cr_fail(CR_IO, "%s: reads back differently from what was written; check the disk", path);
done:
    json_decref(again.state);
    free(text);
    return status;
}

static bool is_kept(const cr_checkpoint_info *list, int64_t n, int64_t i, int64_t step,
                    const cr_checkpoint_policy *policy)
{
    int64_t n_better = 0;
    for (int64_t k = 0; k < n; k++)
        n_better += k != i && cr_checkpoint_better(&list[k], &list[i], policy->maximize);
    bool is_best = list[i].metric == list[i].metric && n_better < policy->keep_best;
    return list[i].step == step || n - i <= policy->keep_last || is_best;
}

static void remove_file(const char *folder, const char *name)
{
    char *path = cr_path_join(folder, name);
    if (path && unlink(path) && errno != ENOENT)
        cr_log_warning("%s: cannot remove an old checkpoint: %s", path, strerror(errno));
    free(path);
}

/* What no JSON refers to: tensors whose JSON was never committed or is gone, temporary files of a process that died.
 * Tensors of a step whose JSON is there but damaged are left for whoever wants to look. */
static void remove_orphans(const char *folder)
{
    char json[CR_CHECKPOINT_NAME_MAX + 8];
    DIR *open_folder = opendir(folder);
    if (!open_folder)
        return;
    struct dirent *entry;
    while ((entry = readdir(open_folder))) {
        int64_t step;
        const char *name = entry->d_name;
        if (!strncmp(name, "step-", 5) && strstr(name, ".tmp-")) {
            remove_file(folder, name);
            continue;
        }
        if (!cr_checkpoint_parse_name(name, ".safetensors", &step) &&
            !cr_checkpoint_parse_name(name, "-again.safetensors", &step))
            continue;
        cr_checkpoint_file file = {0};
        snprintf(json, sizeof json, "step-%lld.json", (long long)step);
        char *path = cr_path_join(folder, json);
        cr_status status = path ? cr_checkpoint_load(path, &file) : CR_INTERNAL;
        if (status == CR_MISSING || (status == CR_OK && strcmp(file.tensors, name) != 0))
            remove_file(folder, name);
        json_decref(file.state);
        free(path);
    }
    closedir(open_folder);
}

/* Only after the new checkpoint has been read back. Failing to tidy up costs room, not the checkpoint. */
static void prune(const cr_run *run, const char *folder, int64_t step, const cr_checkpoint_policy *policy)
{
    char name[CR_CHECKPOINT_NAME_MAX + 8];
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    if (cr_checkpoint_list(run->folder, &list, &n, NULL) != CR_OK) {
        cr_log_warning("old checkpoints stay: %s", cr_error_message());
        return;
    }
    for (int64_t i = 0; i < n; i++)
        if (!is_kept(list, n, i, step, policy)) { /* its tensors go below, once nothing refers to them */
            snprintf(name, sizeof name, "step-%lld.json", (long long)list[i].step);
            remove_file(folder, name);
        }
    free(list);
    if (cr_sync_folder(folder) != CR_OK)
        cr_log_warning("%s", cr_error_message());
    else
        remove_orphans(folder);
}

/* A checkpoint that failed half-way gives its room back; the message of its failure stays. */
static void tidy_up(const char *folder)
{
    char message[CR_ERROR_MAX];
    snprintf(message, sizeof message, "%s", cr_error_message());
    remove_orphans(folder);
    (void)cr_fail(CR_OK, "%s", message);
}

cr_status cr_checkpoint_write(cr_run *run, int64_t step, const cr_tensor_view *tensors, int64_t n, struct json_t *state,
                              const cr_checkpoint_policy *policy)
{
    cr_status status = CR_OK;
    cr_checkpoint_file file = {.state = state, .step = step};
    char *folder = NULL, *tensors_path = NULL, *json_path = NULL;
    char name[CR_CHECKPOINT_NAME_MAX + 8];
    uint64_t bytes = 0;
    if (step < 0 || !json_is_object(state)) {
        status = cr_fail(CR_INTERNAL, "a checkpoint needs a step and a state");
        goto done;
    }
    CR_TRY(check_finite(tensors, n));
    CR_TRY(cr_run_check(run));
    CR_TRY(open_folder(run, &folder));
    snprintf(name, sizeof name, "step-%lld.json", (long long)step);
    json_path = cr_path_join(folder, name);
    CR_TRY(json_path ? choose_tensors_name(json_path, step, file.tensors) : cr_fail_memory("a path", strlen(folder)));
    tensors_path = cr_path_join(folder, file.tensors);
    CR_TRY(tensors_path ? CR_OK : cr_fail_memory("a path", strlen(folder)));
    CR_TRY(write_tensors(tensors_path, tensors, n, &bytes, file.hash));
    file.tensors_bytes = (int64_t)bytes;
    CR_TRY(cr_run_check(run)); /* as late as can be */
    CR_TRY(write_json(json_path, &file));
    prune(run, folder, step, policy);
done:
    if (status != CR_OK && status != CR_BAD_CONFIG && folder) /* the new owner's files are none of ours */
        tidy_up(folder);
    free(json_path);
    free(tensors_path);
    free(folder);
    json_decref(state);
    return status;
}
