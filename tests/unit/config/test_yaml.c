#include "crisol/yaml.h"
#include "scratch_folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cr_yaml *parse(const char *text)
{
    cr_yaml *yaml = NULL;
    if (cr_yaml_parse(text, strlen(text), "f.yaml", &yaml) != CR_OK)
        fail_msg("%s", cr_error_message());
    return yaml;
}

static void assert_message_begins(const char *expected)
{
    if (strncmp(cr_error_message(), expected, strlen(expected)) != 0)
        fail_msg("expected '%s…', got '%s'", expected, cr_error_message());
}

static void refuses_bytes(const char *text, size_t bytes, const char *message)
{
    cr_yaml *yaml = NULL;
    assert_int_equal(cr_yaml_parse(text, bytes, "f.yaml", &yaml), CR_BAD_CONFIG);
    assert_null(yaml);
    assert_message_begins(message);
}

static void refuses(const char *text, const char *message)
{
    refuses_bytes(text, strlen(text), message);
}

static void a_tree_knows_its_places(void **state)
{
    (void)state;
    cr_yaml *yaml = parse("# head\n"
                          "table: rows.csv\n"
                          "split:\n"
                          "  shares: [64, \"16\", 20]\n"
                          "  é: |\n"
                          "    text\n"
                          "nothing:\n");
    const cr_yaml_node *root = cr_yaml_root(yaml);
    assert_int_equal(root->kind, CR_YAML_MAP);
    assert_int_equal(root->n, 3);
    const cr_yaml_node *split = cr_yaml_find(root, "split");
    const cr_yaml_node *shares = cr_yaml_find(split, "shares");
    assert_int_equal(split->key_line, 3);
    assert_int_equal(split->key_column, 1);
    assert_int_equal(shares->kind, CR_YAML_SEQUENCE);
    assert_int_equal(shares->line, 4);
    assert_int_equal(shares->column, 11);
    assert_int_equal(shares->n, 3);
    assert_int_equal(shares->items[1]->column, 16);
    assert_int_equal(shares->items[1]->index, 1);
    assert_true(shares->items[1]->quoted);
    assert_false(shares->items[0]->quoted);
    char path[64];
    cr_yaml_path(shares->items[1], path, sizeof path);
    assert_string_equal(path, "split.shares[1]");
    cr_yaml_path(root, path, sizeof path);
    assert_string_equal(path, "the value");
    cr_yaml_path(shares->items[1], path, 4);
    assert_string_equal(path, "spl");
    const cr_yaml_node *block = cr_yaml_find(split, "é");
    assert_string_equal(block->text, "text\n");
    assert_true(block->quoted);
    assert_int_equal(block->column, 6); /* characters, not bytes */
    assert_true(cr_yaml_is_null(cr_yaml_find(root, "nothing")));
    assert_null(cr_yaml_find(root, "absent"));
    assert_null(cr_yaml_find(shares, "absent"));
    cr_yaml_destroy(&yaml);
    assert_null(yaml);
    cr_yaml_destroy(&yaml);
}

static void an_empty_file_is_an_empty_map(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_yaml *yaml = parse(texts[i]);
        assert_int_equal(cr_yaml_root(yaml)->kind, CR_YAML_MAP);
        assert_int_equal(cr_yaml_root(yaml)->n, 0);
        cr_yaml_destroy(&yaml);
    }
}

static void what_no_file_needs_is_refused(void **state)
{
    (void)state;
    refuses("a: &x 1\n", "f.yaml:1:4: anchors");
    refuses("a: 1\nb: *x\n", "f.yaml:2:4: aliases");
    refuses("a: &x [1]\nb: *x\n", "f.yaml:1:4: anchors");
    refuses("a: !!python/object:os.system x\n", "f.yaml:1:4: tags");
    refuses("a: !x {b: 1}\n", "f.yaml:1:4: tags");
    refuses("a: ! 1\n", "f.yaml:1:4: tags");
    refuses("%TAG ! tag:x,2000:\n---\na: 1\n", "f.yaml:1:1: tags");
    refuses("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document");
    refuses("a: 1\n...\nb: 2\n", "f.yaml:3:1: not valid YAML: did not find expected <document start>");
    refuses("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f.yaml:5:3: key 'c' stands twice, first in line 3");
    refuses("a: 1\n\"a\": 2\n", "f.yaml:2:1: key 'a' stands twice, first in line 1");
    refuses("\"\": 1\n", "f.yaml:1:1: a key may not be empty");
    refuses("?\n: 1\n", "f.yaml:1:2: a key may not be empty");
    refuses("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be one word");
    refuses("{a: 1}: 2\n", "f.yaml:1:1: a key must be one word");
    refuses("a: \"x\\0y\"\n", "f.yaml:1:4: a text may not hold a NUL");
    refuses("\"k\\0\": 1\n", "f.yaml:1:1: a text may not hold a NUL");
}

