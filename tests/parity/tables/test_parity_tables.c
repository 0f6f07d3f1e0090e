/* CSV files, list cells and number cells against Python's readings: everything that tables.json lists. */
#include "csv_table.h"
#include "list_literal.h"
#include "number_cell.h"
#include "parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *references;
static double tolerance;

static int set_up(void **state)
{
    (void)state;
    if (parity_dir() == NULL)
        return 0;
    references = parity_json("tables/tables.json");
    json_t *tolerances = parity_json("tolerances.json");
    tolerance = parity_real(tolerances, "tables.abs");
    json_decref(tolerances);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(references);
    return 0;
}

/* Cells of one record that differ from the reference, all of them when the number of cells does. */
static int64_t count_wrong_cells(const cr_csv_table *table, int64_t row, const json_t *expected)
{
    int64_t n = 0;
    if ((int64_t)json_array_size(expected) != table->n_columns)
        return table->n_columns;
    for (int64_t c = 0; c < table->n_columns; c++)
        n += strcmp(cr_csv_cell(table, row, c), json_string_value(json_array_get(expected, (size_t)c))) != 0;
    return n;
}

static int64_t count_wrong_missing(const cr_csv_table *table, const json_t *expected)
{
    int64_t n = (int64_t)json_array_size(expected) != table->n_rows;
    for (int64_t row = 0; row < table->n_rows && n == 0; row++)
        for (int64_t c = 0; c < table->n_columns; c++)
            n += cr_cell_is_missing(cr_csv_cell(table, row, c)) !=
                 json_is_true(json_array_get(json_array_get(expected, (size_t)row), (size_t)c));
    return n;
}

static int64_t count_wrong(const char *path, json_t *reference)
{
    json_t *expected = parity_get(reference, "expected");
    const char *error = json_string_value(json_object_get(expected, "error"));
    cr_csv_table *table = NULL;
    cr_csv_problem problem;
    cr_status status = cr_csv_read(path, CR_CSV_RAGGED_FAILS, &table, &problem);
    if (error != NULL) {
        int64_t wrong = status != CR_BAD_DATA || table != NULL || strcmp(cr_csv_problem_name(problem), error) != 0;
        if (wrong != 0)
            printf("%s: expected %s, got %s\n", path, error, status == CR_OK ? "a table" : cr_error_message());
        /* the message names the file and the kind */
        wrong +=
            status == CR_OK || strstr(cr_error_message(), path) == NULL || strstr(cr_error_message(), error) == NULL;
        cr_csv_destroy(&table);
        return wrong;
    }
    if (status != CR_OK) {
        printf("%s\n", cr_error_message());
        return 1;
    }
    const json_t *rows = json_object_get(expected, "rows");
    int64_t wrong = count_wrong_cells(table, -1, json_object_get(expected, "header"));
    wrong += (int64_t)json_array_size(rows) != table->n_rows;
    for (int64_t row = 0; row < table->n_rows && wrong == 0; row++)
        wrong += count_wrong_cells(table, row, json_array_get(rows, (size_t)row));
    json_t *missing = json_object_get(reference, "missing_cells");
    if (missing != NULL)
        wrong += count_wrong_missing(table, missing);
    cr_csv_destroy(&table);
    return wrong;
}

static void test_files(void **state)
{
    (void)state;
    parity_require();
    const char *name;
    json_t *reference;
    bool good = true;
    json_object_foreach(parity_get(references, "files"), name, reference)
    {
        char path[4352], what[128];
        snprintf(path, sizeof path, "%s/tables/%s.csv", parity_dir(), name);
        snprintf(what, sizeof what, "tables %s: wrong cells or error", name);
        good &= parity_line(what, (double)count_wrong(path, reference), 0);
    }
    assert_true(good);
}

static bool list_agrees(const char *cell, const json_t *expected, cr_list *list)
{
    bool good;
    assert_int_equal(cr_list_parse(cell, list, &good), CR_OK);
    if (expected == NULL || !good)
        return (expected != NULL) == good;
    if ((int64_t)json_array_size(expected) != list->n)
        return false;
    for (int64_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], json_string_value(json_array_get(expected, (size_t)i))) != 0)
            return false;
    return true;
}

static void test_list_cells(void **state)
{
    (void)state;
    parity_require();
    cr_list list = {0};
    size_t index;
    json_t *reference;
    bool good = true;
    json_array_foreach(parity_get(references, "list_cells"), index, reference)
    {
        const char *cell = json_string_value(parity_get(reference, "cell"));
        bool agrees = list_agrees(cell, json_object_get(reference, "value"), &list);
        char what[160];
        snprintf(what, sizeof what, "tables list cell %s", cell);
        good &= parity_line(what, agrees ? 0 : 1, 0);
    }
    cr_list_free(&list);
    assert_true(good);
}

static void test_number_cells(void **state)
{
    (void)state;
    parity_require();
    size_t index;
    json_t *reference;
    bool good = true;
    json_array_foreach(parity_get(references, "number_cells"), index, reference)
    {
        const char *cell = json_string_value(parity_get(reference, "cell"));
        json_t *value = json_object_get(reference, "value");
        cr_number_kind expected = value != NULL                                   ? CR_NUMBER_VALUE
                                  : json_object_get(reference, "missing") != NULL ? CR_NUMBER_MISSING
                                                                                  : CR_NUMBER_BAD;
        double number = 0, wanted = value == NULL ? 0 : parity_value(value), gap = 0;
        cr_number_kind kind = cr_number_parse(cell, &number);
        char what[160];
        snprintf(what, sizeof what, "tables number cell \"%s\"", cell);
        if (kind != expected)
            gap = 1;
        else if (kind == CR_NUMBER_VALUE && memcmp(&number, &wanted, sizeof number) != 0) /* -0 is not 0 */
            gap = number == wanted ? 1 : (number > wanted ? number - wanted : wanted - number);
        good &= parity_line(what, gap, tolerance);
    }
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_list_cells),
        cmocka_unit_test(test_number_cells),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
