/* The table's input columns: vocabularies, and raw features for every row. */
#include "sample_builder.h"

#include "number_cell.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LEARNT_WORDS = 1 << 20
};

cr_status cr_builder_bind_columns(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    const cr_recipe *recipe = b->recipe;
    size_t n = (size_t)recipe->n_columns + 1;
    b->input_columns = calloc(n, sizeof *b->input_columns);
    b->words = calloc(n, sizeof *b->words);
    if (b->input_columns == NULL || b->words == NULL) {
        status = cr_fail_memory("columns", n * sizeof *b->words);
        goto done;
    }
    for (int64_t c = 0; c < recipe->n_columns; c++) {
        const cr_recipe_column *column = &recipe->columns[c];
        int64_t number;
        CR_TRY(cr_recipe_find_column(recipe, b->csv, &column->source, &b->input_columns[c]));
        for (int64_t w = 0; column->words != NULL && w < column->words->n; w++)
            CR_TRY(cr_string_index_add(&b->words[c], column->words->items[w]->text, &number, NULL));
    }
done:
    return status;
}

static const char *input_cell(const cr_sample_builder *b, int64_t index, int64_t c)
{
    return cr_csv_cell(b->csv, cr_builder_record(b, index), b->input_columns[c]);
}

/* Of a column of words. A word that the recipe lists is one, also where it reads like a missing cell: "NA". */
static bool is_missing_text(const cr_sample_builder *b, int64_t c, const char *cell)
{
    const cr_recipe_column *column = &b->recipe->columns[c];
    if (column->missing != NULL && cr_is_one_of(column->missing, cell))
        return true;
    if (column->kind == CR_COLUMN_CATEGORICAL && column->words != NULL && cr_string_index_find(&b->words[c], cell) >= 0)
        return false;
    return cr_cell_is_missing(cell);
}

/* A number, or NaN where the cell is missing or a placeholder. */
static cr_number_kind read_numeric(const cr_recipe_column *column, const char *cell, float *feature)
{
    double value = NAN;
    cr_number_kind kind = cr_number_parse(cell, &value);
    *feature = NAN;
    if (kind != CR_NUMBER_VALUE)
        return kind;
    for (int64_t i = 0; column->missing != NULL && i < column->missing->n; i++)
        if (value == column->placeholders[i])
            return CR_NUMBER_MISSING;
    if (fabs(value) > FLT_MAX)
        return CR_NUMBER_BAD;
    *feature = (float)value;
    return CR_NUMBER_VALUE;
}

static cr_status check_words(cr_sample_builder *b, int64_t index, int64_t c, const char *const *words, int64_t n)
{
    const cr_recipe_column *column = &b->recipe->columns[c];
    char shown[CR_SHOWN_CELL];
    for (int64_t i = 0; column->reject_unknown && i < n; i++)
        if (cr_string_index_find(&b->words[c], words[i]) < 0)
            return cr_builder_reject(b, index, NULL, "unknown word", "\"%s\" in column %s",
                                     cr_show_cell(words[i], shown), column->source.name);
    return CR_OK;
}

static cr_status check_column(cr_sample_builder *b, int64_t index, int64_t c)
{
    cr_status status = CR_OK;
    const cr_recipe_column *column = &b->recipe->columns[c];
    const char *cell = input_cell(b, index, c);
    char shown[CR_SHOWN_CELL];
    float feature;
    bool good;
    if (column->kind == CR_COLUMN_NUMERIC) {
        if (read_numeric(column, cell, &feature) == CR_NUMBER_BAD)
            status = cr_builder_reject(b, index, NULL, "bad number", "\"%s\" in column %s", cr_show_cell(cell, shown),
                                       column->source.name);
    } else if (is_missing_text(b, c, cell)) {
        status = CR_OK;
    } else if (column->kind == CR_COLUMN_CATEGORICAL) {
        status = check_words(b, index, c, &cell, 1);
    } else {
        CR_TRY(cr_list_parse(cell, &b->list, &good));
        if (!good)
            status = cr_builder_reject(b, index, NULL, "bad list", "\"%s\" in column %s", cr_show_cell(cell, shown),
                                       column->source.name);
        else
            status = check_words(b, index, c, (const char *const *)b->list.items, b->list.n);
    }
done:
    return status;
}

