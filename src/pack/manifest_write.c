#include "manifest.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cr_column_kind_name(cr_column_kind kind)
{
    static const char *const names[] = {"numeric", "categorical", "list"};
    return names[kind];
}

void cr_feature_names_destroy(char ***names, int64_t n_features)
{
    if (!names || !*names)
        return;
    for (int64_t i = 0; i < n_features; i++)
        free((*names)[i]);
    free(*names);
    *names = NULL;
}

cr_status cr_feature_names_create(const cr_column *columns, int64_t n_columns, int64_t n_features, char ***names)
{
    char **made = calloc(n_features > 0 ? (size_t)n_features : 1, sizeof *made);
    if (!made)
        return cr_fail_memory("feature names", (size_t)n_features * sizeof *made);
    for (int64_t c = 0; c < n_columns; c++)
        for (int64_t f = 0; f < columns[c].n_features; f++) {
            const char *word = columns[c].kind == CR_COLUMN_LIST ? columns[c].words[f] : NULL;
            size_t bytes = strlen(columns[c].name) + (word ? strlen(word) + 2 : 1);
            char *name = malloc(bytes);
            if (!name) {
                cr_feature_names_destroy(&made, n_features);
                return cr_fail_memory("a feature's name", bytes);
            }
            snprintf(name, bytes, "%s%s%s", columns[c].name, word ? "=" : "", word ? word : "");
            made[columns[c].feature + f] = name;
        }
    *names = made;
    return CR_OK;
}

/* All json_…_new functions accept null children and give null, so that one check at the end finds any lack of memory.
 */
static json_t *texts(char *const *names, int64_t n)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < n; i++)
        if (json_array_append_new(array, json_string(names[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *columns_json(const cr_sample_table *table)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < table->n_columns; i++) {
        const cr_column *c = &table->columns[i];
        json_t *one =
            json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:I}", "name", c->name, "kind", cr_column_kind_name(c->kind),
                      "feature", (json_int_t)c->feature, "n_features", (json_int_t)c->n_features, "words",
                      texts(c->words, c->n_words), "mean", cr_json_real(c->mean), "deviation",
                      cr_json_real(c->deviation), "missing_train", (json_int_t)c->n_missing_train);
        if (json_array_append_new(array, one)) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *split_json(const cr_sample_table *table, cr_split split)
{
    json_t *classes = json_array();
    int64_t *counts = calloc((size_t)table->n_classes, sizeof *counts), n = 0;
    for (int64_t i = 0; counts && i < table->n_rows; i++)
        if (!table->rows[i].rejected && table->rows[i].split == split) {
            counts[table->rows[i].label]++;
            n++;
        }
    for (int64_t i = 0; counts && i < table->n_classes; i++)
        json_array_append_new(classes, json_integer(counts[i]));
    bool complete = counts && json_array_size(classes) == (size_t)table->n_classes;
    free(counts);
    if (!complete) {
        json_decref(classes);
        return NULL;
    }
    return json_pack("{s:I, s:o}", "samples", (json_int_t)n, "classes", classes);
}

static json_t *splits_json(const cr_sample_table *table)
{
    json_t *object = json_object();
    for (int s = 0; s < CR_N_SPLITS; s++)
        if (json_object_set_new(object, cr_split_name((cr_split)s), split_json(table, (cr_split)s))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *shards_json(const cr_shard_entry *shards, int64_t n)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < n; i++) {
        const cr_shard_entry *e = &shards[i];
        const cr_shard_offsets *o = &e->offsets;
        json_t *offsets = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "images", (json_int_t)o->images, "metadata",
                                    (json_int_t)o->metadata, "labels", (json_int_t)o->labels, "ids", (json_int_t)o->ids,
                                    "groups", (json_int_t)o->groups, "checksums", (json_int_t)o->checksums);
        json_t *one =
            json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:o}", "name", e->name, "split", cr_split_name(e->split),
                      "samples", (json_int_t)e->n_samples, "bytes", (json_int_t)e->bytes, "xxh3_128", e->hash,
                      "index_xxh3_128", e->index_hash, "offsets", offsets);
        if (json_array_append_new(array, one)) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* Reason → count, in the reasons' alphabetical order. */
static int compare_reasons(const void *a, const void *b)
{
    return strcmp((*(const cr_reject *const *)a)->reason, (*(const cr_reject *const *)b)->reason);
}

static json_t *rejects_json(const cr_sample_table *table)
{
    size_t n = (size_t)table->n_rejects;
    const cr_reject **sorted = malloc((n ? n : 1) * sizeof *sorted);
    json_t *object = sorted ? json_object() : NULL;
    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = &table->rejects[i];
    if (object)
        qsort(sorted, n, sizeof *sorted, compare_reasons);
    for (size_t first = 0, i = 0; object && i < n; i++)
        if (i + 1 == n || strcmp(sorted[i]->reason, sorted[i + 1]->reason)) {
            json_object_set_new(object, sorted[i]->reason, json_integer((json_int_t)(i + 1 - first)));
            first = i + 1;
        }
    free(sorted);
    return object;
}

static json_t *rows_json(const cr_sample_table *table)
{
    int64_t n_rejected = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        n_rejected += table->rows[i].rejected;
    return json_pack("{s:I, s:I, s:I, s:I}", "candidates", (json_int_t)table->n_rows, "filtered",
                     (json_int_t)table->n_filtered, "rejected", (json_int_t)n_rejected, "packed",
                     (json_int_t)(table->n_rows - n_rejected));
}

/* The seed as a number where JSON readers take it as one. */
static json_t *seed_json(uint64_t seed)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_string(text);
}

