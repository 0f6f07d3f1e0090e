/* A pack recipe and its table: the bytes up to the first NUL are the recipe, the rest is table.csv beside it. What the
 * recipe makes of the table (filters, labels, formulas, vocabularies, split) is run too; a.png and b.jpg exist. */
#include "fuzz_input.h"

#include "recipe.h"
#include "sample_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void prepare(void)
{
    static bool done;
    if (done)
        return;
    fuzz_write("a.png", "", 0);
    fuzz_write("b.jpg", "", 0);
    done = true;
}

static void check_rows(const cr_sample_table *table)
{
    for (int64_t i = 0; i < table->n_rows; i++) {
        const cr_sample_row *row = &table->rows[i];
        fuzz_touch_text(row->image ? row->image : "");
        if (row->rejected)
            continue;
        fuzz_demand(row->label >= 0 && row->label < table->n_classes, "a row's label is no class");
        fuzz_demand(row->split >= CR_SPLIT_TRAIN && row->split < CR_N_SPLITS, "a row is in no split");
        fuzz_demand(memchr(row->id, 0, sizeof row->id), "an id is not ended");
        fuzz_demand(row->group >= 0, "a row has no group");
        fuzz_touch(row->metadata, (size_t)table->n_features * sizeof *row->metadata);
    }
}

static void check_columns(const cr_sample_table *table)
{
    int64_t n_features = 0;
    for (int64_t i = 0; i < table->n_columns; i++) {
        const cr_column *column = &table->columns[i];
        fuzz_demand(column->feature == n_features, "features do not follow one another");
        n_features += column->n_features;
        for (int64_t w = 0; w < column->n_words; w++)
            fuzz_touch_text(column->words[w]);
        fuzz_demand(isfinite(column->mean) && column->deviation > 0, "a column's statistics cannot be used");
    }
    fuzz_demand(n_features == table->n_features, "a number of features is wrong");
    for (int64_t i = 0; i < table->n_classes; i++)
        fuzz_touch_text(table->class_names[i]);
}

static void check_rejects(const cr_sample_table *table)
{
    for (int64_t i = 0; i < table->n_rejects; i++) {
        fuzz_touch_text(table->rejects[i].reason);
        fuzz_touch_text(table->rejects[i].detail ? table->rejects[i].detail : "");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *end = bytes ? memchr(data, 0, bytes) : NULL;
    size_t recipe_bytes = end ? (size_t)(end - data) : bytes;
    char path[2 * FUZZ_PATH_MAX];
    cr_recipe *recipe = NULL;
    cr_sample_table *table = NULL;
    prepare();
    fuzz_write("recipe.yaml", data, recipe_bytes);
    snprintf(path, sizeof path, "%s/recipe.yaml", fuzz_folder());
    cr_status status = cr_recipe_read(path, NULL, &recipe);
    fuzz_check_refusal(status);
    if (status != CR_OK)
        return 0;
    cr_recipe_destroy(&recipe);
    fuzz_write("table.csv", end ? end + 1 : data, end ? bytes - recipe_bytes - 1 : 0);
    status = cr_sample_table_create(path, NULL, &table);
    fuzz_check_refusal(status);
    fuzz_demand(status == CR_OK ? table != NULL : !table || table->n_rejects > 0, "a table without use");
    if (table)
        check_rejects(table);
    if (status == CR_OK) {
        cr_sample_table_statistics(table);
        check_rows(table);
        check_columns(table);
        fuzz_accepted = true;
    }
    cr_sample_table_destroy(&table);
    return 0;
}
