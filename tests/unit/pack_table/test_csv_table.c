/* The CSV reader: what the references in tests/parity/tables do not cover. */
#include "csv_scan.h"
#include "csv_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cr_csv_table *parse(const char *text, cr_csv_ragged ragged)
{
    cr_csv_table *table = NULL;
    if (cr_csv_parse(text, strlen(text), "table.csv", ragged, &table, NULL) != CR_OK)
        fail_msg("%s", cr_error_message());
    return table;
}

static void expect_problem(const char *text, size_t bytes, cr_csv_problem expected, const char *place)
{
    cr_csv_table *table = NULL;
    cr_csv_problem problem;
    assert_int_equal(cr_csv_parse(text, bytes, "table.csv", CR_CSV_RAGGED_FAILS, &table, &problem), CR_BAD_DATA);
    assert_null(table);
    assert_string_equal(cr_csv_problem_name(problem), cr_csv_problem_name(expected));
    if (strstr(cr_error_message(), place) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", cr_error_message(), place);
}

static void test_reads_cells(void **state)
{
    (void)state;
    cr_csv_table *table = parse("a,b\n1,\n,2\n\"\",\"x\"\"y\"\n", CR_CSV_RAGGED_FAILS);
    assert_int_equal(table->n_columns, 2);
    assert_int_equal(table->n_rows, 3);
    assert_string_equal(cr_csv_column_name(table, 1), "b");
    assert_string_equal(cr_csv_cell(table, 0, 0), "1");
    assert_string_equal(cr_csv_cell(table, 0, 1), "");
    assert_string_equal(cr_csv_cell(table, 1, 1), "2");
    assert_string_equal(cr_csv_cell(table, 2, 0), "");
    assert_string_equal(cr_csv_cell(table, 2, 1), "x\"y");
    assert_int_equal(cr_csv_find_column(table, "b"), 1);
    assert_int_equal(cr_csv_find_column(table, "B"), -1);
    cr_csv_destroy(&table);
    cr_csv_destroy(&table);
}

static void test_lone_return_ends_a_record(void **state)
{
    (void)state;
    cr_csv_table *table = parse("a,b\r1,2\r\r3,4", CR_CSV_RAGGED_FAILS);
    assert_int_equal(table->n_rows, 2);
    assert_string_equal(cr_csv_cell(table, 1, 1), "4");
    assert_int_equal(table->records[2].line, 4);
    cr_csv_destroy(&table);
}

static void test_quoted_empty_cell_is_no_empty_line(void **state)
{
    (void)state;
    cr_csv_table *table = parse("a\n\"\"\n\nx\n", CR_CSV_RAGGED_FAILS);
    assert_int_equal(table->n_rows, 2);
    assert_string_equal(cr_csv_cell(table, 0, 0), "");
    assert_string_equal(cr_csv_cell(table, 1, 0), "x");
    cr_csv_destroy(&table);
}

static void test_says_where(void **state)
{
    (void)state;
    const char *const ragged = "a,b\r\n\"x\r\ny\",1\r\n\r\n2\r\n";
    expect_problem(ragged, strlen(ragged), CR_CSV_RAGGED_ROW, "table.csv: record 2 (line 5): ragged_row: 1 cells");
    const char *const open_quote = "a,b\n1,2\n3,\"4\n5,6\n";
    expect_problem(open_quote, strlen(open_quote), CR_CSV_UNTERMINATED_QUOTE, "record 2 (line 3)");
    const char *const bad_quote = "a,b\n1,\"2\" \n";
    expect_problem(bad_quote, strlen(bad_quote), CR_CSV_BAD_QUOTE, "record 1 (line 2)");
    const char *const twice = "a,b,a\n";
    expect_problem(twice, strlen(twice), CR_CSV_DUPLICATE_COLUMN, "header (line 1)");
    expect_problem("a\n\xFFz\n", 5, CR_CSV_NOT_UTF8, "record 1 (line 2)");
    expect_problem("\0a\n", 3, CR_CSV_NUL_BYTE, "header (line 1)");
    expect_problem("\xFF\xFE"
                   "a\0",
                   4, CR_CSV_NOT_UTF8, "header");
    expect_problem("\n\r\n\n", 4, CR_CSV_EMPTY_TABLE, "header");
    expect_problem("\xEF\xBB\xBF", 3, CR_CSV_EMPTY_TABLE, "header");
}

static void test_first_problem_wins(void **state)
{
    (void)state;
    const char *const text = "a,b\n1\n2,\"x\"y\n\xC0\n";
    expect_problem(text, strlen(text), CR_CSV_RAGGED_ROW, "record 1");
}

static void test_marks_ragged_rows(void **state)
{
    (void)state;
    cr_csv_table *table = parse("a,b\n1\n2,3\n4,5,6\n,\n", CR_CSV_RAGGED_MARKED);
    assert_int_equal(table->n_rows, 4);
    const bool ragged[] = {true, false, true, false};
    for (int64_t i = 0; i < 4; i++)
        assert_int_equal(cr_csv_is_ragged(table, i), ragged[i]);
    assert_string_equal(cr_csv_cell(table, 0, 0), "1");
    assert_string_equal(cr_csv_cell(table, 0, 1), "");
    assert_string_equal(cr_csv_cell(table, 2, 1), "5");
    assert_int_equal(table->records[3].n_cells, 3);
    cr_csv_destroy(&table);
}

static void test_bounds(void **state)
{
    (void)state;
    size_t bytes = CR_CSV_MAX_CELL_BYTES + 64;
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, ',', bytes); /* 4096 columns are 4095 commas */
    expect_problem(text, CR_CSV_MAX_COLUMNS, CR_CSV_TOO_LARGE, "header (line 1): too_large");
    expect_problem(text, CR_CSV_MAX_COLUMNS - 1, CR_CSV_EMPTY_COLUMN_NAME, "column 1 has no name");
    memset(text, 'x', bytes);
    expect_problem(text, bytes, CR_CSV_TOO_LARGE, "too_large");
    text[0] = '"';
    expect_problem(text, bytes, CR_CSV_TOO_LARGE, "too_large");
    text[0] = 'a';
    text[1] = '\n';
    text[CR_CSV_MAX_CELL_BYTES + 2] = '\n';
    cr_csv_table *table = NULL;
    assert_int_equal(cr_csv_parse(text, CR_CSV_MAX_CELL_BYTES + 3, "table.csv", CR_CSV_RAGGED_FAILS, &table, NULL),
                     CR_OK);
    assert_int_equal(strlen(cr_csv_cell(table, 0, 0)), CR_CSV_MAX_CELL_BYTES);
    cr_csv_destroy(&table);
    free(text);
}

