/* What the parts of cr_sample_table_create() share: the recipe bound to its table. */
#ifndef CRISOL_SAMPLE_BUILDER_H
#define CRISOL_SAMPLE_BUILDER_H

#include "csv_table.h"
#include "list_literal.h"
#include "path_template.h"
#include "recipe.h"
#include "sample_table.h"
#include "string_index.h"

typedef struct cr_sample_builder {
    const cr_recipe *recipe;
    const cr_csv_table *csv;
    cr_sample_table *table; /* being made */
    int root;               /* folder descriptor of the images, -1 when not open */

    cr_template image, id;
    bool has_id;
    int64_t group_column, split_column; /* -1: none */
    int64_t *filter_columns;            /* [recipe->n_filters] */
    int64_t *input_columns;             /* [recipe->n_columns] */
    cr_string_index *words;             /* [recipe->n_columns] vocabularies */
    cr_string_index groups, ids;
    int64_t *id_rows; /* [csv->n_rows] record of each id in `ids` */

    int64_t label_column;     /* -1 for a formula */
    int64_t *formula_columns; /* [names of the formula] */
    double *formula_values;   /* the same, of one row */
    cr_string_index label_cells;
    int32_t *label_classes; /* [label_cells.n] */
    double *scores;         /* [table->n_rows] the formula's value, when there is one */

    cr_list list; /* scratch */
} cr_sample_builder;

/* Refuses row `index` of the table because of a cell (`file` null: the table is named) or its image. */
CR_NODISCARD cr_status cr_builder_reject(cr_sample_builder *builder, int64_t index, const char *file,
                                         const char *reason, const char *format, ...) CR_PRINTF(5, 6);
/* A cell for a message: at most 60 bytes of it, without control characters. */
enum {
    CR_SHOWN_CELL = 72
};
const char *cr_show_cell(const char *cell, char shown[CR_SHOWN_CELL]);
/* The row's record in the table, from 0. */
int64_t cr_builder_record(const cr_sample_builder *builder, int64_t index);

/* sample_rows.c: candidates and what refuses them. */
CR_NODISCARD cr_status cr_builder_bind_rows(cr_sample_builder *builder);
CR_NODISCARD cr_status cr_builder_filter(cr_sample_builder *builder);
CR_NODISCARD cr_status cr_builder_check_rows(cr_sample_builder *builder);

/* sample_columns.c: inputs. */
CR_NODISCARD cr_status cr_builder_bind_columns(cr_sample_builder *builder);
/* Sees that every input cell of the row can be used, and rejects the row otherwise. */
CR_NODISCARD cr_status cr_builder_check_columns(cr_sample_builder *builder, int64_t index);
CR_NODISCARD cr_status cr_builder_fill_columns(cr_sample_builder *builder);

/* sample_label.c: classes, labels, leaks. */
CR_NODISCARD cr_status cr_builder_bind_label(cr_sample_builder *builder);
CR_NODISCARD cr_status cr_builder_check_label(cr_sample_builder *builder, int64_t index);
/* After the rejects: learns the classes; labels by formula are provisional, cut over all rows. */
CR_NODISCARD cr_status cr_builder_fill_labels(cr_sample_builder *builder);
/* After the split: a formula's cut over the training split. */
CR_NODISCARD cr_status cr_builder_cut_over_train(cr_sample_builder *builder);
CR_NODISCARD cr_status cr_builder_find_leaks(cr_sample_builder *builder);

#endif
