#include "scratch_folder.h"
#include "yaml_check.h"

#include <stdio.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_knows_its_places),
        cmocka_unit_test(an_empty_file_is_an_empty_map),
        cmocka_unit_test(what_no_file_needs_is_refused),
        cmocka_unit_test(what_is_no_yaml_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test_setup_teardown(size_is_bounded, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
