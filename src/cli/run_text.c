#include "run_text.h"

#include "crisol/atomic_file.h"
#include "crisol/config.h"
#include "crisol/json.h"
#include "crisol/run.h"
#include "crisol/train.h"
#include "pack_text.h"

#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORD_MAX_BYTES = 1 << 24
};

typedef struct checkpoint {
    long long step, epoch;
    double metric, megabytes;
    cr_status status;
    char message[CR_ERROR_MAX];
} checkpoint;

static bool has_file(const char *folder, const char *name)
{
    char *path = cr_path_join(folder, name);
    bool found = path && !access(path, F_OK);
    free(path);
    return found;
}

bool cli_is_run(const char *path)
{
    return !has_file(path, "manifest.json") && (has_file(path, "config.yaml") || has_file(path, "checkpoints"));
}

/* Reads one to its last byte. */
static void read_checkpoint(const char *path, checkpoint *found)
{
    json_t *state = NULL;
    cr_safetensors *tensors = NULL;
    *found = (checkpoint){.metric = NAN};
    const char *number = strrchr(path, '-');
    found->step = number ? strtoll(number + 1, NULL, 10) : -1;
    found->status = cr_checkpoint_open(path, path, false, &state, &tensors);
    if (found->status != CR_OK) {
        snprintf(found->message, sizeof found->message, "%s", cr_error_message());
        return;
    }
    found->epoch = json_integer_value(json_object_get(state, "epoch"));
    if (cr_json_get_real(state, "metric", path, &found->metric) != CR_OK)
        found->metric = NAN;
    for (int64_t i = 0; i < cr_safetensors_count(tensors); i++)
        found->megabytes += (double)cr_safetensors_at(tensors, i)->bytes / 1e6;
    cr_safetensors_close(&tensors);
    json_decref(state);
}

static int compare_steps(const void *a, const void *b)
{
    long long x = ((const checkpoint *)a)->step, y = ((const checkpoint *)b)->step;
    return (x > y) - (x < y);
}

static cr_status read_all(const char *folder, checkpoint **list, size_t *n)
{
    glob_t names = {0};
    *list = NULL;
    *n = 0;
    char *pattern = cr_path_join(folder, "checkpoints");
    if (!pattern || chdir(pattern)) { /* so that no letter of the folder's name means a pattern */
        free(pattern);
        return CR_OK;
    }
    free(pattern);
    if (!glob("step-*.json", 0, NULL, &names)) {
        *list = calloc(names.gl_pathc, sizeof **list);
        if (!*list) {
            globfree(&names);
            return cr_fail_memory("a list of checkpoints", names.gl_pathc * sizeof **list);
        }
        *n = names.gl_pathc;
        for (size_t i = 0; i < *n; i++)
            read_checkpoint(names.gl_pathv[i], &(*list)[i]);
        qsort(*list, *n, sizeof **list, compare_steps);
    }
    globfree(&names);
    return CR_OK;
}

static cr_status read_config(const char *folder, cr_config **config)
{
    char *path = cr_path_join(folder, "config.yaml");
    cr_status status = path ? cr_config_create(config) : cr_fail_memory("a path", strlen(folder));
    if (status == CR_OK)
        status = cr_config_read(*config, path);
    free(path);
    return status;
}

static const checkpoint *find_best(const checkpoint *list, size_t n, bool maximize)
{
    const checkpoint *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (list[i].status != CR_OK || isnan(list[i].metric))
            continue;
        if (!best || (maximize ? list[i].metric > best->metric : list[i].metric < best->metric))
            best = &list[i];
    }
    return best;
}

static void print_command(const char *folder)
{
    json_t *record = NULL;
    const char *command;
    char *path = cr_path_join(folder, "record.json");
    if (path && cr_json_load(path, RECORD_MAX_BYTES, &record) == CR_OK &&
        cr_json_get_string(record, "command", path, &command) == CR_OK) {
        printf("  started with  ");
        cli_print_name(stdout, command, 0);
        printf("\n");
    }
    json_decref(record);
    free(path);
}

static void print_checkpoints(const checkpoint *list, size_t n, const checkpoint *best, const char *monitor)
{
    printf("\n  %10s %8s %18s %10s\n", "step", "epoch", monitor, "MB");
    for (size_t i = 0; i < n; i++) {
        if (list[i].status != CR_OK) {
            printf("  %10lld  damaged: %s\n", list[i].step, list[i].message);
            continue;
        }
        char metric[32] = "-";
        if (!isnan(list[i].metric))
            snprintf(metric, sizeof metric, "%.4f", list[i].metric);
        printf("  %10lld %8lld %18s %10.1f  whole%s\n", list[i].step, list[i].epoch, metric, list[i].megabytes,
               &list[i] == best ? ", best" : "");
    }
}

cr_status cli_inspect_run(const char *path)
{
    char owner[256] = "", folder[4096];
    cr_config *config = NULL;
    checkpoint *list = NULL;
    size_t n = 0, n_good = 0;
    const checkpoint *last = NULL;
    cr_status status;
    if (!realpath(path, folder))
        return cr_fail_errno("%s", path);
    CR_TRY(read_config(folder, &config));
    CR_TRY(cr_run_name_owner(folder, owner, sizeof owner));
    CR_TRY(read_all(folder, &list, &n));
    for (size_t i = 0; i < n; i++)
        if (list[i].status == CR_OK) {
            last = &list[i];
            n_good++;
        }
    bool is_done = last && last->epoch >= config->train.epochs;
    printf("run %s\n", path);
    print_command(folder);
    printf("  writing now   ");
    cli_print_name(stdout, owner[0] ? owner : "nobody", 0);
    printf("\n");
    printf("  progress      %lld of %lld epochs, step %lld\n", last ? last->epoch : 0, (long long)config->train.epochs,
           last ? last->step : 0);
    printf("  checkpoints   %zu, %zu of them whole\n", n, n_good);
    if (n > 0)
        print_checkpoints(list, n, find_best(list, n, cr_monitor_is_maximized(config)), config->train.monitor);
    if (last)
        printf("\n  %s: crisol train %s/config.yaml --output %s%s\n", is_done ? "for more epochs" : "to go on", path,
               path, is_done ? " --set train.epochs=N" : "");
    else
        printf("\n  no whole checkpoint\n");
done:
    free(list);
    cr_config_destroy(&config);
    return status;
}

cr_status cli_verify_run(const char *path, bool quiet)
{
    checkpoint *list = NULL;
    size_t n = 0, n_bad = 0;
    const checkpoint *first = NULL;
    cr_status status = read_all(path, &list, &n);
    for (size_t i = 0; status == CR_OK && i < n; i++)
        if (list[i].status != CR_OK && n_bad++ == 0)
            first = &list[i];
    if (status == CR_OK && n == 0)
        status = cr_fail(CR_MISSING, "%s: there is no checkpoint", path);
    else if (first)
        status = cr_fail(first->status, "%s: %zu of %zu checkpoints are damaged; the first: %s", path, n_bad, n,
                         first->message);
    else if (status == CR_OK && !quiet)
        printf("%s: %zu checkpoints, every byte is as it was written\n", path, n);
    free(list);
    return status;
}