cr_status cr_builder_check_columns(cr_sample_builder *b, int64_t index)
{
    cr_status status = CR_OK;
    for (int64_t c = 0; c < b->recipe->n_columns && !b->table->rows[index].rejected; c++)
        CR_TRY(check_column(b, index, c));
done:
    return status;
}

/* Rows that hold each learnt word. */
typedef struct counter {
    cr_string_index index;
    int64_t *counts, *last_row; /* [capacity] */
    int64_t capacity;
} counter;

static cr_status count_word(counter *counts, const char *word, int64_t row)
{
    cr_status status = CR_OK;
    int64_t number;
    bool added;
    CR_TRY(cr_string_index_add(&counts->index, word, &number, &added));
    if (counts->index.n > counts->capacity) {
        int64_t capacity = counts->capacity == 0 ? 64 : 2 * counts->capacity;
        int64_t *grown = realloc(counts->counts, (size_t)capacity * sizeof *grown);
        counts->counts = grown == NULL ? counts->counts : grown;
        int64_t *rows = grown == NULL ? NULL : realloc(counts->last_row, (size_t)capacity * sizeof *rows);
        counts->last_row = rows == NULL ? counts->last_row : rows;
        if (rows == NULL) {
            status = cr_fail_memory("a vocabulary", (size_t)capacity * sizeof *rows);
            goto done;
        }
        counts->capacity = capacity;
    }
    if (added) {
        counts->counts[number] = 0;
        counts->last_row[number] = -1;
    }
    counts->counts[number] += counts->last_row[number] != row; /* a word twice in a cell is one row */
    counts->last_row[number] = row;
done:
    return status;
}

static cr_status count_cell(cr_sample_builder *b, int64_t index, int64_t c, counter *counts)
{
    cr_status status = CR_OK;
    const char *cell = input_cell(b, index, c);
    bool good;
    if (is_missing_text(b, c, cell))
        goto done;
    if (b->recipe->columns[c].kind == CR_COLUMN_CATEGORICAL) {
        CR_TRY(count_word(counts, cell, index));
        goto done;
    }
    CR_TRY(cr_list_parse(cell, &b->list, &good));
    for (int64_t i = 0; i < b->list.n; i++)
        CR_TRY(count_word(counts, b->list.items[i], index));
done:
    return status;
}

/* Bytes of UTF-8 in the order of bytes are characters in the order of code points. */
static cr_status learn_words(cr_sample_builder *b, int64_t c)
{
    cr_status status = CR_OK;
    const cr_recipe_column *column = &b->recipe->columns[c];
    counter counts = {0};
    const char **words = NULL;
    int64_t n = 0, number;
    for (int64_t i = 0; i < b->table->n_rows; i++) {
        if (b->table->rows[i].rejected)
            continue;
        CR_TRY(count_cell(b, i, c, &counts));
        if (counts.index.n > MAX_LEARNT_WORDS) {
            status = cr_fail(CR_BAD_DATA, "%s: column %s has over %d different words; is it free text?", b->csv->path,
                             column->source.name, MAX_LEARNT_WORDS);
            goto done;
        }
    }
    words = calloc((size_t)counts.index.n + 1, sizeof *words);
    if (words == NULL) {
        status = cr_fail_memory("a vocabulary", (size_t)counts.index.n * sizeof *words);
        goto done;
    }
    for (int64_t i = 0; i < counts.index.n; i++)
        if (counts.counts[i] >= column->min_count)
            words[n++] = counts.index.texts[i];
    qsort(words, (size_t)n, sizeof *words, cr_compare_texts);
    for (int64_t i = 0; i < n; i++)
        CR_TRY(cr_string_index_add(&b->words[c], words[i], &number, NULL));
done:
    free(words);
    free(counts.counts);
    free(counts.last_row);
    cr_string_index_free(&counts.index);
    return status;
}

