/* Labels: from a column, a one-hot list or a formula; and the warnings about labels that an input column gives away. */
#include "sample_builder.h"

#include "label_cut.h"
#include "number_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cr_status add_class(cr_sample_table *table, const char *name)
{
    char *copy = strdup(name);
    if (copy == NULL)
        return cr_fail_memory("a class name", strlen(name));
    table->class_names[table->n_classes++] = copy;
    return CR_OK;
}

static cr_status make_room_for_classes(cr_sample_builder *b, int64_t n_classes, int64_t n_cells)
{
    b->table->class_names = calloc((size_t)n_classes + 1, sizeof *b->table->class_names);
    b->label_classes = calloc((size_t)n_cells + 1, sizeof *b->label_classes);
    return b->table->class_names == NULL || b->label_classes == NULL
               ? cr_fail_memory("classes", (size_t)(n_classes + n_cells) * sizeof *b->table->class_names)
               : CR_OK;
}

static cr_status bind_class_cell(cr_sample_builder *b, const cr_yaml_node *cell, int64_t class)
{
    cr_status status = CR_OK;
    int64_t number;
    bool added;
    CR_TRY(cr_string_index_add(&b->label_cells, cell->text, &number, &added));
    if (!added)
        return cr_yaml_fail(b->recipe->yaml, cell, "the cell \"%s\" belongs to two classes", cell->text);
    b->label_classes[number] = (int32_t) class;
done:
    return status;
}

static cr_status bind_classes(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    const cr_yaml_node *classes = b->recipe->label.classes;
    if (classes == NULL)
        return CR_OK;
    int64_t n_cells = 0;
    for (int64_t i = 0; i < classes->n; i++)
        n_cells += classes->items[i]->kind == CR_YAML_SCALAR ? 1 : classes->items[i]->n;
    CR_TRY(make_room_for_classes(b, classes->n, n_cells));
    for (int64_t i = 0; i < classes->n; i++) {
        const cr_yaml_node *item = classes->items[i];
        CR_TRY(add_class(b->table, classes->kind == CR_YAML_MAP ? item->key : item->text));
        if (item->kind == CR_YAML_SCALAR)
            CR_TRY(bind_class_cell(b, item, i));
        for (int64_t j = 0; item->kind == CR_YAML_SEQUENCE && j < item->n; j++)
            CR_TRY(bind_class_cell(b, item->items[j], i));
    }
done:
    return status;
}

cr_status cr_builder_bind_label(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    const cr_recipe *recipe = b->recipe;
    b->label_column = -1;
    CR_TRY(bind_classes(b));
    if (recipe->label.kind != CR_LABEL_FORMULA) {
        CR_TRY(cr_recipe_find_column(recipe, b->csv, &recipe->label.source, &b->label_column));
        goto done;
    }
    int64_t n = cr_formula_n_names(recipe->label.formula);
    b->formula_columns = calloc((size_t)n, sizeof *b->formula_columns);
    b->formula_values = calloc((size_t)n, sizeof *b->formula_values);
    b->scores = calloc((size_t)b->csv->n_rows + 1, sizeof *b->scores);
    if (b->formula_columns == NULL || b->formula_values == NULL || b->scores == NULL) {
        status = cr_fail_memory("a label formula", (size_t)b->csv->n_rows * sizeof *b->scores);
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        cr_recipe_source source = {cr_formula_name(recipe->label.formula, i), recipe->label.node, false};
        CR_TRY(cr_recipe_find_column(recipe, b->csv, &source, &b->formula_columns[i]));
    }
done:
    return status;
}

static cr_status check_formula(cr_sample_builder *b, int64_t index)
{
    const cr_formula *formula = b->recipe->label.formula;
    char shown[CR_SHOWN_CELL];
    for (int64_t i = 0; i < cr_formula_n_names(formula); i++) {
        const char *cell = cr_csv_cell(b->csv, cr_builder_record(b, index), b->formula_columns[i]);
        cr_number_kind kind = cr_number_parse(cell, &b->formula_values[i]);
        if (kind != CR_NUMBER_VALUE)
            return cr_builder_reject(b, index, NULL, kind == CR_NUMBER_MISSING ? "missing label" : "bad number",
                                     "\"%s\" in column %s, which the label formula needs", cr_show_cell(cell, shown),
                                     cr_formula_name(formula, i));
    }
    b->scores[index] = cr_formula_evaluate(formula, b->formula_values);
    if (!isfinite(b->scores[index]))
        return cr_builder_reject(b, index, NULL, "bad label", "the label formula gives %g", b->scores[index]);
    return CR_OK;
}

