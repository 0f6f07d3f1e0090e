/* The rows of the table: which are candidates, where their image is, what they are called, and which are refused. */
#include "sample_builder.h"

#include "number_cell.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cr_status find_optional(const cr_sample_builder *b, const cr_recipe_source *source, int64_t *column)
{
    *column = -1;
    return source->name == NULL ? CR_OK : cr_recipe_find_column(b->recipe, b->csv, source, column);
}

cr_status cr_builder_bind_rows(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    const cr_recipe *recipe = b->recipe;
    int64_t column;
    if (recipe->image_template != NULL) {
        CR_TRY(cr_template_compile(recipe, b->csv, recipe->image_template, &b->image));
    } else {
        CR_TRY(cr_recipe_find_column(recipe, b->csv, &recipe->image, &column));
        CR_TRY(cr_template_wrap(recipe->prefix, column, recipe->suffix, &b->image));
    }
    if (recipe->id != NULL)
        CR_TRY(cr_template_compile(recipe, b->csv, recipe->id, &b->id));
    b->has_id = recipe->id != NULL;
    CR_TRY(find_optional(b, &recipe->group, &b->group_column));
    CR_TRY(find_optional(b, &recipe->split.source, &b->split_column));
    b->filter_columns = calloc((size_t)recipe->n_filters + 1, sizeof *b->filter_columns);
    b->id_rows = calloc((size_t)b->csv->n_rows + 1, sizeof *b->id_rows);
    if (b->filter_columns == NULL || b->id_rows == NULL) {
        status = cr_fail_memory("rows of a table", (size_t)b->csv->n_rows * sizeof *b->id_rows);
        goto done;
    }
    for (int64_t i = 0; i < recipe->n_filters; i++)
        CR_TRY(cr_recipe_find_column(recipe, b->csv, &recipe->filters[i].source, &b->filter_columns[i]));
done:
    return status;
}

/* A cell that is no number fails a range as a missing one does: the recipe asked for rows in that range. */
static bool passes(const cr_recipe_filter *filter, const char *cell)
{
    double value;
    switch (filter->kind) {
    case CR_FILTER_ONE_OF:
        return cr_is_one_of(filter->values, cell);
    case CR_FILTER_NOT_ONE_OF:
        return !cr_is_one_of(filter->values, cell);
    case CR_FILTER_RANGE:
        return cr_number_parse(cell, &value) == CR_NUMBER_VALUE && value >= filter->lowest && value <= filter->highest;
    case CR_FILTER_PRESENT:
        return cr_cell_is_missing(cell) != filter->present;
    }
    return false;
}

cr_status cr_builder_filter(cr_sample_builder *b)
{
    cr_sample_table *table = b->table;
    table->rows = calloc((size_t)b->csv->n_rows + 1, sizeof *table->rows);
    if (table->rows == NULL)
        return cr_fail_memory("rows of a table", (size_t)b->csv->n_rows * sizeof *table->rows);
    for (int64_t row = 0; row < b->csv->n_rows; row++) {
        bool pass = true;
        /* the cells of a ragged row cannot be told apart, so no filter can drop it */
        for (int64_t i = 0; i < b->recipe->n_filters && pass && !cr_csv_is_ragged(b->csv, row); i++)
            pass = passes(&b->recipe->filters[i], cr_csv_cell(b->csv, row, b->filter_columns[i]));
        if (pass)
            table->rows[table->n_rows++] = (cr_sample_row){.row = row + 1, .group = -1, .label = -1};
        else
            table->n_filtered++;
    }
    return CR_OK;
}

static cr_status check_split_word(cr_sample_builder *b, int64_t index)
{
    char shown[CR_SHOWN_CELL];
    if (b->split_column < 0)
        return CR_OK;
    const char *cell = cr_csv_cell(b->csv, cr_builder_record(b, index), b->split_column);
    for (int s = 0; s < CR_N_SPLITS; s++) {
        if (b->recipe->split.words[s] != NULL && cr_is_one_of(b->recipe->split.words[s], cell)) {
            b->table->rows[index].split = (cr_split)s;
            return CR_OK;
        }
    }
    return cr_builder_reject(b, index, NULL, "unknown split", "\"%s\" in column %s", cr_show_cell(cell, shown),
                             cr_csv_column_name(b->csv, b->split_column));
}

