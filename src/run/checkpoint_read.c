#include "checkpoint_file.h"
#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "safetensors_file.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DIGITS = CR_HASH_TEXT - 1
};

bool cr_checkpoint_parse_name(const char *name, const char *suffix, int64_t *step)
{
    char wanted[CR_CHECKPOINT_NAME_MAX];
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return false;
    errno = 0;
    long long number = strtoll(name + 5, NULL, 10);
    if (errno)
        return false;
    snprintf(wanted, sizeof wanted, "step-%lld%s", number, suffix);
    if (strcmp(name, wanted) != 0)
        return false;
    *step = number;
    return true;
}

static int compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

cr_status cr_checkpoint_scan(const char *folder, int64_t **steps, int64_t *n)
{
    cr_status status = CR_OK;
    int64_t *found = NULL, n_found = 0, room = 0, step;
    *steps = NULL;
    *n = 0;
    DIR *open_folder = opendir(folder);
    if (!open_folder)
        return errno == ENOENT ? CR_OK : cr_fail_errno("%s", folder);
    struct dirent *entry;
    while (errno = 0, entry = readdir(open_folder)) {
        if (!cr_checkpoint_parse_name(entry->d_name, ".json", &step))
            continue;
        if (n_found == room) {
            room = room ? 2 * room : 16;
            int64_t *grown = realloc(found, (size_t)room * sizeof *found);
            if (!grown) {
                status = cr_fail_memory("a list of checkpoints", (size_t)room * sizeof *found);
                goto done;
            }
            found = grown;
        }
        found[n_found++] = step;
    }
    if (errno) {
        status = cr_fail_errno("%s: cannot list", folder);
        goto done;
    }
    if (n_found)
        qsort(found, (size_t)n_found, sizeof *found, compare_steps);
    *steps = found;
    *n = n_found;
    found = NULL;
done:
    free(found);
    closedir(open_folder);
    return status;
}

static bool is_hash(const char *text)
{
    return strlen(text) == DIGITS && strspn(text, "0123456789abcdef") == DIGITS;
}

/* The checksum first: nothing else of a damaged file is believed. */
static cr_status check_sum(const char *path, char *text, size_t bytes)
{
    const size_t start = sizeof CR_CHECKPOINT_START - 1;
    char kept[CR_HASH_TEXT] = "", sum[CR_HASH_TEXT];
    if (bytes < start + DIGITS || memcmp(text, CR_CHECKPOINT_START, start) != 0)
        return cr_fail(CR_BAD_DATA, "%s: no checkpoint, or its beginning is damaged", path);
    memcpy(kept, text + start, DIGITS);
    memset(text + start, '0', DIGITS);
    cr_hash128(text, bytes, sum);
    if (strcmp(kept, sum) != 0)
        return cr_fail(CR_BAD_DATA, "%s: damaged: its checksum does not match", path);
    return CR_OK;
}

/* The file of the tensors stands beside the JSON and is named after it: a checkpoint never points elsewhere. */
static cr_status read_fields(const char *path, cr_checkpoint_file *file)
{
    cr_status status = CR_OK;
    int64_t format, other;
    json_t *tensors;
    const char *name, *hash;
    CR_TRY(cr_json_get_int(file->state, "format", path, 0, INT64_MAX, &format));
    if (format != CR_CHECKPOINT_FORMAT) {
        status = cr_fail(CR_BAD_DATA, "%s: format %lld, this version reads %d", path, (long long)format,
                         CR_CHECKPOINT_FORMAT);
        goto done;
    }
    CR_TRY(cr_json_get_int(file->state, "step", path, 0, INT64_MAX, &file->step));
    CR_TRY(cr_json_get_object(file->state, "tensors", path, &tensors));
    CR_TRY(cr_json_get_string(tensors, "file", path, &name));
    CR_TRY(cr_json_get_int(tensors, "bytes", path, 0, INT64_MAX, &file->tensors_bytes));
    CR_TRY(cr_json_get_string(tensors, "hash", path, &hash));
    bool named = cr_checkpoint_parse_name(name, ".safetensors", &other) ||
                 cr_checkpoint_parse_name(name, "-again.safetensors", &other);
    if (!named || other != file->step || !is_hash(hash)) {
        status = cr_fail(CR_BAD_DATA, "%s: \"tensors\" names no file of this step, or no hash", path);
        goto done;
    }
    snprintf(file->tensors, sizeof file->tensors, "%s", name);
    memcpy(file->hash, hash, sizeof file->hash);
    json_object_del(file->state, "checksum");
    json_object_del(file->state, "format");
    json_object_del(file->state, "tensors");
done:
    return status;
}

