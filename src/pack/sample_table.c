#include "sample_table.h"

#include "sample_builder.h"
#include "split.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cr_sample_table_destroy(cr_sample_table **table)
{
    if (table == NULL || *table == NULL)
        return;
    cr_sample_table *t = *table;
    for (int64_t i = 0; i < t->n_rows; i++)
        free(t->rows[i].image);
    free(t->rows);
    free(t->features);
    for (int64_t i = 0; i < t->n_columns; i++) {
        free(t->columns[i].name);
        for (int64_t w = 0; w < t->columns[i].n_words; w++)
            free(t->columns[i].words[w]);
        free(t->columns[i].words);
    }
    free(t->columns);
    for (int64_t i = 0; i < t->n_classes; i++)
        free(t->class_names[i]);
    free(t->class_names);
    for (int64_t i = 0; i < t->n_rejects; i++) {
        free(t->rejects[i].file);
        free(t->rejects[i].reason);
        free(t->rejects[i].detail);
    }
    free(t->rejects);
    free(t->leak_warning);
    free(t->image_root);
    free(t->recipe_text);
    free(t);
    *table = NULL;
}

static cr_status append_reject(cr_sample_table *table, int64_t index, const char *file, const char *reason,
                               const char *detail)
{
    int64_t n = table->n_rejects;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        size_t bytes = (size_t)(n == 0 ? 1 : 2 * n) * sizeof *table->rejects;
        cr_reject *rejects = realloc(table->rejects, bytes);
        if (rejects == NULL)
            return cr_fail_memory("rejects", bytes);
        table->rejects = rejects;
    }
    cr_reject reject = {table->rows[index].row, strdup(file), strdup(reason), strdup(detail)};
    if (reject.file == NULL || reject.reason == NULL || reject.detail == NULL) {
        free(reject.file);
        free(reject.reason);
        free(reject.detail);
        return cr_fail_memory("a reject", strlen(detail));
    }
    table->rejects[table->n_rejects++] = reject;
    table->rows[index].rejected = true;
    return CR_OK;
}

cr_status cr_sample_table_reject(cr_sample_table *table, int64_t index, const char *reason, const char *detail)
{
    return append_reject(table, index, table->rows[index].image, reason, detail);
}

cr_status cr_builder_reject(cr_sample_builder *b, int64_t index, const char *file, const char *reason,
                            const char *format, ...)
{
    char detail[CR_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    return append_reject(b->table, index, file == NULL ? b->csv->path : file, reason, detail);
}

const char *cr_show_cell(const char *cell, char shown[CR_SHOWN_CELL])
{
    size_t bytes = strlen(cell), most = 60;
    bool cut = bytes > most;
    if (cut) {
        bytes = most;
        while (bytes > 0 && ((unsigned char)cell[bytes] & 0xC0) == 0x80) /* not inside a character */
            bytes--;
    }
    for (size_t i = 0; i < bytes; i++)
        shown[i] = (unsigned char)cell[i] < ' ' || cell[i] == 0x7F ? ' ' : cell[i];
    snprintf(shown + bytes, CR_SHOWN_CELL - bytes, "%s", cut ? "…" : "");
    return shown;
}

int64_t cr_builder_record(const cr_sample_builder *b, int64_t index)
{
    return b->table->rows[index].row - 1;
}

static int64_t count_usable(const cr_sample_table *table)
{
    int64_t n = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        n += !table->rows[i].rejected;
    return n;
}

static cr_status check_usable(const cr_sample_builder *b)
{
    const cr_sample_table *table = b->table;
    if (b->csv->n_rows == 0)
        return cr_fail(CR_BAD_DATA, "%s: the table has a header and no rows", b->csv->path);
    if (table->n_rows == 0)
        return cr_fail(CR_BAD_DATA, "%s: the recipe's filters drop all %lld rows", b->csv->path,
                       (long long)b->csv->n_rows);
    if (count_usable(table) == 0)
        return cr_fail(CR_BAD_DATA, "%s: no row can be used; the first: record %lld, %s: %s", b->csv->path,
                       (long long)table->rejects[0].row, table->rejects[0].reason, table->rejects[0].detail);
    return CR_OK;
}

static cr_status check_train(const cr_sample_builder *b)
{
    for (int64_t i = 0; i < b->table->n_rows; i++)
        if (!b->table->rows[i].rejected && b->table->rows[i].split == CR_SPLIT_TRAIN)
            return CR_OK;
    return cr_fail(CR_BAD_DATA,
                   "%s: no row is for training: none that can be used has a word of the recipe's split.train "
                   "in column %s",
                   b->csv->path, b->recipe->split.source.name);
}

/* Splits the rows that are left by fractions, or leaves them where the split column put them. */
static cr_status split_rows(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    cr_sample_table *table = b->table;
    int64_t n = 0;
    if (b->split_column >= 0)
        return check_train(b);
    size_t most = (size_t)table->n_rows + 1;
    int64_t *groups = calloc(most, sizeof *groups);
    int32_t *labels = calloc(most, sizeof *labels);
    cr_split *splits = calloc(most, sizeof *splits);
    if (groups == NULL || labels == NULL || splits == NULL) {
        status = cr_fail_memory("a split", most * sizeof *groups);
        goto done;
    }
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (table->rows[i].rejected)
            continue;
        groups[n] = table->rows[i].group;
        labels[n++] = table->rows[i].label;
    }
    const cr_split_rows rows = {n, groups, labels, table->n_classes};
    CR_TRY(cr_split_by_group(&rows, b->recipe->split.fractions, b->recipe->seed, splits));
    n = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        if (!table->rows[i].rejected)
            table->rows[i].split = splits[n++];
done:
    free(groups);
    free(labels);
    free(splits);
    return status;
}

