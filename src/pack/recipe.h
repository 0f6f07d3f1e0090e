/* A pack recipe: the YAML file as a structure (datasets/README.md describes every key). Nothing here has seen the table
 * yet; `node`s are kept so that a column that the table lacks is reported where the recipe names it. */
#ifndef CRISOL_RECIPE_H
#define CRISOL_RECIPE_H

#include "formula_expression.h"
#include "sample_table.h"

#include "crisol/pack.h"
#include "crisol/yaml.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cr_label_kind {
    CR_LABEL_COLUMN,  /* the cell names the class */
    CR_LABEL_ONE_HOT, /* the cell is a list of zeros and one 1 */
    CR_LABEL_FORMULA  /* class 1 where a formula over columns lies strictly above a cut */
} cr_label_kind;

/* A column of the table, by name. */
typedef struct cr_recipe_source {
    const char *name;
    const cr_yaml_node *node; /* what to point at */
    bool at_key;              /* … at its key: the name is not written out */
} cr_recipe_source;

typedef struct cr_recipe_column {
    const char *name;
    cr_recipe_source source;
    const cr_yaml_node *node;
    cr_column_kind kind;
    const cr_yaml_node *words;   /* sequence, or null: learnt */
    const cr_yaml_node *missing; /* sequence of placeholders, or null */
    double *placeholders;        /* numeric: [missing->n], owned */
    int64_t min_count;           /* of a learnt word: rows */
    bool reject_unknown;
} cr_recipe_column;

typedef enum cr_filter_kind {
    CR_FILTER_ONE_OF,
    CR_FILTER_NOT_ONE_OF,
    CR_FILTER_RANGE,
    CR_FILTER_PRESENT
} cr_filter_kind;

typedef struct cr_recipe_filter {
    cr_recipe_source source;
    cr_filter_kind kind;
    const cr_yaml_node *values; /* one_of, not_one_of: sequence */
    double lowest, highest;     /* range, both ends in it */
    bool present;
} cr_recipe_filter;

typedef struct cr_recipe {
    cr_yaml *yaml;
    char *text;
    char *table;      /* path */
    char *image_root; /* path */

    cr_recipe_source image;             /* a column, when `image_template` is null */
    const char *prefix, *suffix;        /* around that column's cell */
    const cr_yaml_node *image_template; /* "images/{file}.jpg" */
    cr_resize resize;
    bool apply_exif;
    bool missing_fails; /* a missing image ends the pack */

    const cr_yaml_node *id; /* template, or null: the record's number */
    cr_recipe_source group; /* name null: every row its own */

    cr_recipe_column *columns;
    int64_t n_columns;
    cr_recipe_filter *filters;
    int64_t n_filters;

    struct {
        cr_label_kind kind;
        cr_recipe_source source;
        cr_formula *formula;
        const cr_yaml_node *node;    /* of column, one_hot or formula */
        const cr_yaml_node *classes; /* sequence of names, map from name to cells, or null: learnt */
        bool scale;                  /* to 0…1 */
        bool cut_at_median;
        double cut;
        bool over_train; /* range and median of the training split, not of all rows */
    } label;

    struct {
        cr_recipe_source source; /* name null: by fractions */
        double fractions[CR_N_SPLITS];
        const cr_yaml_node *words[CR_N_SPLITS]; /* scalar or sequence, or null */
    } split;

    int64_t shard_samples;
    double max_rejects;
    uint64_t seed;
} cr_recipe;

/* `root` as in cr_sample_table_create(). Errors: CR_BAD_CONFIG with file:line:column, CR_MISSING, CR_IO. */
CR_NODISCARD cr_status cr_recipe_read(const char *path, const char *root, cr_recipe **recipe);
void cr_recipe_destroy(cr_recipe **recipe);

/* Parts of cr_recipe_read(). */
CR_NODISCARD cr_status cr_recipe_read_source(const cr_recipe *recipe, const cr_yaml_node *node,
                                             cr_recipe_source *source);
CR_NODISCARD cr_status cr_recipe_read_columns(cr_recipe *recipe, const cr_yaml_node *map);
CR_NODISCARD cr_status cr_recipe_read_filters(cr_recipe *recipe, const cr_yaml_node *sequence);
CR_NODISCARD cr_status cr_recipe_read_label(cr_recipe *recipe, const cr_yaml_node *map);
/* An error unless the node is a sequence of `at_least` different texts. */
CR_NODISCARD cr_status cr_recipe_check_words(const cr_recipe *recipe, const cr_yaml_node *node, int64_t at_least);
/* Whether a cell is the node's text, or one of them where it is a sequence. */
bool cr_is_one_of(const cr_yaml_node *nodes, const char *cell);

#endif