static cr_status check_one_hot(cr_sample_builder *b, int64_t index, const char *cell)
{
    cr_status status = CR_OK;
    char shown[CR_SHOWN_CELL];
    bool good;
    int32_t label = -1, n_ones = 0;
    CR_TRY(cr_list_parse(cell, &b->list, &good));
    good = good && b->list.n == b->table->n_classes;
    for (int64_t i = 0; good && i < b->list.n; i++) {
        double value = NAN;
        good = cr_number_parse(b->list.items[i], &value) == CR_NUMBER_VALUE && (value == 0 || value == 1);
        if (good && value == 1) {
            label = (int32_t)i;
            n_ones++;
        }
    }
    if (!good || n_ones != 1)
        status =
            cr_builder_reject(b, index, NULL, "bad label", "\"%s\" in column %s is no list of %lld zeros but one 1",
                              cr_show_cell(cell, shown), b->recipe->label.source.name, (long long)b->table->n_classes);
    else
        b->table->rows[index].label = label;
done:
    return status;
}

cr_status cr_builder_check_label(cr_sample_builder *b, int64_t index)
{
    char shown[CR_SHOWN_CELL];
    if (b->recipe->label.kind == CR_LABEL_FORMULA)
        return check_formula(b, index);
    const char *cell = cr_csv_cell(b->csv, cr_builder_record(b, index), b->label_column);
    int64_t number = cr_string_index_find(&b->label_cells, cell);
    if (b->recipe->label.kind == CR_LABEL_COLUMN && number >= 0) { /* also where a class is called NA */
        b->table->rows[index].label = b->label_classes[number];
        return CR_OK;
    }
    if (cr_cell_is_missing(cell))
        return cr_builder_reject(b, index, NULL, "missing label", "column %s is empty", b->recipe->label.source.name);
    if (b->recipe->label.kind == CR_LABEL_ONE_HOT)
        return check_one_hot(b, index, cell);
    if (b->recipe->label.classes != NULL)
        return cr_builder_reject(b, index, NULL, "unknown label", "\"%s\" in column %s", cr_show_cell(cell, shown),
                                 b->recipe->label.source.name);
    return CR_OK;
}

/* Classes without names of their own: the label column's cells in the order of code points. */
static cr_status learn_classes(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    cr_sample_table *table = b->table;
    cr_string_index found = {0};
    int64_t number;
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (!table->rows[i].rejected)
            CR_TRY(cr_string_index_add(&found, cr_csv_cell(b->csv, cr_builder_record(b, i), b->label_column), &number,
                                       NULL));
        if (found.n > CR_PACK_MAX_CLASSES) {
            status = cr_fail(CR_BAD_DATA, "%s: label column %s has over %d different cells; is it the right column?",
                             b->csv->path, b->recipe->label.source.name, (int)CR_PACK_MAX_CLASSES);
            goto done;
        }
    }
    if (found.n < 2) {
        status = cr_fail(CR_BAD_DATA, "%s: label column %s has only one class; at least 2 are needed", b->csv->path,
                         b->recipe->label.source.name);
        goto done;
    }
    qsort(found.texts, (size_t)found.n, sizeof *found.texts, cr_compare_texts); /* its slots are of no use any more */
    CR_TRY(make_room_for_classes(b, found.n, found.n));
    for (int64_t i = 0; i < found.n; i++) {
        CR_TRY(add_class(table, found.texts[i]));
        CR_TRY(cr_string_index_add(&b->label_cells, found.texts[i], &number, NULL));
    }
    for (int64_t i = 0; i < table->n_rows; i++)
        if (!table->rows[i].rejected)
            table->rows[i].label = (int32_t)cr_string_index_find(
                &b->label_cells, cr_csv_cell(b->csv, cr_builder_record(b, i), b->label_column));
