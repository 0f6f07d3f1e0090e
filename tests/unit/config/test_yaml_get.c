#include "yaml_check.h"

#include <math.h>

static const cr_yaml_node *only(const cr_yaml *yaml)
{
    return cr_yaml_root(yaml)->items[0];
}

static void integers_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"x: 0", 0},
                {"x: -7", -7},
                {"x: +3", 3},
                {"x: 9223372036854775807", INT64_MAX},
                {"x: -9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {
        "x: 1.0",  "x: 1e3", "x: 010", "x: 0x10",   "x: 1_000", "x: \"1\"", "x: ''",    "x: ~",
        "x: true", "x: [1]", "x: 1 2", "x: {a: 1}", "x: abc",   "x:",       "x: |\n 1", "x: 9223372036854775808"};
    int64_t value;
    uint64_t natural;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_yaml *yaml = parse(good[i].text);
        assert_int_equal(cr_yaml_get_int(yaml, only(yaml), INT64_MIN, INT64_MAX, &value), CR_OK);
        assert_true(value == good[i].value);
        cr_yaml_destroy(&yaml);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_yaml *yaml = parse(bad[i]);
        assert_int_equal(cr_yaml_get_int(yaml, only(yaml), INT64_MIN, INT64_MAX, &value), CR_BAD_CONFIG);
        cr_yaml_destroy(&yaml);
    }
    cr_yaml *yaml = parse("a:\n  x: 18446744073709551615\n  y: -1\n  z: 18446744073709551616\n  w: 5\n");
    const cr_yaml_node *map = only(yaml);
    assert_int_equal(cr_yaml_get_uint64(yaml, map->items[0], &natural), CR_OK);
    assert_true(natural == UINT64_MAX);
    assert_int_equal(cr_yaml_get_uint64(yaml, map->items[1], &natural), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:3:6: 'a.y' must be an integer from 0 to 18446744073709551615, not '-1'");
    assert_int_equal(cr_yaml_get_uint64(yaml, map->items[2], &natural), CR_BAD_CONFIG);
    assert_int_equal(cr_yaml_get_int(yaml, map->items[3], 5, 5, &value), CR_OK);
    assert_int_equal(cr_yaml_get_int(yaml, map->items[3], 6, 9, &value), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:5:6: 'a.w' must be an integer from 6 to 9, not '5'");
    assert_int_equal(cr_yaml_get_int(yaml, map->items[3], 6, INT64_MAX, &value), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:5:6: 'a.w' must be an integer of at least 6, not '5'");
    assert_int_equal(cr_yaml_get_int(yaml, map->items[3], INT64_MIN, 4, &value), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:5:6: 'a.w' must be an integer of at most 4, not '5'");
    cr_yaml_destroy(&yaml);
}

static void reals_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"x: 1", 1},       {"x: -0.5", -0.5},   {"x: .5", .5},   {"x: 5.", 5},
                {"x: 1e-5", 1e-5}, {"x: 1.5E+3", 1500}, {"x: 0.1", 0.1}, {"x: 5e-324", 5e-324}};
    static const char *const bad[] = {"x: .",   "x: e5",    "x: 1e",    "x: 1e999", "x: .nan", "x: .inf", "x: inf",
                                      "x: nan", "x: 0x1p3", "x: \"1\"", "x: 1,5",   "x: [1]",  "x: ",     "x: 1.2.3"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_yaml *yaml = parse(good[i].text);
        assert_int_equal(cr_yaml_get_real(yaml, only(yaml), -INFINITY, INFINITY, &value), CR_OK);
        assert_true(value == good[i].value);
        cr_yaml_destroy(&yaml);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_yaml *yaml = parse(bad[i]);
        assert_int_equal(cr_yaml_get_real(yaml, only(yaml), -INFINITY, INFINITY, &value), CR_BAD_CONFIG);
        assert_message_begins("f.yaml:1:");
        cr_yaml_destroy(&yaml);
    }
    cr_yaml *yaml = parse("x: 1.5");
    assert_int_equal(cr_yaml_get_real(yaml, only(yaml), 0, 1, &value), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:1:4: 'x' must be a number from 0 to 1, not '1.5'");
    assert_int_equal(cr_yaml_get_real(yaml, only(yaml), 2, INFINITY, &value), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:1:4: 'x' must be a number of at least 2, not '1.5'");
    cr_yaml_destroy(&yaml);
}

static void other_scalars_are_checked(void **state)
{
    (void)state;
    static const char *const colours[] = {"red", "green", "blue", NULL};
    cr_yaml *yaml = parse("a: true\nb: no\nc: \"true\"\nd:\ne: \"\"\nf: 12\ng: \"null\"\nh: {i: [1]}\n");
    const cr_yaml_node *const *item = cr_yaml_root(yaml)->items;
    bool truth = false;
    const char *text = NULL;
    int choice = -1;
    assert_int_equal(cr_yaml_get_bool(yaml, item[0], &truth), CR_OK);
    assert_true(truth);
    assert_int_equal(cr_yaml_get_bool(yaml, item[1], &truth), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:2:4: 'b' must be true or false, not 'no'");
    assert_int_equal(cr_yaml_get_bool(yaml, item[2], &truth), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:3:4: 'c' must be true or false, not \"true\"");
    assert_int_equal(cr_yaml_get_string(yaml, item[1], &text), CR_OK);
    assert_string_equal(text, "no");
    assert_int_equal(cr_yaml_get_string(yaml, item[3], &text), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:4:3: 'd' must be a text (\"\" is an empty one), not empty");
    assert_int_equal(cr_yaml_get_string(yaml, item[4], &text), CR_OK);
    assert_string_equal(text, "");
    assert_int_equal(cr_yaml_get_string(yaml, item[5], &text), CR_OK);
    assert_string_equal(text, "12");
    assert_int_equal(cr_yaml_get_string(yaml, item[6], &text), CR_OK);
    assert_int_equal(cr_yaml_get_string(yaml, item[7], &text), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:8:4: 'h' must be a text (\"\" is an empty one), not a map");
    assert_int_equal(cr_yaml_get_choice(yaml, item[5], colours, &choice), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:6:4: 'f' must be red, green or blue, not '12'");
    const cr_yaml_node *inner = item[7]->items[0];
    assert_int_equal(cr_yaml_expect(yaml, inner->items[0], CR_YAML_SEQUENCE), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:8:9: 'h.i[0]' must be a list, as in [a, b], not '1'");
    assert_int_equal(cr_yaml_expect(yaml, inner, CR_YAML_MAP), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:8:8: 'h.i' must be a map, not a list");
    cr_yaml_destroy(&yaml);
    yaml = parse("blue");
    assert_int_equal(cr_yaml_get_choice(yaml, cr_yaml_root(yaml), colours, &choice), CR_OK);
    assert_int_equal(choice, 2);
    cr_yaml_destroy(&yaml);
}

static void keys_are_checked(void **state)
{
    (void)state;
    static const char *const keys[] = {"table", "columns", "split", NULL};
    const cr_yaml_node *found;
    cr_yaml *yaml = parse("table: 1\nsplti: 2\n");
    assert_int_equal(cr_yaml_check_keys(yaml, cr_yaml_root(yaml), keys), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:2:1: unknown key 'splti'; did you mean 'split'?");
    assert_int_equal(cr_yaml_need(yaml, cr_yaml_root(yaml), "columns", &found), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:1:1: key 'columns' is missing");
    assert_int_equal(cr_yaml_need(yaml, cr_yaml_root(yaml), "table", &found), CR_OK);
    assert_string_equal(found->text, "1");
    cr_yaml_destroy(&yaml);
    yaml = parse("a:\n  zebra: 2\n");
    assert_int_equal(cr_yaml_check_keys(yaml, only(yaml), keys), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:2:3: unknown key 'a.zebra'; known are table, columns, split");
    assert_int_equal(cr_yaml_need(yaml, only(yaml), "split", &found), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:1:1: key 'split' is missing in 'a'");
    assert_int_equal(cr_yaml_need(yaml, only(yaml)->items[0], "split", &found), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:2:10: 'a.zebra' must be a map");
    cr_yaml_destroy(&yaml);
    yaml = parse("table: 1\nsplit: 2\ncolumns: []\n");
    assert_int_equal(cr_yaml_check_keys(yaml, cr_yaml_root(yaml), keys), CR_OK);
    cr_yaml_destroy(&yaml);
}

/* What a terminal might obey, and what would fill the screen. */
static void users_texts_are_tamed_in_messages(void **state)
{
    (void)state;
    static const char *const keys[] = {"x", NULL};
    char *text = repeat("é", 100, ": 1\n");
    bool truth;
    cr_yaml *yaml = parse(text);
    assert_int_equal(cr_yaml_check_keys(yaml, cr_yaml_root(yaml), keys), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "éé...'"));
    assert_true(strlen(cr_error_message()) < 150);
    cr_yaml_destroy(&yaml);
    free(text);
    yaml = parse("x: \"\\e[31mred\\n\"");
    assert_int_equal(cr_yaml_get_bool(yaml, only(yaml), &truth), CR_BAD_CONFIG);
    assert_message_begins("f.yaml:1:4: 'x' must be true or false, not \"?[31mred?\"");
    cr_yaml_destroy(&yaml);
}

static void a_word_of_the_command_line_has_no_position(void **state)
{
    (void)state;
    cr_yaml *yaml = NULL;
    int64_t value;
    assert_int_equal(cr_yaml_parse_value("abc", "--set x", &yaml), CR_OK);
    assert_int_equal(cr_yaml_get_int(yaml, cr_yaml_root(yaml), 1, 2, &value), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), "--set x: the value must be an integer from 1 to 2, not 'abc'");
    cr_yaml_destroy(&yaml);
    assert_int_equal(cr_yaml_parse_value("[", "--set x", &yaml), CR_BAD_CONFIG);
    assert_message_begins("--set x: not valid YAML");
}

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const words[] = {"batch", "classes", "micro_batch", "lr", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"bacth", "batch"},
                 {"batches", "batch"},
                 {"bach", "batch"},
                 {"clases", "classes"},
                 {"mirco_bacth", "micro_batch"},
                 {"lrr", "lr"},
                 {"rl", NULL},
                 {"xyz", NULL},
                 {"", NULL},
                 {"epochs", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = cr_yaml_nearest(cases[i].word, words);
        if (!cases[i].nearest)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
    char *huge = repeat("x", 1000, "");
    assert_null(cr_yaml_nearest(huge, words));
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_checked),
        cmocka_unit_test(reals_are_checked),
        cmocka_unit_test(other_scalars_are_checked),
        cmocka_unit_test(keys_are_checked),
        cmocka_unit_test(users_texts_are_tamed_in_messages),
        cmocka_unit_test(a_word_of_the_command_line_has_no_position),
        cmocka_unit_test(the_nearest_word_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
