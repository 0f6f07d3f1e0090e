#include "formula_expression.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double evaluate(const char *text, const double *values)
{
    cr_formula *formula = NULL;
    if (cr_formula_compile(text, &formula, NULL) != CR_OK)
        fail_msg("%s: %s", text, cr_error_message());
    double value = cr_formula_evaluate(formula, values);
    cr_formula_destroy(&formula);
    assert_null(formula);
    return value;
}

static void test_arithmetic(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"1 + 2*3", 7},     {"(1+2) * 3", 9}, {"8/4/2", 1}, {"10 - 3 - 2", 5},
                 {"-2*-3", 6},       {"- (1 - 4)", 3}, {"+5", 5},    {"2e1+.5", 20.5},
                 {"1.5e-1 * 2", .3}, {"\t7\n- 1 ", 6}, {"--1", 1},   {"2*(3+4)*(5-6)", -14}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(evaluate(cases[i].text, NULL) == cases[i].value);
    assert_true(isinf(evaluate("1/0", NULL)));
    assert_true(isnan(evaluate("0/0", NULL)));
    /* the written order: a sum in another order gives another double */
    assert_true(evaluate("1e16 + 1 - 1e16", NULL) == 0);
    assert_true(evaluate("1e16 - 1e16 + 1", NULL) == 1);
    assert_true(evaluate("0.1 + 0.2 + 0.3", NULL) == 0.1 + 0.2 + 0.3);
}

static void test_names(void **state)
{
    (void)state;
    cr_formula *formula = NULL;
    assert_int_equal(cr_formula_compile("a_1 * \"Patient Age\" + `it's` - a_1 / 'x \"y\"' + año", &formula, NULL),
                     CR_OK);
    static const char *const names[] = {"a_1", "Patient Age", "it's", "x \"y\"", "año"};
    assert_int_equal(cr_formula_n_names(formula), 5);
    for (int64_t i = 0; i < 5; i++)
        assert_string_equal(cr_formula_name(formula, i), names[i]);
    const double values[] = {2, 3, 5, 4, 0.25};
    assert_true(cr_formula_evaluate(formula, values) == 2 * 3 + 5 - 0.5 + 0.25);
    cr_formula_destroy(&formula);
    cr_formula_destroy(&formula);
}

static void expect_error(const char *text, size_t expected_at, const char *says)
{
    cr_formula *formula = NULL;
    size_t at = 999;
    assert_int_equal(cr_formula_compile(text, &formula, &at), CR_BAD_CONFIG);
    assert_null(formula);
    if (strstr(cr_error_message(), says) == NULL || at != expected_at)
        fail_msg("\"%s\": \"%s\" at %zu", text, cr_error_message(), at);
}

static void test_errors(void **state)
{
    (void)state;
    expect_error("", 0, "expected");
    expect_error("a +", 3, "a number, a column name or an opening parenthesis");
    expect_error("a b", 2, "an operator or the end");
    expect_error("(a + b", 6, "closing parenthesis");
    expect_error("a)", 1, "an operator or the end");
    expect_error("2 ** 3", 3, "a number, a column name");
    expect_error("a % b", 2, "an operator");
    expect_error("\"open", 0, "no closing \"");
    expect_error("a + ''", 4, "empty");
    expect_error("1.2.3", 0, "no number");
    expect_error("0x10", 0, "no number");
    expect_error("1e", 0, "no number");
    expect_error("1e999", 0, "no number");
    expect_error("max(a)", 3, "an operator");
    expect_error("1,5", 1, "an operator");
}

static void test_bounds(void **state)
{
    (void)state;
    char text[CR_FORMULA_MAX_BYTES + 2];
    double one = 1;
    memset(text, '(', sizeof text);
    text[sizeof text - 2] = '\0';
    expect_error(text, CR_FORMULA_MAX_DEPTH, "nested deeper than 64");
    memset(text, '-', sizeof text);
    text[sizeof text - 2] = '\0';
    expect_error(text, CR_FORMULA_MAX_DEPTH, "nested deeper than 64");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    expect_error(text, 0, "longer than 4096");
    text[sizeof text - 2] = '\0';
    assert_true(evaluate(text, &one) == 1);
    /* the deepest stack: a sum and a product wait at every level */
    char *at = text;
    for (int i = 0; i < CR_FORMULA_MAX_DEPTH - 1; i++)
        at = stpcpy(at, "1+1*(");
    *at++ = '1';
    memset(at, ')', CR_FORMULA_MAX_DEPTH - 1);
    at[CR_FORMULA_MAX_DEPTH - 1] = '\0';
    assert_true(evaluate(text, NULL) == CR_FORMULA_MAX_DEPTH);
    at = text;
    for (int i = 0; i <= CR_FORMULA_MAX_NAMES; i++)
        at += sprintf(at, "%sx%d", i == 0 ? "" : "+", i);
    cr_formula *formula = NULL;
    assert_int_equal(cr_formula_compile(text, &formula, NULL), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "over 256 columns"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