static void what_is_no_yaml_is_refused(void **state)
{
    (void)state;
    refuses("a: [1, 2\nb: 3\n", "f.yaml:2:");
    refuses("a:\n\tb: 1\n", "f.yaml:2:1: not valid YAML: found character that cannot start any token");
    refuses("a: \"open\n", "f.yaml:2:1: not valid YAML: found unexpected end of stream");
    refuses("a: 1\n b: 2\n", "f.yaml:2:3: not valid YAML");
    refuses("a: 1\nb: \xff\n", "f.yaml:2:4: not UTF-8 text");
    refuses("a: \xc3\n", "f.yaml:1:5: not UTF-8 text");
    refuses("a: \xed\xa0\x80\n", "f.yaml:1:4: not UTF-8 text"); /* a surrogate */
    refuses("a: \xc0\xaf\n", "f.yaml:1:4: not UTF-8 text");     /* overlong */
    refuses("é: \x01\n", "f.yaml:1:4: not UTF-8 text: control characters");
    refuses_bytes("a: \0\n", 5, "f.yaml:1:4: not UTF-8 text: control characters");
    refuses_bytes("\xff\xfe"
                  "a\0:\0 \0"
                  "1\0",
                  10, "f.yaml:1:1: not UTF-8 text"); /* UTF-16 */
}

static char *repeat(const char *unit, int n, const char *tail)
{
    char *text = calloc(1, strlen(unit) * (size_t)n + strlen(tail) + 1);
    assert_non_null(text);
    for (int i = 0; i < n; i++)
        memcpy(text + strlen(unit) * (size_t)i, unit, strlen(unit));
    strcpy(text + strlen(unit) * (size_t)n, tail);
    return text;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char *open = repeat("[", CR_YAML_MAX_DEPTH, ""), *both = repeat("]", CR_YAML_MAX_DEPTH, "");
    char *text = repeat(open, 1, both);
    cr_yaml *yaml = parse(text);
    cr_yaml_destroy(&yaml);
    free(open);
    free(both);
    free(text);
    static const struct {
        const char *unit, *message;
    } deep[] = {{"[", "f.yaml:1:33: nested deeper than 32"},
                {"[\n", "f.yaml:33:1: nested deeper than 32"},
                {"{a: ", "f.yaml:1:129: nested deeper than 32"},
                {"- ", "f.yaml:1:65: nested deeper than 32"}};
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        text = repeat(deep[i].unit, CR_YAML_MAX_BYTES / (int)strlen(deep[i].unit), "");
        refuses(text, deep[i].message);
        free(text);
    }
}

static void size_is_bounded(void **state)
{
    (void)state;
    char *text = repeat("#", CR_YAML_MAX_BYTES, "");
    cr_yaml *yaml = parse(text);
    cr_yaml_destroy(&yaml);
    const char *path = scratch_file("full.yaml", text, CR_YAML_MAX_BYTES);
    assert_int_equal(cr_yaml_read(path, &yaml), CR_OK);
    cr_yaml_destroy(&yaml);
    free(text);
    text = repeat("#", CR_YAML_MAX_BYTES + 1, "");
    refuses(text, "f.yaml: 65537 bytes, at most 65536");
    path = scratch_file("over.yaml", text, CR_YAML_MAX_BYTES + 1);
    assert_int_equal(cr_yaml_read(path, &yaml), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "over.yaml: 65537 bytes"));
    free(text);
    assert_int_equal(cr_yaml_read(scratch_path("absent.yaml"), &yaml), CR_MISSING);
    assert_int_equal(cr_yaml_read(scratch_folder(), &yaml), CR_IO);
    char *many = malloc(CR_YAML_MAX_BYTES);
    assert_non_null(many);
    int used = 0;
    for (int i = 0; i <= CR_YAML_MAX_KEYS; i++)
        used += sprintf(many + used, "k%d:\n", i);
    refuses(many, "f.yaml:4097:1: more than 4096 keys");
    free(many);
}

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
        cmocka_unit_test(a_tree_knows_its_places),
        cmocka_unit_test(an_empty_file_is_an_empty_map),
        cmocka_unit_test(what_no_file_needs_is_refused),
        cmocka_unit_test(what_is_no_yaml_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test_setup_teardown(size_is_bounded, scratch_setup, scratch_teardown),
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
