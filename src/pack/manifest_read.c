/* Reads a manifest as if an enemy had written it. */
#include "manifest.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void cr_manifest_destroy(cr_manifest **manifest)
{
    if (!manifest || !*manifest)
        return;
    cr_manifest *m = *manifest;
    cr_feature_names_destroy(&m->feature_names, m->n_features);
    for (int64_t i = 0; m->columns && i < m->n_columns; i++) {
        free(m->columns[i].name);
        for (int64_t w = 0; m->columns[i].words && w < m->columns[i].n_words; w++)
            free(m->columns[i].words[w]);
        free(m->columns[i].words);
    }
    free(m->columns);
    free(m->class_names);
    free(m->shards);
    json_decref(m->json);
    free(m);
    *manifest = NULL;
}

/* An array's string i, or null with a message. */
static const char *text_at(const json_t *array, size_t i, const char *key, const char *where)
{
    const char *text = json_string_value(json_array_get(array, i));
    if (!text)
        (void)cr_fail(CR_BAD_DATA, "%s: \"%s\" must hold strings", where, key);
    return text;
}

static cr_status read_classes(cr_manifest *m, const char *where)
{
    json_t *array = NULL;
    cr_status status;
    CR_TRY(cr_json_get_array(m->json, "classes", where, &array));
    m->n_classes = (int64_t)json_array_size(array);
    if (m->n_classes < 1 || m->n_classes > CR_PACK_MAX_CLASSES)
        return cr_fail(CR_BAD_DATA, "%s: %lld classes; 1 to %d are possible", where, (long long)m->n_classes,
                       CR_PACK_MAX_CLASSES);
    m->class_names = calloc((size_t)m->n_classes, sizeof *m->class_names);
    if (!m->class_names)
        return cr_fail_memory("class names", (size_t)m->n_classes * sizeof *m->class_names);
    for (int64_t i = 0; i < m->n_classes; i++) {
        m->class_names[i] = text_at(array, (size_t)i, "classes", where);
        if (!m->class_names[i])
            return CR_BAD_DATA;
    }
done:
    return status;
}

static cr_status read_words(const json_t *json, const char *where, cr_column *column)
{
    json_t *array = NULL;
    cr_status status;
    CR_TRY(cr_json_get_array(json, "words", where, &array));
    size_t n = json_array_size(array);
    column->words = calloc(n ? n : 1, sizeof *column->words);
    if (!column->words)
        return cr_fail_memory("a vocabulary", n * sizeof *column->words);
    for (size_t i = 0; i < n; i++) {
        const char *word = text_at(array, i, "words", where);
        if (!word)
            return CR_BAD_DATA;
        column->words[i] = strdup(word);
        if (!column->words[i])
            return cr_fail_memory("a word", strlen(word));
        column->n_words = (int64_t)i + 1;
    }
done:
    return status;
}

static cr_status read_kind(const json_t *json, const char *where, cr_column *column)
{
    const char *kind = NULL;
    cr_status status = cr_json_get_string(json, "kind", where, &kind);
    if (status != CR_OK)
        return status;
    for (int i = CR_COLUMN_NUMERIC; i <= CR_COLUMN_LIST; i++)
        if (!strcmp(kind, cr_column_kind_name((cr_column_kind)i))) {
            column->kind = (cr_column_kind)i;
            return CR_OK;
        }
    return cr_fail(CR_BAD_DATA, "%s: column kind \"%s\" is unknown", where, kind);
}

static cr_status read_column(const json_t *json, const char *where, int64_t feature, cr_column *column)
{
    const char *name = NULL;
    cr_status status;
    if (!json_is_object(json))
        return cr_fail(CR_BAD_DATA, "%s: \"columns\" must hold objects", where);
    CR_TRY(cr_json_get_string(json, "name", where, &name));
    column->name = strdup(name);
    if (!column->name)
        return cr_fail_memory("a column's name", strlen(name));
    CR_TRY(read_kind(json, where, column));
    CR_TRY(read_words(json, where, column));
    /* features follow one another without a gap */
    CR_TRY(cr_json_get_int(json, "feature", where, feature, feature, &column->feature));
    int64_t n = column->kind == CR_COLUMN_LIST ? column->n_words : 1;
    CR_TRY(cr_json_get_int(json, "n_features", where, n, n, &column->n_features));
    CR_TRY(cr_json_get_real(json, "mean", where, &column->mean));
    CR_TRY(cr_json_get_real(json, "deviation", where, &column->deviation));
    CR_TRY(cr_json_get_int(json, "missing_train", where, 0, INT64_MAX, &column->n_missing_train));
    if (!isfinite(column->mean) || !isfinite(column->deviation) || column->deviation < 0)
        return cr_fail(CR_BAD_DATA, "%s: column \"%s\" has no usable mean and deviation", where, column->name);
done:
    return status;
}

