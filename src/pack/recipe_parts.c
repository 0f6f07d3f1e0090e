/* The recipe's columns, filters and label. */
#include "recipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cr_status read_placeholders(cr_recipe *recipe, cr_recipe_column *column)
{
    cr_status status = CR_OK;
    const cr_yaml_node *missing = column->missing;
    CR_TRY(cr_recipe_check_words(recipe, missing, 0));
    if (column->kind != CR_COLUMN_NUMERIC)
        goto done;
    column->placeholders = calloc((size_t)missing->n + 1, sizeof *column->placeholders);
    if (column->placeholders == NULL) {
        status = cr_fail_memory("placeholders of a column", (size_t)missing->n * sizeof *column->placeholders);
        goto done;
    }
    for (int64_t i = 0; i < missing->n; i++)
        CR_TRY(cr_yaml_get_real(recipe->yaml, missing->items[i], -HUGE_VAL, HUGE_VAL, &column->placeholders[i]));
done:
    return status;
}

static cr_status read_column(cr_recipe *recipe, const cr_yaml_node *node, cr_recipe_column *column)
{
    static const char *const keys[] = {"column", "kind", "missing", "words", "min_count", "unknown", NULL};
    static const char *const kinds[] = {"numeric", "categorical", "list", NULL};
    static const char *const unknowns[] = {"missing", "reject", NULL};
    cr_status status = CR_OK;
    const cr_yaml_node *item;
    int kind = 0, unknown = 0;
    CR_TRY(cr_yaml_check_keys(recipe->yaml, node, keys));
    column->name = node->key;
    column->node = node;
    column->source = (cr_recipe_source){node->key, node, true};
    column->min_count = 1;
    if ((item = cr_yaml_find(node, "column")) != NULL)
        CR_TRY(cr_recipe_read_source(recipe, item, &column->source));
    CR_TRY(cr_yaml_need(recipe->yaml, node, "kind", &item));
    CR_TRY(cr_yaml_get_choice(recipe->yaml, item, kinds, &kind));
    column->kind = (cr_column_kind)kind;
    if ((column->missing = cr_yaml_find(node, "missing")) != NULL)
        CR_TRY(read_placeholders(recipe, column));
    if ((column->words = cr_yaml_find(node, "words")) != NULL)
        CR_TRY(cr_recipe_check_words(recipe, column->words, 1));
    for (int64_t i = 0; column->words != NULL && i < column->words->n; i++)
        if (column->words->items[i]->text[0] == '\0')
            return cr_yaml_fail(recipe->yaml, column->words->items[i],
                                "a word is empty; an empty cell is a missing one");
    if ((item = cr_yaml_find(node, "min_count")) != NULL) {
        CR_TRY(cr_yaml_get_int(recipe->yaml, item, 1, INT32_MAX, &column->min_count));
        if (column->words != NULL)
            return cr_yaml_fail_key(recipe->yaml, item, "`min_count` is for learnt words; here `words` lists them");
    }
    if ((item = cr_yaml_find(node, "unknown")) != NULL) {
        CR_TRY(cr_yaml_get_choice(recipe->yaml, item, unknowns, &unknown));
        if (column->words == NULL)
            return cr_yaml_fail_key(recipe->yaml, item, "`unknown` goes with `words`: a learnt word is known");
    }
    column->reject_unknown = unknown == 1;
    if (column->kind == CR_COLUMN_NUMERIC && (column->words != NULL || cr_yaml_find(node, "min_count") != NULL))
        return cr_yaml_fail(recipe->yaml, node, "a numeric column has no words");
done:
    return status;
}

cr_status cr_recipe_read_columns(cr_recipe *recipe, const cr_yaml_node *map)
{
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_expect(recipe->yaml, map, CR_YAML_MAP));
    recipe->columns = calloc((size_t)map->n + 1, sizeof *recipe->columns);
    if (recipe->columns == NULL) {
        status = cr_fail_memory("columns of a recipe", (size_t)map->n * sizeof *recipe->columns);
        goto done;
    }
    recipe->n_columns = map->n;
    for (int64_t i = 0; i < map->n; i++)
        CR_TRY(read_column(recipe, map->items[i], &recipe->columns[i]));
done:
    return status;
}