static cr_status check_group(cr_sample_builder *b, int64_t index)
{
    cr_sample_row *row = &b->table->rows[index];
    row->group = index;
    if (b->group_column < 0)
        return CR_OK;
    const char *cell = cr_csv_cell(b->csv, cr_builder_record(b, index), b->group_column);
    row->group = -1;
    /* alone in a group of its own it might stand on the other side of its true group */
    if (cr_cell_is_missing(cell))
        return cr_builder_reject(b, index, NULL, "missing group", "column %s is empty",
                                 cr_csv_column_name(b->csv, b->group_column));
    return cr_string_index_add(&b->groups, cell, &row->group, NULL);
}

static cr_status check_image_path(cr_sample_builder *b, int64_t index)
{
    cr_status status = CR_OK;
    const char *empty;
    cr_sample_row *row = &b->table->rows[index];
    CR_TRY(cr_template_expand(&b->image, b->csv, cr_builder_record(b, index), &row->image, &empty));
    if (empty != NULL)
        status = cr_builder_reject(b, index, NULL, "missing file", "column %s, which names the image, is empty", empty);
done:
    return status;
}

static cr_status check_image_file(cr_sample_builder *b, int64_t index)
{
    const char *image = b->table->rows[index].image;
    int file = -1;
    cr_status status = cr_open_beneath(b->root, image, &file);
    if (status == CR_OK) {
        close(file);
        return CR_OK;
    }
    char detail[CR_ERROR_MAX];
    snprintf(detail, sizeof detail, "%s", cr_error_message());
    if (status == CR_MISSING && b->recipe->missing_fails)
        return cr_fail(CR_MISSING, "%s: record %lld: image %s is not under %s (the recipe says on_missing: fail)",
                       b->csv->path, (long long)cr_builder_record(b, index) + 1, image, b->table->image_root);
    if (cr_pack_is_fatal(status))
        return cr_fail_context(status, "%s: record %lld", b->csv->path, (long long)cr_builder_record(b, index) + 1);
    const char *reason = status == CR_MISSING ? "missing file" : status == CR_PERMISSION ? "permission" : "bad path";
    return cr_builder_reject(b, index, image, reason, "%s", detail);
}

static cr_status check_id(cr_sample_builder *b, int64_t index)
{
    cr_status status = CR_OK;
    cr_sample_row *row = &b->table->rows[index];
    char *id = NULL, shown[CR_SHOWN_CELL];
    const char *empty = NULL;
    int64_t record = cr_builder_record(b, index), number;
    bool added;
    if (!b->has_id) {
        snprintf(row->id, sizeof row->id, "%lld", (long long)record + 1);
        goto done;
    }
    CR_TRY(cr_template_expand(&b->id, b->csv, record, &id, &empty));
    size_t bytes = strlen(id);
    bool plain = bytes > 0 && empty == NULL;
    for (size_t i = 0; i < bytes; i++)
        plain = plain && (unsigned char)id[i] >= ' ' && id[i] != 0x7F;
    if (!plain || bytes >= sizeof row->id) {
        status = cr_builder_reject(b, index, NULL, "bad id", "\"%s\" is empty, over %zu bytes, or not printable",
                                   cr_show_cell(id, shown), sizeof row->id - 1);
        goto done;
    }
    CR_TRY(cr_string_index_add(&b->ids, id, &number, &added));
    if (!added) {
        status = cr_builder_reject(b, index, NULL, "duplicate id", "\"%s\" is already record %lld",
                                   cr_show_cell(id, shown), (long long)b->id_rows[number]);
        goto done;
    }
    b->id_rows[number] = record + 1;
    memcpy(row->id, id, bytes);
done:
    free(id);
    return status;
}

cr_status cr_builder_check_rows(cr_sample_builder *b)
{
    typedef cr_status (*check)(cr_sample_builder *, int64_t);
    /* the file comes late because it costs most, the id last so that only a usable row claims it */
    static const check checks[] = {check_image_path,         check_split_word, check_group, cr_builder_check_label,
                                   cr_builder_check_columns, check_image_file, check_id};
    cr_status status = CR_OK;
    for (int64_t i = 0; i < b->table->n_rows; i++) {
        int64_t record = cr_builder_record(b, i);
        if (cr_csv_is_ragged(b->csv, record)) {
            CR_TRY(cr_builder_reject(b, i, NULL, "ragged row", "%u cells where the header has %lld",
                                     b->csv->records[record + 1].n_cells, (long long)b->csv->n_columns));
            b->table->rows[i].image = strdup("");
            if (b->table->rows[i].image == NULL)
                return cr_fail_memory("a path", 1);
        }
        for (size_t c = 0; c < sizeof checks / sizeof checks[0] && !b->table->rows[i].rejected; c++)
            CR_TRY(checks[c](b, i));
    }
done:
    return status;
}
