/* Texts made from a row: "images/{file}.jpg", "{id}-{#}". `{name}` is the cell of a column, `{#}` the number of the
 * record, `{{` and `}}` stand for braces. */
#ifndef CRISOL_PATH_TEMPLATE_H
#define CRISOL_PATH_TEMPLATE_H

#include "csv_table.h"
#include "recipe.h"

typedef struct cr_template_part {
    char *text;     /* owned; null for a cell or a number */
    int64_t column; /* of the table, -1: `text`, -2: the record's number */
} cr_template_part;

typedef struct cr_template {
    cr_template_part *parts;
    int64_t n_parts;
} cr_template;

/* Errors: CR_BAD_CONFIG at the recipe's node, also for a column that the table lacks. */
CR_NODISCARD cr_status cr_template_compile(const cr_recipe *recipe, const cr_csv_table *table, const cr_yaml_node *node,
                                           cr_template *template);
/* prefix + cell + suffix as a template. */
CR_NODISCARD cr_status cr_template_wrap(const char *prefix, int64_t column, const char *suffix, cr_template *template);
void cr_template_free(cr_template *template);

/* The text for row 0 … n_rows-1, malloc'ed. *empty is the name of a column whose cell is missing, otherwise null. */
CR_NODISCARD cr_status cr_template_expand(const cr_template *template, const cr_csv_table *table, int64_t row,
                                          char **text, const char **empty);

/* The table's column that the recipe names; absent: CR_BAD_CONFIG there, with the nearest name. */
CR_NODISCARD cr_status cr_recipe_find_column(const cr_recipe *recipe, const cr_csv_table *table,
                                             const cr_recipe_source *source, int64_t *column);

#endif
