#include "crisol/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct column_use { /* one column of the pack and where it goes */
    const cr_column *column;
    int64_t first; /* encoded feature */
    bool has_missing;
} column_use;

struct cr_encoder {
    int64_t n_sources, width;
    column_use *sources; /* [n_sources] */
    char **names;        /* [width] */
};

static int64_t features_of(const cr_column *column)
{
    if (column->kind == CR_COLUMN_NUMERIC)
        return column->n_missing_train > 0 ? 2 : 1;
    return column->kind == CR_COLUMN_LIST ? column->n_features : column->n_words;
}

/* Says which columns there are; `text` is cut when there are too many. */
static void list_columns(const cr_pack *pack, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < cr_pack_n_columns(pack) && used < bytes; i++) {
        int more = snprintf(text + used, bytes - used, "%s%s", i ? ", " : "", cr_pack_column(pack, i)->name);
        used += more > 0 ? (size_t)more : bytes;
    }
}

static cr_status find_column(const cr_pack *pack, const char *name, const cr_column **found)
{
    char all[512];
    for (int64_t i = 0; i < cr_pack_n_columns(pack); i++) {
        *found = cr_pack_column(pack, i);
        if (strcmp((*found)->name, name) == 0)
            return CR_OK;
    }
    list_columns(pack, all, sizeof all);
    return cr_fail(CR_BAD_CONFIG, "the pack %s has no column '%s'; it has: %s", cr_pack_folder(pack), name,
                   cr_pack_n_columns(pack) > 0 ? all : "none");
}

static cr_status add_source(const cr_pack *pack, cr_encoder *encoder, const cr_column *column)
{
    for (int64_t i = 0; i < encoder->n_sources; i++) {
        if (encoder->sources[i].column == column)
            return cr_fail(CR_BAD_CONFIG, "column '%s' is named twice", column->name);
    }
    bool is_list = column->kind == CR_COLUMN_LIST;
    int64_t n_raw = is_list ? column->n_words : 1;
    if (column->feature < 0 || n_raw < 0 || column->n_features != n_raw ||
        column->feature > cr_pack_n_features(pack) - n_raw)
        return cr_fail(CR_BAD_DATA, "%s: column '%s' lies outside the pack's metadata", cr_pack_folder(pack),
                       column->name);
    encoder->sources[encoder->n_sources++] =
        (column_use){column, encoder->width, column->kind == CR_COLUMN_NUMERIC && column->n_missing_train > 0};
    encoder->width += features_of(column);
    return CR_OK;
}

static char *join(const char *a, const char *b, const char *c)
{
    size_t bytes = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(bytes);
    if (text)
        snprintf(text, bytes, "%s%s%s", a, b, c);
    return text;
}

/* "age", "age:missing", "sex=Male" */
static cr_status name_features(cr_encoder *encoder)
{
    size_t bytes = (size_t)(encoder->width > 0 ? encoder->width : 1) * sizeof *encoder->names;
    encoder->names = calloc(1, bytes);
    if (!encoder->names)
        return cr_fail_memory("feature names", bytes);
    for (int64_t s = 0; s < encoder->n_sources; s++) {
        const cr_column *column = encoder->sources[s].column;
        for (int64_t i = 0; i < features_of(column); i++) {
            char *name = column->kind == CR_COLUMN_NUMERIC ? join(column->name, i ? ":missing" : "", "")
                                                           : join(column->name, "=", column->words[i]);
            if (!name)
                return cr_fail_memory("a feature's name", strlen(column->name));
            encoder->names[encoder->sources[s].first + i] = name;
        }
    }
    return CR_OK;
}

cr_status cr_encoder_create(const cr_pack *pack, const char *const columns[], int n_columns, cr_encoder **encoder)
{
    cr_status status = CR_OK;
    int64_t n = n_columns > 0 ? n_columns : cr_pack_n_columns(pack);
    cr_encoder *made = calloc(1, sizeof *made);
    *encoder = NULL;
    if (!made)
        return cr_fail_memory("the metadata encoder", sizeof *made);
    if (n > CR_PACK_MAX_COLUMNS) {
        status = cr_fail(CR_BAD_CONFIG, "%lld metadata columns; allowed are %d", (long long)n, CR_PACK_MAX_COLUMNS);
        goto done;
    }
    made->sources = calloc(n > 0 ? (size_t)n : 1, sizeof *made->sources);
    if (!made->sources) {
        status = cr_fail_memory("the metadata encoder", (size_t)n * sizeof *made->sources);
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        const cr_column *column = NULL;
        if (n_columns > 0)
            CR_TRY(find_column(pack, columns[i], &column));
        else
            column = cr_pack_column(pack, i);
        CR_TRY(add_source(pack, made, column));
    }
    CR_TRY(name_features(made));
done:
    if (status != CR_OK)
        cr_encoder_destroy(&made);
    *encoder = made;
    return status;
}

void cr_encoder_destroy(cr_encoder **encoder)
{
    if (!encoder || !*encoder)
        return;
    for (int64_t i = 0; (*encoder)->names && i < (*encoder)->width; i++)
        free((*encoder)->names[i]);
    free((*encoder)->names);
    free((*encoder)->sources);
    free(*encoder);
    *encoder = NULL;
}

int64_t cr_encoder_width(const cr_encoder *encoder)
{
    return encoder->width;
}

const char *cr_encoder_feature_name(const cr_encoder *encoder, int64_t feature)
{
    return encoder->names[feature];
}

const cr_column *cr_encoder_feature_column(const cr_encoder *encoder, int64_t feature)
{
    int64_t s = encoder->n_sources - 1;
    while (s > 0 && encoder->sources[s].first > feature)
        s--;
    return encoder->sources[s].column;
}

/* In double, rounded once. The recipe gives a column without spread the deviation 1; a damaged one must not divide. */
static float standardise(const cr_column *column, float raw)
{
    double deviation = column->deviation > 0 ? column->deviation : 1;
    return (float)(((double)raw - column->mean) / deviation);
}

void cr_encoder_encode(const cr_encoder *encoder, const float *raw, float *encoded)
{
    for (int64_t s = 0; s < encoder->n_sources; s++) {
        const column_use *source = &encoder->sources[s];
        const cr_column *column = source->column;
        const float *from = raw + column->feature;
        float *to = encoded + source->first;
        if (column->kind == CR_COLUMN_NUMERIC) {
            to[0] = isnan(from[0]) ? 0.0f : standardise(column, from[0]);
            if (source->has_missing)
                to[1] = isnan(from[0]) ? 1.0f : 0.0f;
        } else if (column->kind == CR_COLUMN_CATEGORICAL) {
            for (int64_t i = 0; i < column->n_words; i++)
                to[i] = from[0] == (float)i ? 1.0f : 0.0f; /* NaN equals none */
        } else {
            for (int64_t i = 0; i < column->n_features; i++)
                to[i] = isnan(from[i]) ? 0.0f : from[i];
        }
    }
}