static json_t *file_json(const char *name, const cr_file_entry *file)
{
    return json_pack("{s:s, s:I, s:s}", "name", name, "bytes", (json_int_t)file->bytes, "xxh3_128", file->hash);
}

static json_t *manifest_json(const cr_sample_table *table, const cr_shard_entry *shards, int64_t n_shards,
                             const cr_file_entry *rejects, const cr_file_entry *samples)
{
    json_t *image =
        json_pack("{s:i, s:i, s:i, s:s, s:s}", "height", CR_PACK_IMAGE_SIZE, "width", CR_PACK_IMAGE_SIZE, "channels",
                  CR_IMAGE_CHANNELS, "resize", table->resize == CR_RESIZE_CROP ? "crop" : "squash", "exif",
                  table->apply_exif ? "apply" : "ignore");
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:I, s:o, s:s?, s:s}", "format",
                     CR_MANIFEST_FORMAT, "version", CR_MANIFEST_VERSION, "image", image, "classes",
                     texts(table->class_names, table->n_classes), "columns", columns_json(table), "splits",
                     splits_json(table), "shards", shards_json(shards, n_shards), "rows", rows_json(table), "rejects",
                     rejects_json(table), "rejects_file", file_json(CR_MANIFEST_REJECTS, rejects), "samples_file",
                     file_json(CR_MANIFEST_SAMPLES, samples), "max_rejects", table->max_rejects, "shard_samples",
                     (json_int_t)table->shard_samples, "seed", seed_json(table->seed), "leak_warning",
                     table->leak_warning, "recipe", table->recipe_text);
}

cr_status cr_manifest_write(const char *folder, const cr_sample_table *table, const cr_shard_entry *shards,
                            int64_t n_shards, const cr_file_entry *rejects, const cr_file_entry *samples,
                            char id[CR_HASH_TEXT])
{
    cr_status status;
    char *text = NULL, *path = cr_path_join(folder, CR_MANIFEST_FILE), *whole = NULL, check[CR_HASH_TEXT];
    json_t *json = manifest_json(table, shards, n_shards, rejects, samples);
    if (!json || !path || !(text = cr_json_text(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)))) {
        status = cr_fail(CR_INTERNAL, "the manifest cannot be written as JSON (out of memory, or text not in UTF-8)");
        goto done;
    }
    size_t bytes = strlen(text) - 2; /* without the closing "\n}" */
    size_t room = bytes + CR_MANIFEST_TAIL_BYTES + 1;
    whole = malloc(room);
    if (!whole) {
        status = cr_fail_memory("the manifest", room);
        goto done;
    }
    memcpy(whole, text, bytes);
    cr_hash128(whole, bytes, check);
    snprintf(whole + bytes, room - bytes, CR_MANIFEST_TAIL_FORMAT, check);
    bytes += CR_MANIFEST_TAIL_BYTES;
    cr_hash128(whole, bytes, id);
    CR_TRY(cr_atomic_file_save(path, whole, bytes));
done:
    json_decref(json);
    free(text);
    free(path);
    free(whole);
    return status;
}
