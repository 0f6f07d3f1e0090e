#include "repeat.h"

#include "crisol/atomic_file.h"
#include "crisol/hash.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "crisol/record.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_at(const json_t *record, const char *section, const char *key)
{
    const json_t *inner = section ? json_object_get(record, section) : record;
    const char *text = json_string_value(json_object_get(inner, key));
    return text ? text : "";
}

/* The config that the run ended with: a resume may have changed what is free to change. */
static const char *last_config(const json_t *record)
{
    const char *text = text_at(record, NULL, "config");
    size_t i;
    json_t *attempt;
    json_array_foreach(json_object_get(record, "attempts"), i, attempt)
    {
        const char *changed = text_at(attempt, "changed", "config");
        text = *changed ? changed : text;
    }
    return text;
}

static cr_status parse(const char *text, const char *name, cr_config **config)
{
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(config));
    CR_TRY(cr_config_parse(*config, text, strlen(text), name));
done:
    return status;
}

static void one_line(char *text)
{
    for (char *end = text; end && (end = strchr(end, '\n'));)
        *end = end[1] ? ';' : '\0';
}

/* A record whose checksum is wrong: what in it contradicts the run directory's other files? */
static cr_status name_change(const char *run, const json_t *record)
{
    cr_config *said = NULL, *had = NULL;
    char *difference = NULL, *path = cr_path_join(run, "config.yaml");
    char what[CR_ERROR_MAX / 2] = "which of its facts cannot be told";
    cr_status status = path ? CR_OK : cr_fail_memory("a path", 1);
    CR_TRY(status);
    CR_TRY(parse(last_config(record), "the record's config", &said));
    json_int_t seed = json_integer_value(json_object_get(record, "seed"));
    if ((uint64_t)seed != said->train.seed)
        snprintf(what, sizeof what, "its seed is %lld, but that of its config %llu", (long long)seed,
                 (unsigned long long)said->train.seed);
    CR_TRY(cr_config_create(&had));
    CR_TRY(cr_config_read(had, path));
    CR_TRY(cr_config_compare(had, said, &difference));
    one_line(difference);
    if (difference)
        snprintf(what, sizeof what, "its config differs from config.yaml: %s", difference);
done:
    if (status == CR_OK || status == CR_MISSING) /* without a config.yaml there is nothing to compare with */
        status = cr_fail(CR_BAD_DATA, "%s/record.json was changed after it was written (its checksum is wrong); %s",
                         run, what);
    free(difference);
    free(path);
    cr_config_destroy(&said);
    cr_config_destroy(&had);
    return status;
}

static bool is_pack(const char *folder, const char *id)
{
    char hash[CR_HASH_TEXT];
    uint64_t bytes;
    char *path = cr_path_join(folder, "manifest.json");
    bool found = path && cr_hash_file(path, &bytes, hash) == CR_OK && !strcmp(hash, id);
    free(path);
    return found;
}

/* The folder itself, or one in it. malloc'ed, null when there is none. */
static char *search(const char *folder, const char *id)
{
    char *found = NULL;
    if (is_pack(folder, id))
        return strdup(folder);
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry = NULL; open_folder && !found && (entry = readdir(open_folder));) {
        char *inner = entry->d_name[0] == '.' ? NULL : cr_path_join(folder, entry->d_name);
        if (inner && is_pack(inner, id))
            found = inner;
        else
            free(inner);
    }
    if (open_folder)
        closedir(open_folder);
    return found;
}

/* Where it was, beside that (it may have been renamed), or in the folder that the user names. */
static cr_status find_pack(const cr_repeat_options *options, const json_t *record, cr_config *config)
{
    const char *id = text_at(record, "pack", "id"), *recorded = text_at(record, "pack", "folder");
    char *parent = strdup(recorded);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    if (slash)
        *slash = 0;
    char *found = options->packs ? search(options->packs, id) : NULL;
    if (!found)
        found = search(recorded, id);
    if (!found && slash)
        found = search(parent, id);
    free(parent);
    if (!found)
        return cr_fail(CR_MISSING,
                       "the run was trained on pack %s, which is no longer %s, nor beside it%s%s; name the "
                       "folder that has it with --packs",
                       id, recorded, options->packs ? ", nor in " : "", options->packs ? options->packs : "");
    free(config->data.pack);
    config->data.pack = found;
    return CR_OK;
}

static cr_status check_weights_file(const json_t *record)
{
    const char *path = text_at(record, "weights_file", "path"), *wanted = text_at(record, "weights_file", "hash");
    char hash[CR_HASH_TEXT];
    uint64_t bytes;
    cr_status status = *path ? cr_hash_file(path, &bytes, hash) : CR_OK;
    if (*path && status == CR_OK && strcmp(hash, wanted) != 0)
        status = cr_fail(CR_MISSING, "%s: the run started from a file of this name with hash %s, this one has %s", path,
                         wanted, hash);
    return status;
}

/* As far as the record goes: to the last epoch that it has. */
static cr_status find_last_step(const char *run, const json_t *record, int64_t *step)
{
    const json_t *weights = json_object_get(record, "weights"), *epochs = json_object_get(weights, "epochs");
    size_t n = json_array_size(epochs);
    if (!json_object_get(weights, "start"))
        return cr_fail(CR_BAD_DATA, "%s/record.json does not reach back to the start of the training", run);
    if (n == 0)
        return cr_fail(CR_BAD_DATA, "%s/record.json: no epoch has ended yet; there is nothing to compare", run);
    return cr_json_get_int(json_array_get(epochs, n - 1), "step", "record.json", 1, INT64_MAX, step);
}

static cr_status make_config(const cr_repeat_options *options, cr_repeat_source *source)
{
    int64_t step;
    cr_status status = CR_OK;
    const char *text = last_config(source->record);
    CR_TRY(find_last_step(options->run, source->record, &step));
    CR_TRY(parse(text, "the record's config", &source->original));
    CR_TRY(parse(text, "the record's config", &source->config));
    CR_TRY(check_weights_file(source->record));
    CR_TRY(find_pack(options, source->record, source->config));
    for (int i = 0; i < options->n_sets; i++)
        CR_TRY(cr_config_set(source->config, options->sets[i]));
    source->config->train.stop_after_steps = step;
    source->config->train.time_limit = 0;
    CR_TRY(cr_config_check(source->config));
done:
    return status;
}

cr_status cr_repeat_open(const cr_repeat_options *options, cr_repeat_source *source)
{
    bool is_whole = true;
    cr_status status = CR_OK;
    *source = (cr_repeat_source){NULL, NULL, NULL};
    CR_TRY(cr_record_read_any(options->run, &source->record, &is_whole));
    if (!is_whole)
        CR_TRY(name_change(options->run, source->record));
    CR_TRY(make_config(options, source));
done:
    if (status != CR_OK)
        cr_repeat_close(source);
    return status;
}

void cr_repeat_close(cr_repeat_source *source)
{
    json_decref(source->record);
    cr_config_destroy(&source->original);
    cr_config_destroy(&source->config);
    source->record = NULL;
}
