/* The recipes in datasets/ on the data sets that they are for. The real ones are skipped where they are absent. */
#include "parity.h"
#include "sample_table.h"

#include "crisol/synth.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const double shares[CR_N_SPLITS] = {0.64, 0.16, 0.20};

static cr_sample_table *create(const char *name, const char *root)
{
    char path[4096];
    cr_sample_table *table = NULL;
    const char *source = getenv("CRISOL_SOURCE");
    snprintf(path, sizeof path, "%s/datasets/%s.yaml", source == NULL ? "." : source, name);
    if (cr_sample_table_create(path, root, &table) != CR_OK)
        fail_msg("%s", cr_error_message());
    return table;
}

static cr_sample_table *create_real(const char *name, const char *csv)
{
    char root[4096], path[4224];
    if (data_dir() == NULL)
        skip();
    snprintf(root, sizeof root, "%s/%s", data_dir(), name);
    snprintf(path, sizeof path, "%s/%s", root, csv);
    if (access(path, R_OK) != 0) {
        printf("skipped: no %s\n", path);
        skip();
    }
    return create(name, root);
}

/* No group on two sides; every class in every split within `bound` rows of its share. */
static void expect_honest_split(const cr_sample_table *table, double bound)
{
    int *side = malloc(((size_t)table->n_rows + 1) * sizeof *side);
    double *counts = calloc((size_t)(CR_N_SPLITS * table->n_classes), sizeof *counts);
    double *total = calloc((size_t)table->n_classes, sizeof *total), worst = 0;
    assert_true(side != NULL && counts != NULL && total != NULL);
    memset(side, -1, ((size_t)table->n_rows + 1) * sizeof *side);
    for (int64_t i = 0; i < table->n_rows; i++) {
        const cr_sample_row *row = &table->rows[i];
        if (row->rejected)
            continue;
        assert_in_range(row->group, 0, table->n_rows);
        assert_true(side[row->group] < 0 || side[row->group] == (int)row->split);
        side[row->group] = (int)row->split;
        counts[(int64_t)row->split * table->n_classes + row->label]++;
        total[row->label]++;
    }
    for (int s = 0; s < CR_N_SPLITS; s++)
        for (int64_t c = 0; c < table->n_classes; c++)
            worst = fmax(worst, fabs(counts[s * table->n_classes + c] - shares[s] * total[c]));
    printf("a class is at most %.2f rows from its share\n", worst);
    assert_true(worst <= bound);
    free(side);
    free(counts);
    free(total);
}

static void test_odir5k(void **state)
{
    (void)state;
    cr_sample_table *table = create_real("odir5k", "full_df.csv"), *again = create_real("odir5k", "full_df.csv");
    assert_int_equal(table->n_features, 2);
    assert_int_equal(table->n_classes, 8);
    assert_string_equal(table->class_names[4], "A");
    assert_null(table->leak_warning);
    for (int64_t i = 0; i < table->n_rejects; i++)
        assert_string_equal(table->rejects[i].reason, "missing file");
    assert_true((double)table->n_rejects <= table->max_rejects * (double)table->n_rows);
    expect_honest_split(table, 3);
    for (int64_t i = 0; i < table->n_rows; i++)
        assert_int_equal(table->rows[i].split, again->rows[i].split);
    cr_sample_table_statistics(table);
    assert_true(fabs(table->columns[0].mean - 58) < 1 && fabs(table->columns[0].deviation - 11) < 1);
    cr_sample_table_destroy(&table);
    cr_sample_table_destroy(&again);
}

static void test_poi(void **state)
{
    (void)state;
    cr_sample_table *table = create_real("poi", "poi_dataset.csv");
    assert_int_equal(table->n_rejects, 0);
    assert_int_equal(table->n_columns, 5);
    assert_int_equal(table->columns[0].n_words, 12);
    assert_null(table->leak_warning);
    /* the cut is the training split's, the split is over labels cut over all rows: they part at a few rows */
    expect_honest_split(table, 12);
    int64_t counts[2] = {0};
    for (int64_t i = 0; i < table->n_rows; i++)
        if (table->rows[i].split == CR_SPLIT_TRAIN)
            counts[table->rows[i].label]++;
    assert_in_range(counts[0] - counts[1], 0, 1 + 4); /* halves, but for rows equal to the median */
    cr_sample_table_destroy(&table);
}

static void test_synthetic(void **state)
{
    (void)state;
    char folder[] = "/tmp/crisol-synthetic-XXXXXX", command[128];
    assert_non_null(mkdtemp(folder));
    if (cr_synth_write(folder, 64, 3) != CR_OK)
        fail_msg("%s", cr_error_message());
    cr_sample_table *table = create("synthetic", folder);
    for (int64_t i = 0; i < table->n_rejects; i++)
        fail_msg("record %lld: %s: %s", (long long)table->rejects[i].row, table->rejects[i].reason,
                 table->rejects[i].detail);
    assert_int_equal(table->n_rows, 64);
    assert_int_equal(table->n_classes, 4);
    assert_int_equal(table->n_columns, 3);
    for (int64_t i = 0; i < 64; i += 2)
        assert_int_equal(table->rows[i].group, table->rows[i + 1].group);
    expect_honest_split(table, 2);
    cr_sample_table_destroy(&table);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odir5k),
        cmocka_unit_test(test_poi),
        cmocka_unit_test(test_synthetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