static void test_valid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes, valid;
    } cases[] = {{"plain text of some length", 25, 25},
                 {"\xF4\x8F\xBF\xBF", 4, 4},
                 {"\xF4\x90\x80\x80", 4, 0},
                 {"\xF0\x8F\xBF\xBF", 4, 0},
                 {"a\xE0\x9F\xBF", 4, 1},
                 {"12345678\xED\x9F\xBF", 11, 11},
                 {"12345678\xED\xA0\x80", 11, 8},
                 {"\xC2", 1, 0},
                 {"\x80", 1, 0},
                 {"\xC2\x41", 2, 0},
                 {"\xE1\x80\x41", 3, 0},
                 {"\xF5\x80\x80\x80", 4, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cr_utf8_valid_prefix((const unsigned char *)cases[i].text, cases[i].bytes), cases[i].valid);
}

/* Every text of up to 7 of the bytes that matter: the scan and libcsv must agree on records and cells (the reader
 * fails with CR_INTERNAL where they do not). */
static void test_scan_agrees_with_libcsv(void **state)
{
    (void)state;
    static const char alphabet[] = {'a', ',', '"', '\n', '\r'};
    int64_t n_good = 0;
    for (int length = 0; length <= 7; length++) {
        int64_t n = 1;
        for (int i = 0; i < length; i++)
            n *= (int64_t)sizeof alphabet;
        for (int64_t code = 0; code < n; code++) {
            char text[16] = "x,y\n";
            int64_t rest = code;
            for (int i = 0; i < length; i++, rest /= (int64_t)sizeof alphabet)
                text[4 + i] = alphabet[rest % (int64_t)sizeof alphabet];
            cr_csv_table *table = NULL;
            cr_status status = cr_csv_parse(text, 4 + (size_t)length, "table.csv", CR_CSV_RAGGED_MARKED, &table, NULL);
            if (status != CR_OK && status != CR_BAD_DATA)
                fail_msg("%s: %s", text, cr_error_message());
            n_good += status == CR_OK;
            cr_csv_destroy(&table);
        }
    }
    assert_true(n_good > 10000);
}

static void test_missing_file(void **state)
{
    (void)state;
    cr_csv_table *table = NULL;
    cr_csv_problem problem = CR_CSV_BAD_QUOTE;
    assert_int_equal(cr_csv_read("no/such/table.csv", CR_CSV_RAGGED_FAILS, &table, &problem), CR_MISSING);
    assert_int_equal(problem, CR_CSV_NO_PROBLEM);
    assert_non_null(strstr(cr_error_message(), "no/such/table.csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_cells),
        cmocka_unit_test(test_lone_return_ends_a_record),
        cmocka_unit_test(test_quoted_empty_cell_is_no_empty_line),
        cmocka_unit_test(test_says_where),
        cmocka_unit_test(test_first_problem_wins),
        cmocka_unit_test(test_marks_ragged_rows),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_valid_utf8),
        cmocka_unit_test(test_scan_agrees_with_libcsv),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