static cr_status open_root(cr_sample_builder *b)
{
    b->root = open(b->recipe->image_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return b->root < 0 ? cr_fail_errno("image root %s", b->recipe->image_root) : CR_OK;
}

static cr_status take_settings(cr_recipe *recipe, cr_sample_table *table)
{
    table->resize = recipe->resize;
    table->apply_exif = recipe->apply_exif;
    table->shard_samples = recipe->shard_samples;
    table->seed = recipe->seed;
    table->max_rejects = recipe->max_rejects;
    table->image_root = strdup(recipe->image_root);
    table->recipe_text = strdup(recipe->text);
    return table->image_root == NULL || table->recipe_text == NULL ? cr_fail_memory("a recipe", strlen(recipe->text))
                                                                   : CR_OK;
}

static cr_status build(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    CR_TRY(cr_builder_bind_rows(b));
    CR_TRY(cr_builder_bind_columns(b));
    CR_TRY(cr_builder_bind_label(b));
    CR_TRY(cr_builder_filter(b));
    CR_TRY(cr_builder_check_rows(b));
    CR_TRY(check_usable(b));
    CR_TRY(cr_builder_fill_columns(b));
    CR_TRY(cr_builder_fill_labels(b));
    CR_TRY(split_rows(b));
    CR_TRY(cr_builder_cut_over_train(b));
    CR_TRY(cr_builder_find_leaks(b));
done:
    return status;
}

static void free_builder(cr_sample_builder *b)
{
    cr_template_free(&b->image);
    cr_template_free(&b->id);
    for (int64_t c = 0; b->words != NULL && c < b->recipe->n_columns; c++)
        cr_string_index_free(&b->words[c]);
    free(b->words);
    free(b->filter_columns);
    free(b->input_columns);
    cr_string_index_free(&b->groups);
    cr_string_index_free(&b->ids);
    free(b->id_rows);
    free(b->formula_columns);
    free(b->formula_values);
    cr_string_index_free(&b->label_cells);
    free(b->label_classes);
    free(b->scores);
    cr_list_free(&b->list);
    if (b->root >= 0)
        close(b->root);
}

cr_status cr_sample_table_create(const char *recipe, const char *root, cr_sample_table **table)
{
    cr_status status = CR_OK;
    cr_recipe *read = NULL;
    cr_csv_table *csv = NULL;
    cr_sample_builder builder = {.root = -1};
    cr_sample_table *made = calloc(1, sizeof *made);
    if (made == NULL)
        return cr_fail_memory("a table of samples", sizeof *made);
    CR_TRY(cr_recipe_read(recipe, root, &read));
    CR_TRY(cr_csv_read(read->table, CR_CSV_RAGGED_MARKED, &csv, NULL));
    CR_TRY(take_settings(read, made));
    builder.recipe = read;
    builder.csv = csv;
    builder.table = made;
    CR_TRY(open_root(&builder));
    status = build(&builder);
    if (status == CR_OK || (status == CR_BAD_DATA && made->n_rejects > 0 && count_usable(made) == 0)) {
        *table = made;
        made = NULL;
    }
done:
    free_builder(&builder);
    cr_csv_destroy(&csv);
    cr_recipe_destroy(&read);
    cr_sample_table_destroy(&made);
    return status;
}

/* Sum of x − shift (squared, for a deviation) over the training split's present values, in table order with Neumaier's
 * compensation ("Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974): the same double in
 * any build, and right to the last digits for any number of rows. */
static double sum_present(const cr_sample_table *table, int64_t feature, double shift, bool squared, int64_t *n)
{
    double sum = 0, lost = 0;
    *n = 0;
    for (int64_t i = 0; i < table->n_rows; i++) {
        const cr_sample_row *row = &table->rows[i];
        if (row->rejected || row->split != CR_SPLIT_TRAIN || isnan(row->metadata[feature]))
            continue;
        double x = (double)row->metadata[feature] - shift;
        double term = squared ? x * x : x;
        double next = sum + term;
        lost += fabs(sum) >= fabs(term) ? (sum - next) + term : (term - next) + sum;
        sum = next;
        ++*n;
    }
    return sum + lost;
}

void cr_sample_table_statistics(cr_sample_table *table)
{
    int64_t n_train = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        n_train += !table->rows[i].rejected && table->rows[i].split == CR_SPLIT_TRAIN;
    for (int64_t c = 0; c < table->n_columns; c++) {
        cr_column *column = &table->columns[c];
        int64_t n;
        double sum = sum_present(table, column->feature, 0, false, &n);
        column->n_missing_train = n_train - n;
        column->mean = 0;
        column->deviation = 1;
        if (column->kind != CR_COLUMN_NUMERIC || n == 0)
            continue;
        column->mean = sum / (double)n;
        double deviation = sqrt(sum_present(table, column->feature, column->mean, true, &n) / (double)n);
        if (deviation > 0)
            column->deviation = deviation;
    }
}
