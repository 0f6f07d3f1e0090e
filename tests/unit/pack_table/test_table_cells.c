/* Cells: numbers, missing values, list literals, texts by number. The references are in tests/parity/tables. */
#include "list_literal.h"
#include "number_cell.h"
#include "string_index.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_missing_words(void **state)
{
    (void)state;
    assert_true(cr_cell_is_missing(""));
    assert_true(cr_cell_is_missing("\t NaN\n"));
    assert_false(cr_cell_is_missing("null"));
    assert_false(cr_cell_is_missing("-"));
    assert_false(cr_cell_is_missing("NAN"));
    assert_false(cr_cell_is_missing("N A"));
}

static void test_numbers_ignore_the_locale(void **state)
{
    (void)state;
    double value;
    bool comma = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    assert_int_equal(cr_number_parse("1.5", &value), CR_NUMBER_VALUE);
    assert_true(value == 1.5);
    assert_int_equal(cr_number_parse("1,5", &value), CR_NUMBER_BAD);
    setlocale(LC_ALL, "C");
    print_message("a locale with a decimal comma was %s\n", comma ? "set" : "not there; tried in C");
}

static void test_odd_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {".",    "+",        "-.",  "e5",   "1e+",   "1.2.3", "0b1",
                                      "1e5x", "infinity", "INF", "1 e5", "0x1p3", "+-1",   "nan(0x1)"};
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (cr_number_parse(bad[i], &value) != CR_NUMBER_BAD)
            fail_msg("\"%s\" is taken for a number", bad[i]);
    assert_int_equal(cr_number_parse("-0", &value), CR_NUMBER_VALUE);
    assert_true(signbit(value));
    assert_int_equal(cr_number_parse("1e-99999", &value), CR_NUMBER_VALUE);
    assert_true(value == 0);
    assert_int_equal(cr_number_parse("1e99999", &value), CR_NUMBER_BAD);
}

static bool is_list(const char *cell, cr_list *list)
{
    bool good;
    assert_int_equal(cr_list_parse(cell, list, &good), CR_OK);
    return good;
}

static void test_lists(void **state)
{
    (void)state;
    cr_list list = {0};
    assert_true(is_list(" [1, 0.5, -2e3]\n", &list));
    assert_int_equal(list.n, 3);
    assert_string_equal(list.items[1], "0.5");
    assert_true(list.is_number[1]);
    assert_true(is_list("['1']", &list));
    assert_false(list.is_number[0]);
    assert_true(is_list("['\\101\\x42\\U0001F642\\\n\\q']", &list));
    assert_string_equal(list.items[0], "AB\xF0\x9F\x99\x82\\q");
    assert_true(is_list("[]", &list));
    assert_int_equal(list.n, 0);
    cr_list_free(&list);
}

static void test_bad_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {"[['a']]",  "['a' 'b']",   "[r'a']",     "['\\N{BULLET}']",
                                      "['\\x4']", "['\\ud800']", "['\\x00']",  "['\\U00110000']",
                                      "['a\nb']", "[,]",         "['a',,'b']", "[None]",
                                      "[True]",   "('a',)",      "[1 2]",      "['a'",
                                      "[",        "]",           "[--1]",      "[1_0]",
                                      "[0x1]",    "[nan]",       "['a\"]",     "['a'][0]",
                                      "['\\"};
    cr_list list = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (is_list(bad[i], &list))
            fail_msg("\"%s\" is taken for a list", bad[i]);
    cr_list_free(&list);
}

static void test_long_lists(void **state)
{
    (void)state;
    cr_list list = {0};
    char *cell = malloc(2 * CR_LIST_MAX_ITEMS + 8), *at = cell;
    assert_non_null(cell);
    *at++ = '[';
    for (int i = 0; i < CR_LIST_MAX_ITEMS; i++, at += 2)
        memcpy(at, "7,", 2);
    strcpy(at, "]");
    assert_true(is_list(cell, &list));
    assert_int_equal(list.n, CR_LIST_MAX_ITEMS);
    strcpy(at, "7]");
    assert_false(is_list(cell, &list));
    free(cell);
    cr_list_free(&list);
}

static void test_string_index(void **state)
{
    (void)state;
    cr_string_index index = {0};
    int64_t number;
    bool added;
    char text[32];
    assert_int_equal(cr_string_index_find(&index, "x"), -1);
    for (int64_t i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "text %lld", (long long)(i % 2500));
        assert_int_equal(cr_string_index_add(&index, text, &number, &added), CR_OK);
        assert_int_equal(number, i % 2500);
        assert_int_equal(added, i < 2500);
    }
    assert_int_equal(cr_string_index_find(&index, "text 1234"), 1234);
    assert_int_equal(cr_string_index_find(&index, "text"), -1);
    assert_string_equal(index.texts[42], "text 42");
    cr_string_index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_words), cmocka_unit_test(test_numbers_ignore_the_locale),
        cmocka_unit_test(test_odd_numbers),   cmocka_unit_test(test_lists),
        cmocka_unit_test(test_bad_lists),     cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_string_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