cr_status cr_checkpoint_load(const char *path, cr_checkpoint_file *file)
{
    cr_status status = CR_OK;
    char *text = NULL;
    size_t bytes = 0;
    *file = (cr_checkpoint_file){0};
    CR_TRY(cr_read_file(path, CR_CHECKPOINT_JSON_MAX, &text, &bytes));
    CR_TRY(check_sum(path, text, bytes));
    CR_TRY(cr_json_parse(text, bytes, path, &file->state));
    CR_TRY(read_fields(path, file));
done:
    if (status != CR_OK) {
        json_decref(file->state);
        file->state = NULL;
    }
    free(text);
    return status;
}

/* "folder/step-N.json" → "folder/NAME"; malloc'ed, null when out of memory. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0, bytes = folder + strlen(name) + 1;
    char *joined = malloc(bytes);
    if (joined)
        snprintf(joined, bytes, "%.*s%s", (int)folder, path, name);
    return joined;
}

static cr_status open_tensors(const char *path, const cr_checkpoint_file *file, cr_safetensors **tensors)
{
    cr_status status = CR_OK;
    cr_safetensors *opened = NULL;
    char sum[CR_HASH_TEXT];
    char *name = beside(path, file->tensors);
    if (!name)
        return cr_fail_memory("a path", strlen(path));
    CR_TRY(cr_safetensors_open(name, &opened));
    /* of the mapping that is handed out, not of the name a second time */
    cr_hash128(opened->map, opened->map_bytes, sum);
    if (opened->map_bytes != (uint64_t)file->tensors_bytes || strcmp(sum, file->hash) != 0) {
        status = cr_fail(CR_BAD_DATA, "%s: damaged: size or hash differ from those in %s", name, path);
        goto done;
    }
    *tensors = opened;
    opened = NULL;
done:
    cr_safetensors_close(&opened);
    free(name);
    return status == CR_MISSING ? CR_BAD_DATA : status; /* half a checkpoint is a damaged one */
}

static cr_status open_path(const char *path, struct json_t **state, cr_safetensors **tensors)
{
    cr_checkpoint_file file;
    cr_status status = cr_checkpoint_load(path, &file);
    if (status != CR_OK)
        return status;
    status = open_tensors(path, &file, tensors);
    if (status == CR_OK)
        *state = file.state;
    else
        json_decref(file.state);
    return status;
}

static cr_status make_path(const char *folder, int64_t step, char path[], size_t bytes)
{
    int length = snprintf(path, bytes, "%s/step-%lld.json", folder, (long long)step);
    if (length < 0 || (size_t)length >= bytes)
        return cr_fail(CR_USAGE, "%s: path too long", folder);
    return CR_OK;
}

/* Facts of the checkpoint of one step; CR_BAD_DATA when its JSON is damaged or its tensors are absent or of another
 * size. */
static cr_status read_info(const char *folder, int64_t step, cr_checkpoint_info *info)
{
    cr_status status = CR_OK;
    cr_checkpoint_file file = {0};
    char *name = NULL;
    struct stat found;
    CR_TRY(make_path(folder, step, info->path, sizeof info->path));
    CR_TRY(cr_checkpoint_load(info->path, &file));
    name = beside(info->path, file.tensors);
    if (!name) {
        status = cr_fail_memory("a path", sizeof file.tensors);
        goto done;
    }
    if (stat(name, &found) || found.st_size != file.tensors_bytes || file.step != step) {
        status = cr_fail(CR_BAD_DATA, "%s: its tensors are missing or of another size", info->path);
        goto done;
    }
    info->step = step;
    info->epoch = json_integer_value(json_object_get(file.state, "epoch"));
    if (!json_object_get(file.state, "metric") ||
        cr_json_get_real(file.state, "metric", info->path, &info->metric) != CR_OK)
        info->metric = NAN;
    memcpy(info->hash, file.hash, sizeof info->hash);
done:
    free(name);
    json_decref(file.state);
    return status;
}