static cr_status read_filter(cr_recipe *recipe, const cr_yaml_node *node, cr_recipe_filter *filter)
{
    static const char *const keys[] = {"column", "one_of", "not_one_of", "min", "max", "present", NULL};
    cr_status status = CR_OK;
    const cr_yaml_node *column;
    CR_TRY(cr_yaml_check_keys(recipe->yaml, node, keys));
    CR_TRY(cr_yaml_need(recipe->yaml, node, "column", &column));
    CR_TRY(cr_recipe_read_source(recipe, column, &filter->source));
    const cr_yaml_node *one_of = cr_yaml_find(node, "one_of"), *not_one_of = cr_yaml_find(node, "not_one_of"),
                       *min = cr_yaml_find(node, "min"), *max = cr_yaml_find(node, "max"),
                       *present = cr_yaml_find(node, "present");
    bool range = min != NULL || max != NULL;
    if ((one_of != NULL) + (not_one_of != NULL) + range + (present != NULL) != 1)
        return cr_yaml_fail(recipe->yaml, node,
                            "a filter needs exactly one of `one_of`, `not_one_of`, `min` and `max`, `present`");
    if (range) {
        filter->kind = CR_FILTER_RANGE;
        filter->lowest = -HUGE_VAL;
        filter->highest = HUGE_VAL;
        if (min != NULL)
            CR_TRY(cr_yaml_get_real(recipe->yaml, min, -HUGE_VAL, HUGE_VAL, &filter->lowest));
        if (max != NULL)
            CR_TRY(cr_yaml_get_real(recipe->yaml, max, -HUGE_VAL, HUGE_VAL, &filter->highest));
        if (filter->lowest > filter->highest)
            return cr_yaml_fail(recipe->yaml, node, "`min` is above `max`: no row would be left");
    } else if (present != NULL) {
        filter->kind = CR_FILTER_PRESENT;
        CR_TRY(cr_yaml_get_bool(recipe->yaml, present, &filter->present));
    } else {
        filter->kind = one_of != NULL ? CR_FILTER_ONE_OF : CR_FILTER_NOT_ONE_OF;
        filter->values = one_of != NULL ? one_of : not_one_of;
        CR_TRY(cr_recipe_check_words(recipe, filter->values, 1));
    }
done:
    return status;
}

cr_status cr_recipe_read_filters(cr_recipe *recipe, const cr_yaml_node *sequence)
{
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_expect(recipe->yaml, sequence, CR_YAML_SEQUENCE));
    recipe->filters = calloc((size_t)sequence->n + 1, sizeof *recipe->filters);
    if (recipe->filters == NULL) {
        status = cr_fail_memory("filters of a recipe", (size_t)sequence->n * sizeof *recipe->filters);
        goto done;
    }
    recipe->n_filters = sequence->n;
    for (int64_t i = 0; i < sequence->n; i++)
        CR_TRY(read_filter(recipe, sequence->items[i], &recipe->filters[i]));
done:
    return status;
}

static cr_status read_formula(cr_recipe *recipe, const cr_yaml_node *map, const cr_yaml_node *node)
{
    static const char *const scales[] = {"none", "minmax", NULL};
    static const char *const overs[] = {"all", "train", NULL};
    cr_status status = CR_OK;
    const cr_yaml_node *item;
    const char *text;
    int scale = 1, over = 0;
    size_t at = 0;
    CR_TRY(cr_yaml_get_string(recipe->yaml, node, &text));
    status = cr_formula_compile(text, &recipe->label.formula, &at);
    if (status == CR_BAD_CONFIG) {
        char message[CR_ERROR_MAX];
        snprintf(message, sizeof message, "%s", cr_error_message());
        return cr_yaml_fail(recipe->yaml, node, "%s (character %zu of the formula)", message, at + 1);
    }
    CR_TRY(status);
    if (cr_formula_n_names(recipe->label.formula) == 0)
        return cr_yaml_fail(recipe->yaml, node, "the formula names no column");
    if ((item = cr_yaml_find(map, "scale")) != NULL)
        CR_TRY(cr_yaml_get_choice(recipe->yaml, item, scales, &scale));
    if ((item = cr_yaml_find(map, "over")) != NULL)
        CR_TRY(cr_yaml_get_choice(recipe->yaml, item, overs, &over));
    recipe->label.scale = scale == 1;
    recipe->label.over_train = over == 1;
    recipe->label.cut_at_median = true;
    item = cr_yaml_find(map, "cut");
    if (item != NULL && (item->kind != CR_YAML_SCALAR || strcmp(item->text, "median") != 0)) {
        recipe->label.cut_at_median = false;
        if (cr_yaml_get_real(recipe->yaml, item, -HUGE_VAL, HUGE_VAL, &recipe->label.cut) != CR_OK)
            return cr_yaml_fail(recipe->yaml, item, "`cut` is `median` or a number");
    }
done:
    return status;
}

