#include "path_template.h"

#include "number_cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PART_TEXT = -1,
    PART_NUMBER = -2,
    MAX_PARTS = 256
};

cr_status cr_recipe_find_column(const cr_recipe *recipe, const cr_csv_table *table, const cr_recipe_source *source,
                                int64_t *column)
{
    *column = cr_csv_find_column(table, source->name);
    if (*column >= 0)
        return CR_OK;
    const char **names = calloc((size_t)table->n_columns + 1, sizeof *names);
    if (names == NULL)
        return cr_fail_memory("column names", (size_t)table->n_columns * sizeof *names);
    for (int64_t i = 0; i < table->n_columns; i++)
        names[i] = cr_csv_column_name(table, i);
    const char *nearest = cr_yaml_nearest(source->name, names);
    char hint[300] = "";
    if (nearest != NULL)
        snprintf(hint, sizeof hint, "; did you mean \"%.250s\"?", nearest);
    cr_status (*fail)(const cr_yaml *, const cr_yaml_node *, const char *, ...) =
        source->at_key ? cr_yaml_fail_key : cr_yaml_fail;
    cr_status status =
        fail(recipe->yaml, source->node, "the table %s has no column \"%.250s\"%s", table->path, source->name, hint);
    free(names);
    return status;
}

void cr_template_free(cr_template *template)
{
    for (int64_t i = 0; i < template->n_parts; i++)
        free(template->parts[i].text);
    free(template->parts);
    *template = (cr_template){0};
}

static cr_status add_text(cr_template *template, const char *text, size_t bytes)
{
    char *copy = strndup(text, bytes);
    if (copy == NULL)
        return cr_fail_memory("a template", bytes);
    template->parts[template->n_parts++] = (cr_template_part){copy, PART_TEXT};
    return CR_OK;
}

static void add_column(cr_template *template, int64_t column)
{
    template->parts[template->n_parts++] = (cr_template_part){NULL, column};
}

static cr_status add_name(const cr_recipe *recipe, const cr_csv_table *table, const cr_yaml_node *node,
                          const char *text, size_t bytes, cr_template *template)
{
    cr_status status = CR_OK;
    int64_t column = PART_NUMBER;
    char *name = strndup(text, bytes);
    if (name == NULL)
        return cr_fail_memory("a template", bytes);
    if (strcmp(name, "#") != 0) {
        cr_recipe_source source = {name, node, false};
        CR_TRY(cr_recipe_find_column(recipe, table, &source, &column));
    }
    add_column(template, column);
done:
    free(name);
    return status;
}

cr_status cr_template_compile(const cr_recipe *recipe, const cr_csv_table *table, const cr_yaml_node *node,
                              cr_template *template)
{
    cr_status status = CR_OK;
    *template = (cr_template){.parts = calloc(MAX_PARTS, sizeof *template->parts)};
    if (template->parts == NULL)
        return cr_fail_memory("a template", MAX_PARTS * sizeof *template->parts);
    for (const char *at = node->text; *at != '\0';) {
        size_t bytes = strcspn(at, "{}");
        if (template->n_parts == MAX_PARTS) {
            status = cr_yaml_fail(recipe->yaml, node, "the template has more than %d parts", MAX_PARTS);
            goto done;
        }
        if (bytes > 0) {
            CR_TRY(add_text(template, at, bytes));
        } else if (at[1] == at[0]) { /* {{ or }} */
            CR_TRY(add_text(template, at, 1));
            bytes = 2;
        } else {
            const char *end = strchr(at, '}');
            if (at[0] == '}' || end == NULL || end == at + 1) {
                status = cr_yaml_fail(
                    recipe->yaml, node,
                    "\"%.250s\": a column stands in braces as {name}; a brace itself is written twice", node->text);
                goto done;
            }
            CR_TRY(add_name(recipe, table, node, at + 1, (size_t)(end - at - 1), template));
            bytes = (size_t)(end - at) + 1;
        }
        at += bytes;
    }
done:
    if (status != CR_OK)
        cr_template_free(template);
    return status;
}

cr_status cr_template_wrap(const char *prefix, int64_t column, const char *suffix, cr_template *template)
{
    cr_status status = CR_OK;
    *template = (cr_template){.parts = calloc(3, sizeof *template->parts)};
    if (template->parts == NULL)
        return cr_fail_memory("a template", 3 * sizeof *template->parts);
    CR_TRY(add_text(template, prefix, strlen(prefix)));
    add_column(template, column);
    CR_TRY(add_text(template, suffix, strlen(suffix)));
done:
    if (status != CR_OK)
        cr_template_free(template);
    return status;
}

cr_status cr_template_expand(const cr_template *template, const cr_csv_table *table, int64_t row, char **text,
                             const char **empty)
{
    char number[24];
    const char *parts[MAX_PARTS];
    size_t bytes = 0;
    *empty = NULL;
    snprintf(number, sizeof number, "%lld", (long long)row + 1);
    for (int64_t i = 0; i < template->n_parts; i++) {
        const cr_template_part *part = &template->parts[i];
        parts[i] = part->column == PART_TEXT     ? part->text
                   : part->column == PART_NUMBER ? number
                                                 : cr_csv_cell(table, row, part->column);
        if (part->column >= 0 && cr_cell_is_missing(parts[i]))
            *empty = cr_csv_column_name(table, part->column);
        bytes += strlen(parts[i]);
    }
    char *made = malloc(bytes + 1);
    if (made == NULL)
        return cr_fail_memory("a row's path", bytes + 1);
    char *end = made;
    for (int64_t i = 0; i < template->n_parts; i++)
        end = stpcpy(end, parts[i]);
    *end = '\0';
    *text = made;
    return CR_OK;
}