static cr_status read_columns(cr_manifest *m, const char *where)
{
    json_t *array = NULL;
    cr_status status;
    CR_TRY(cr_json_get_array(m->json, "columns", where, &array));
    size_t n = json_array_size(array);
    if (n > CR_PACK_MAX_COLUMNS)
        return cr_fail(CR_BAD_DATA, "%s: %zu columns; at most %d are possible", where, n, CR_PACK_MAX_COLUMNS);
    m->columns = calloc(n ? n : 1, sizeof *m->columns);
    if (!m->columns)
        return cr_fail_memory("columns", n * sizeof *m->columns);
    int64_t n_features = 0;
    for (size_t i = 0; i < n; i++) {
        m->n_columns = (int64_t)i + 1; /* so that a half-read column is freed */
        CR_TRY(read_column(json_array_get(array, i), where, n_features, &m->columns[i]));
        n_features += m->columns[i].n_features;
        if (n_features > CR_MANIFEST_MAX_FEATURES)
            return cr_fail(CR_BAD_DATA, "%s: more than %d features", where, CR_MANIFEST_MAX_FEATURES);
    }
    CR_TRY(cr_feature_names_create(m->columns, m->n_columns, n_features, &m->feature_names));
    m->n_features = n_features;
done:
    return status;
}

static cr_status read_hash(const json_t *json, const char *key, const char *where, char hash[CR_HASH_TEXT])
{
    const char *text = NULL;
    cr_status status = cr_json_get_string(json, key, where, &text);
    if (status != CR_OK)
        return status;
    if (strlen(text) != CR_HASH_TEXT - 1 || strspn(text, "0123456789abcdef") != CR_HASH_TEXT - 1)
        return cr_fail(CR_BAD_DATA, "%s: \"%s\" must have 32 hexadecimal digits", where, key);
    memcpy(hash, text, CR_HASH_TEXT);
    return CR_OK;
}

static cr_status read_offsets(const json_t *json, const char *where, cr_shard_offsets *offsets)
{
    json_t *object = NULL;
    int64_t value[6];
    static const char *const keys[6] = {"images", "metadata", "labels", "ids", "groups", "checksums"};
    cr_status status;
    CR_TRY(cr_json_get_object(json, "offsets", where, &object));
    for (int i = 0; i < 6; i++)
        CR_TRY(cr_json_get_int(object, keys[i], where, 0, INT64_MAX, &value[i]));
    *offsets = (cr_shard_offsets){(uint64_t)value[0], (uint64_t)value[1], (uint64_t)value[2],
                                  (uint64_t)value[3], (uint64_t)value[4], (uint64_t)value[5]};
done:
    return status;
}

/* Split and place in it; the name must be the one that follows from them, so it can name no other file. */
static cr_status read_shard(cr_manifest *m, const json_t *json, const char *where, const cr_shard_entry *before,
                            cr_shard_entry *e)
{
    const char *split = NULL, *name = NULL;
    int64_t bytes = 0;
    cr_status status;
    if (!json_is_object(json))
        return cr_fail(CR_BAD_DATA, "%s: \"shards\" must hold objects", where);
    CR_TRY(cr_json_get_string(json, "split", where, &split));
    CR_TRY(cr_json_get_string(json, "name", where, &name));
    for (e->split = CR_SPLIT_TRAIN; e->split < CR_N_SPLITS; e->split++)
        if (!strcmp(split, cr_split_name(e->split)))
            break;
    if (e->split == CR_N_SPLITS || (before && before->split > e->split))
        return cr_fail(CR_BAD_DATA, "%s: shards must be listed by split, train, val, test; found \"%s\"", where, split);
    e->index = before && before->split == e->split ? before->index + 1 : 0;
    CR_TRY(cr_json_get_int(json, "samples", where, 1, CR_SHARD_MAX_SAMPLES, &e->n_samples));
    CR_TRY(cr_json_get_int(json, "bytes", where, 1, INT64_MAX, &bytes));
    e->bytes = (uint64_t)bytes;
    CR_TRY(read_hash(json, "xxh3_128", where, e->hash));
    CR_TRY(read_hash(json, "index_xxh3_128", where, e->index_hash));
    CR_TRY(read_offsets(json, where, &e->offsets));
    if (strlen(name) >= sizeof e->name)
        return cr_fail(CR_BAD_DATA, "%s: a shard's name is too long", where);
    strcpy(e->name, name);
    m->n_samples[e->split] += e->n_samples; /* at most 2^30 · 3 · 99,999: no overflow */
    CR_TRY(cr_shard_check_offsets(name, e->n_samples, m->n_features, e->bytes, &e->offsets));
done:
    return status;
}