done:
    cr_string_index_free(&found);
    return status;
}

static cr_status cut_labels(cr_sample_builder *b, bool only_train)
{
    cr_status status = CR_OK;
    cr_sample_table *table = b->table;
    cr_label_cut cut;
    int64_t n = 0;
    double *values = malloc(((size_t)table->n_rows + 1) * sizeof *values);
    if (values == NULL)
        return cr_fail_memory("a label formula", (size_t)table->n_rows * sizeof *values);
    for (int64_t i = 0; i < table->n_rows; i++)
        if (!table->rows[i].rejected && (!only_train || table->rows[i].split == CR_SPLIT_TRAIN))
            values[n++] = b->scores[i];
    if (n == 0) {
        status = cr_fail(CR_BAD_DATA, "%s: no row to find the label formula's cut from", b->csv->path);
        goto done;
    }
    CR_TRY(cr_label_cut_find(values, n, b->recipe->label.scale, &cut));
    if (!b->recipe->label.cut_at_median)
        cut.cut = b->recipe->label.cut;
    for (int64_t i = 0; i < table->n_rows; i++)
        if (!table->rows[i].rejected)
            table->rows[i].label = cr_label_cut_class(&cut, b->scores[i]);
done:
    free(values);
    return status;
}

cr_status cr_builder_fill_labels(cr_sample_builder *b)
{
    if (b->recipe->label.kind == CR_LABEL_FORMULA)
        return cut_labels(b, false);
    return b->recipe->label.classes == NULL ? learn_classes(b) : CR_OK;
}

cr_status cr_builder_cut_over_train(cr_sample_builder *b)
{
    return b->recipe->label.kind == CR_LABEL_FORMULA && b->recipe->label.over_train ? cut_labels(b, true) : CR_OK;
}

static bool is_label_column(const cr_sample_builder *b, int64_t column)
{
    if (column == b->label_column)
        return true;
    for (int64_t i = 0; b->formula_columns != NULL && i < cr_formula_n_names(b->recipe->label.formula); i++)
        if (column == b->formula_columns[i])
            return true;
    return false;
}

/* Groups that a given split column puts on two sides. */
static cr_status count_torn_groups(const cr_sample_builder *b, int64_t *n_torn)
{
    *n_torn = 0;
    unsigned char *sides = calloc((size_t)b->groups.n + 1, 1);
    if (sides == NULL)
        return cr_fail_memory("groups", (size_t)b->groups.n);
    for (int64_t i = 0; i < b->table->n_rows; i++)
        if (!b->table->rows[i].rejected)
            sides[b->table->rows[i].group] |= (unsigned char)(1 << b->table->rows[i].split);
    for (int64_t g = 0; g < b->groups.n; g++)
        *n_torn += (sides[g] & (sides[g] - 1)) != 0;
    free(sides);
    return CR_OK;
}

cr_status cr_builder_find_leaks(cr_sample_builder *b)
{
    cr_status status = CR_OK;
    char text[1024];
    size_t used = 0;
    int64_t n_torn = 0;
    for (int64_t c = 0; c < b->recipe->n_columns && used < sizeof text; c++)
        if (is_label_column(b, b->input_columns[c]))
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used == 0 ? "" : ", ",
                                     b->recipe->columns[c].source.name);
    if (used > 0 && used < sizeof text)
        used += (size_t)snprintf(text + used, sizeof text - used, ": the label is made from what is also an input");
    if (b->group_column >= 0 && b->split_column >= 0)
        CR_TRY(count_torn_groups(b, &n_torn));
    if (n_torn > 0 && used < sizeof text)
        used += (size_t)snprintf(
            text + used, sizeof text - used, "%s%lld groups of column %s stand in more than one split of column %s",
            used == 0 ? "" : "; ", (long long)n_torn, b->recipe->group.name, b->recipe->split.source.name);
    if (used > 0 && (b->table->leak_warning = strdup(text)) == NULL)
        status = cr_fail_memory("a warning", used);
done:
    return status;
}
