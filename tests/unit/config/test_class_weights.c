/* loss.class_weights: a word, or numbers by name. */
#include "crisol/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cr_config *fresh(void)
{
    cr_config *config = NULL;
    assert_int_equal(cr_config_create(&config), CR_OK);
    return config;
}

static void expect_error(const char *text, const char *message)
{
    cr_config *config = fresh();
    assert_int_equal(cr_config_parse(config, text, strlen(text), "f"), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), message);
    cr_config_destroy(&config);
}

static void a_word_or_a_map(void **state)
{
    (void)state;
    cr_config *config = fresh();
    const cr_weights *weights = &config->loss.class_weights;
    assert_int_equal(weights->rule, CR_WEIGHTS_NONE);
    assert_int_equal(cr_config_set(config, "loss.class_weights={N: 1, \"two words\": 2.5, no: 0}"), CR_OK);
    assert_int_equal(weights->rule, CR_WEIGHTS_LISTED);
    assert_int_equal(weights->n, 3);
    assert_string_equal(weights->names[1], "two words");
    assert_string_equal(weights->names[2], "no");
    assert_true(weights->values[0] == 1 && weights->values[1] == 2.5 && weights->values[2] == 0);
    assert_int_equal(cr_config_set(config, "loss.class_weights=balanced"), CR_OK);
    assert_int_equal(weights->rule, CR_WEIGHTS_BALANCED);
    assert_int_equal(weights->n, 0);
    cr_config_destroy(&config);
}

static void the_dump_means_the_same(void **state)
{
    (void)state;
    cr_config *config = fresh(), *again = fresh();
    char *text = NULL, *difference = NULL;
    assert_int_equal(cr_config_set(config, "loss.class_weights={N: 0.1, \"a: b\": 1e-7, null: 2, D: 3}"), CR_OK);
    assert_int_equal(cr_config_compare(config, again, &difference), CR_OK);
    assert_string_equal(difference, "loss.class_weights: {N: 0.1, a: b: 1.0e-07, null: 2, D: 3} → none\n");
    free(difference);
    assert_int_equal(cr_config_dump(config, &text), CR_OK);
    assert_non_null(strstr(text, "class_weights: {\"N\": 0.1, \"a: b\": 1.0e-07, \"null\": 2, D: 3}\n"));
    assert_int_equal(cr_config_parse(again, text, strlen(text), "dump"), CR_OK);
    assert_int_equal(cr_config_compare(config, again, &difference), CR_OK);
    assert_null(difference);
    free(text);
    cr_config_destroy(&config);
    cr_config_destroy(&again);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    expect_error("loss: {class_weights: even}", "f:1:23: 'loss.class_weights' must be none or balanced, not 'even'");
    expect_error("loss: {class_weights: {}}", "f:1:23: 'loss.class_weights' must name from 1 to 4096 numbers, not 0");
    expect_error("loss: {class_weights: {N: -1}}",
                 "f:1:27: 'loss.class_weights.N' must be a number from 0 to 1e+09, not '-1'");
    expect_error("loss: {class_weights: {N: 1, N: 2}}", "f:1:30: key 'N' stands twice, first in line 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_word_or_a_map), cmocka_unit_test(the_dump_means_the_same),
                                       cmocka_unit_test(what_is_wrong_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