cr_status cr_checkpoint_list(const char *run_folder, cr_checkpoint_info **list, int64_t *n, int64_t *n_damaged)
{
    cr_status status = CR_OK;
    int64_t *steps = NULL, n_steps = 0, damaged = 0;
    cr_checkpoint_info *made = NULL;
    *list = NULL;
    *n = 0;
    char *folder = cr_path_join(run_folder, "checkpoints");
    if (!folder)
        return cr_fail_memory("a path", strlen(run_folder));
    CR_TRY(cr_checkpoint_scan(folder, &steps, &n_steps));
    made = calloc(n_steps > 0 ? (size_t)n_steps : 1, sizeof *made);
    if (!made) {
        status = cr_fail_memory("a list of checkpoints", (size_t)n_steps * sizeof *made);
        goto done;
    }
    for (int64_t i = 0; i < n_steps; i++) {
        status = read_info(folder, steps[i], &made[*n]);
        *n += status == CR_OK;
        damaged += status == CR_BAD_DATA;
        if (status == CR_BAD_DATA || status == CR_MISSING) /* missing: pruned meanwhile */
            cr_log_warning("passing over a checkpoint: %s", cr_error_message());
        else
            CR_TRY(status);
    }
    status = CR_OK;
    *list = made;
    made = NULL;
done:
    if (n_damaged)
        *n_damaged = damaged;
    free(made);
    free(steps);
    free(folder);
    return status;
}

bool cr_checkpoint_better(const cr_checkpoint_info *a, const cr_checkpoint_info *b, bool maximize)
{
    if (isnan(a->metric) || isnan(b->metric))
        return !isnan(a->metric);
    if (a->metric != b->metric)
        return maximize ? a->metric > b->metric : a->metric < b->metric;
    return a->step < b->step;
}

static cr_status open_best(const char *run_folder, bool maximize, struct json_t **state, cr_safetensors **tensors)
{
    cr_status status = CR_OK;
    cr_checkpoint_info *list = NULL;
    int64_t n = 0, n_damaged = 0, best = -1;
    CR_TRY(cr_checkpoint_list(run_folder, &list, &n, &n_damaged));
    for (int64_t i = 0; i < n; i++)
        if (!isnan(list[i].metric) && (best < 0 || cr_checkpoint_better(&list[i], &list[best], maximize)))
            best = i;
    if (best < 0) {
        status =
            cr_fail(CR_MISSING,
                    n > 0 ? "%s: no checkpoint is of an epoch's end, so none is the best; --checkpoint last takes the "
                            "newest"
                          : "%s: there is no checkpoint that can be read",
                    run_folder);
        goto done;
    }
    if (n_damaged > 0)
        cr_log_warning(
            "%s: taking step %lld, the best of the checkpoints that are whole; a damaged one may have been better",
            run_folder, (long long)list[best].step);
    CR_TRY(open_path(list[best].path, state, tensors));
done:
    free(list);
    return status;
}

/* Newest first, down to the first that is whole. */
static cr_status open_last(const char *run_folder, struct json_t **state, cr_safetensors **tensors)
{
    cr_status status = CR_OK;
    int64_t *steps = NULL, n = 0;
    char path[4096];
    char *folder = cr_path_join(run_folder, "checkpoints");
    if (!folder)
        return cr_fail_memory("a path", strlen(run_folder));
    CR_TRY(cr_checkpoint_scan(folder, &steps, &n));
    status = cr_fail(CR_MISSING, "%s: no checkpoint", folder);
    for (int64_t i = n - 1; i >= 0; i--) {
        cr_status made = make_path(folder, steps[i], path, sizeof path);
        status = made == CR_OK ? open_path(path, state, tensors) : made;
        if (status != CR_BAD_DATA && status != CR_MISSING)
            goto done;
        cr_log_warning("passing over a checkpoint: %s", cr_error_message());
    }
    if (n > 0)
        status = cr_fail(CR_BAD_DATA, "%s: all %lld checkpoints are damaged", folder, (long long)n);
done:
    free(steps);
    free(folder);
    return status;
}

cr_status cr_checkpoint_open(const char *run_folder, const char *which, bool maximize, struct json_t **state,
                             cr_safetensors **tensors)
{
    *state = NULL;
    *tensors = NULL;
    if (!strcmp(which, "last"))
        return open_last(run_folder, state, tensors);
    if (!strcmp(which, "best"))
        return open_best(run_folder, maximize, state, tensors);
    return open_path(which, state, tensors);
}