static cr_status read_shards(cr_manifest *m, const char *where)
{
    json_t *array = NULL;
    cr_status status;
    int64_t count[CR_N_SPLITS] = {0};
    CR_TRY(cr_json_get_array(m->json, "shards", where, &array));
    m->n_shards = (int64_t)json_array_size(array);
    if (m->n_shards < 1 || m->n_shards > CR_N_SPLITS * (int64_t)CR_SHARD_MAX_COUNT)
        return cr_fail(CR_BAD_DATA, "%s: %lld shards; 1 to %d a split are possible", where, (long long)m->n_shards,
                       CR_SHARD_MAX_COUNT);
    m->shards = calloc((size_t)m->n_shards, sizeof *m->shards);
    if (!m->shards)
        return cr_fail_memory("a list of shards", (size_t)m->n_shards * sizeof *m->shards);
    for (int64_t i = 0; i < m->n_shards; i++) {
        CR_TRY(read_shard(m, json_array_get(array, (size_t)i), where, i ? &m->shards[i - 1] : NULL, &m->shards[i]));
        count[m->shards[i].split]++;
    }
    for (int64_t i = 0; i < m->n_shards; i++) {
        cr_shard_entry *e = &m->shards[i];
        char expected[CR_SHARD_NAME_BYTES];
        e->count = count[e->split];
        cr_shard_name(e->split, e->index, e->count, expected);
        if (strcmp(e->name, expected))
            return cr_fail(CR_BAD_DATA, "%s: a shard is called \"%s\" where %s is due", where, e->name, expected);
    }
done:
    return status;
}

static cr_status read_list(const cr_manifest *m, const char *key, const char *expected, const char *where,
                           cr_file_entry *entry)
{
    json_t *file = NULL;
    const char *name = NULL;
    int64_t bytes = 0;
    cr_status status;
    CR_TRY(cr_json_get_object(m->json, key, where, &file));
    CR_TRY(cr_json_get_string(file, "name", where, &name));
    CR_TRY(cr_json_get_int(file, "bytes", where, 0, INT64_MAX, &bytes));
    CR_TRY(read_hash(file, "xxh3_128", where, entry->hash));
    entry->bytes = (uint64_t)bytes;
    if (strcmp(name, expected))
        return cr_fail(CR_BAD_DATA, "%s: the list in %s is called \"%s\" where %s is due", where, key, name, expected);
done:
    return status;
}

static cr_status read_members(cr_manifest *m, const char *where)
{
    const char *format = NULL;
    int64_t version = 0;
    cr_status status;
    CR_TRY(cr_json_get_string(m->json, "format", where, &format));
    if (strcmp(format, CR_MANIFEST_FORMAT))
        return cr_fail(CR_BAD_DATA, "%s: format \"%s\" where \"%s\" is due", where, format, CR_MANIFEST_FORMAT);
    CR_TRY(cr_json_get_int(m->json, "version", where, 1, INT64_MAX, &version));
    if (version != CR_MANIFEST_VERSION)
        return cr_fail(CR_BAD_DATA, "%s: version %lld of the pack format; this program reads version %d", where,
                       (long long)version, CR_MANIFEST_VERSION);
    CR_TRY(read_classes(m, where));
    CR_TRY(read_columns(m, where));
    CR_TRY(read_shards(m, where));
    CR_TRY(read_list(m, "rejects_file", CR_MANIFEST_REJECTS, where, &m->rejects));
    if (json_object_get(m->json, "samples_file"))
        CR_TRY(read_list(m, "samples_file", CR_MANIFEST_SAMPLES, where, &m->samples));
    m->leak_warning = json_string_value(json_object_get(m->json, "leak_warning"));
done:
    return status;
}

/* The file carries a hash of itself, so that a flipped bit in a class name or a mean is found too. */
static cr_status check_tail(const char *text, size_t bytes, const char *where)
{
    char check[CR_HASH_TEXT], tail[CR_MANIFEST_TAIL_BYTES + 1];
    if (bytes > CR_MANIFEST_TAIL_BYTES) {
        size_t before = bytes - CR_MANIFEST_TAIL_BYTES;
        cr_hash128(text, before, check);
        snprintf(tail, sizeof tail, CR_MANIFEST_TAIL_FORMAT, check);
        if (!memcmp(text + before, tail, CR_MANIFEST_TAIL_BYTES))
            return CR_OK;
    }
    return cr_fail(CR_BAD_DATA, "%s: the file is damaged: its last member does not match its content", where);
}

cr_status cr_manifest_read(const char *folder, cr_manifest **manifest)
{
    char *path = cr_path_join(folder, CR_MANIFEST_FILE), *text = NULL;
    size_t bytes = 0;
    struct stat info;
    cr_status status;
    cr_manifest *m = calloc(1, sizeof *m);
    *manifest = NULL;
    if (!path || !m) {
        status = cr_fail_memory("a manifest", sizeof *m);
        goto done;
    }
    if (!stat(folder, &info) && S_ISDIR(info.st_mode) && stat(path, &info) && errno == ENOENT) {
        status = cr_fail(CR_MISSING, "%s: not a pack: there is no %s in it", folder, CR_MANIFEST_FILE);
        goto done;
    }
    CR_TRY(cr_read_file(path, CR_MANIFEST_MAX_BYTES, &text, &bytes));
    CR_TRY(check_tail(text, bytes, path));
    cr_hash128(text, bytes, m->id);
    CR_TRY(cr_json_parse(text, bytes, path, &m->json));
    CR_TRY(read_members(m, path));
    *manifest = m;
    m = NULL;
done:
    cr_manifest_destroy(&m);
    free(text);
    free(path);
    return status;
}