static cr_status describe_column(cr_sample_builder *b, int64_t c)
{
    const cr_recipe_column *column = &b->recipe->columns[c];
    cr_sample_table *table = b->table;
    cr_column *made = &table->columns[c];
    int64_t n_words = b->words[c].n;
    if (column->kind != CR_COLUMN_NUMERIC && (n_words == 0 || n_words > CR_PACK_MAX_COLUMNS))
        return cr_fail(CR_BAD_DATA,
                       "%s: column %s has %lld words, and 1 to %d are possible; is its kind right, or "
                       "`min_count` of use?",
                       b->csv->path, column->source.name, (long long)n_words, (int)CR_PACK_MAX_COLUMNS);
    *made = (cr_column){.kind = column->kind, .feature = table->n_features, .n_features = 1, .deviation = 1};
    made->name = strdup(column->name);
    made->words = n_words > 0 ? calloc((size_t)n_words, sizeof *made->words) : NULL;
    if (made->name == NULL || (n_words > 0 && made->words == NULL))
        return cr_fail_memory("a column", (size_t)n_words * sizeof *made->words);
    for (; made->n_words < n_words; made->n_words++)
        if ((made->words[made->n_words] = strdup(b->words[c].texts[made->n_words])) == NULL)
            return cr_fail_memory("a column", 1);
    if (column->kind == CR_COLUMN_LIST)
        made->n_features = n_words;
    table->n_features += made->n_features;
    if (table->n_features > CR_PACK_MAX_COLUMNS)
        return cr_fail(CR_BAD_DATA, "%s: the columns make over %d features; `min_count` drops rare words", b->csv->path,
                       (int)CR_PACK_MAX_COLUMNS);
    return CR_OK;
}

static cr_status encode_cell(cr_sample_builder *b, int64_t index, int64_t c)
{
    cr_status status = CR_OK;
    const cr_recipe_column *column = &b->recipe->columns[c];
    const cr_column *made = &b->table->columns[c];
    const char *cell = input_cell(b, index, c);
    float *features = b->table->rows[index].metadata + made->feature;
    bool good = false;
    int64_t word;
    if (column->kind == CR_COLUMN_NUMERIC) {
        read_numeric(column, cell, features);
        goto done;
    }
    if (is_missing_text(b, c, cell)) /* NaN, as everything is to begin with */
        goto done;
    if (column->kind == CR_COLUMN_CATEGORICAL) {
        word = cr_string_index_find(&b->words[c], cell);
        *features = word < 0 ? NAN : (float)word;
        goto done;
    }
    CR_TRY(cr_list_parse(cell, &b->list, &good));
    for (int64_t i = 0; i < made->n_features; i++)
        features[i] = 0;
    for (int64_t i = 0; i < b->list.n; i++)
        if ((word = cr_string_index_find(&b->words[c], b->list.items[i])) >= 0)
            features[word] = 1;
done:
    return status;
}

cr_status cr_builder_fill_columns(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    cr_sample_table *table = b->table;
    table->columns = calloc((size_t)b->recipe->n_columns + 1, sizeof *table->columns);
    if (table->columns == NULL)
        return cr_fail_memory("columns", (size_t)b->recipe->n_columns * sizeof *table->columns);
    for (int64_t c = 0; c < b->recipe->n_columns; c++) {
        if (b->recipe->columns[c].words == NULL && b->recipe->columns[c].kind != CR_COLUMN_NUMERIC)
            CR_TRY(learn_words(b, c));
        table->n_columns = c + 1;
        CR_TRY(describe_column(b, c));
    }
    size_t n = (size_t)table->n_rows * (size_t)table->n_features;
    table->features = malloc((n + 1) * sizeof *table->features);
    if (table->features == NULL) {
        status = cr_fail_memory("features", n * sizeof *table->features);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        table->features[i] = NAN;
    for (int64_t i = 0; i < table->n_rows; i++)
        table->rows[i].metadata = table->features + i * table->n_features;
    for (int64_t i = 0; i < table->n_rows; i++)
        for (int64_t c = 0; c < table->n_columns && !table->rows[i].rejected; c++)
            CR_TRY(encode_cell(b, i, c));
done:
    return status;
}