/* The classes of a label column: names that are the cells, or a map from name to cells. */
static cr_status read_class_map(const cr_recipe *recipe, const cr_yaml_node *map)
{
    cr_status status = CR_OK;
    if (map->n < 2)
        return cr_yaml_fail(recipe->yaml, map, "at least 2 classes are needed");
    for (int64_t i = 0; i < map->n; i++) {
        const cr_yaml_node *cells = map->items[i];
        const char *word;
        if (cells->kind == CR_YAML_SCALAR)
            CR_TRY(cr_yaml_get_string(recipe->yaml, cells, &word));
        else
            CR_TRY(cr_recipe_check_words(recipe, cells, 1));
    }
done:
    return status;
}

static cr_status read_classes(cr_recipe *recipe, const cr_yaml_node *map)
{
    cr_status status = CR_OK;
    const cr_yaml_node *classes = cr_yaml_find(map, "classes");
    recipe->label.classes = classes;
    if (classes == NULL)
        return recipe->label.kind == CR_LABEL_COLUMN
                   ? CR_OK
                   : cr_yaml_fail(recipe->yaml, map, "`classes` must name the classes, in the label's order");
    if (recipe->label.kind == CR_LABEL_COLUMN && classes->kind == CR_YAML_MAP)
        CR_TRY(read_class_map(recipe, classes));
    else
        CR_TRY(cr_recipe_check_words(recipe, classes, 2));
    if (classes->n > CR_PACK_MAX_CLASSES)
        return cr_yaml_fail(recipe->yaml, classes, "at most %d classes are possible", (int)CR_PACK_MAX_CLASSES);
    for (int64_t i = 0; classes->kind == CR_YAML_SEQUENCE && i < classes->n; i++)
        if (classes->items[i]->text[0] == '\0')
            return cr_yaml_fail(recipe->yaml, classes->items[i], "a class needs a name");
    if (recipe->label.kind == CR_LABEL_FORMULA && classes->n != 2)
        return cr_yaml_fail(recipe->yaml, classes, "a formula has 2 classes: at or below the cut, and above it");
done:
    return status;
}

cr_status cr_recipe_read_label(cr_recipe *recipe, const cr_yaml_node *map)
{
    static const char *const keys[] = {"column", "one_hot", "formula", "classes", "scale", "cut", "over", NULL};
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_check_keys(recipe->yaml, map, keys));
    const cr_yaml_node *column = cr_yaml_find(map, "column"), *one_hot = cr_yaml_find(map, "one_hot"),
                       *formula = cr_yaml_find(map, "formula");
    if ((column != NULL) + (one_hot != NULL) + (formula != NULL) != 1)
        return cr_yaml_fail(recipe->yaml, map, "a label needs exactly one of `column`, `one_hot` and `formula`");
    recipe->label.kind = column != NULL ? CR_LABEL_COLUMN : one_hot != NULL ? CR_LABEL_ONE_HOT : CR_LABEL_FORMULA;
    recipe->label.node = column != NULL ? column : one_hot != NULL ? one_hot : formula;
    if (formula != NULL) {
        CR_TRY(read_formula(recipe, map, formula));
    } else {
        static const char *const only_formula[] = {"scale", "cut", "over"};
        for (int i = 0; i < 3; i++) {
            const cr_yaml_node *item = cr_yaml_find(map, only_formula[i]);
            if (item != NULL)
                return cr_yaml_fail_key(recipe->yaml, item, "`%s` goes with `formula`", only_formula[i]);
        }
        CR_TRY(cr_recipe_read_source(recipe, recipe->label.node, &recipe->label.source));
    }
    CR_TRY(read_classes(recipe, map));
done:
    return status;
}
