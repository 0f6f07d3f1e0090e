/* Recipes: every key into the structure, every error with its place. */
#include "recipe.h"

#include "crisol/atomic_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/crisol-recipe-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static cr_status read_text(const char *text, const char *root, cr_recipe **recipe)
{
    assert_int_equal(cr_atomic_file_save(path, text, strlen(text)), CR_OK);
    return cr_recipe_read(path, root, recipe);
}

static cr_recipe *expect_good(const char *text, const char *root)
{
    cr_recipe *recipe = NULL;
    if (read_text(text, root, &recipe) != CR_OK)
        fail_msg("%s", cr_error_message());
    return recipe;
}

#define START "table: t.csv\nimage: \"{file}\"\n"
#define LABEL "label: {column: y}\n"

static void test_defaults(void **state)
{
    (void)state;
    cr_recipe *r = expect_good(START LABEL, NULL);
    char expected[96];
    snprintf(expected, sizeof expected, "%s/t.csv", folder);
    assert_string_equal(r->table, expected);
    assert_string_equal(r->image_root, folder);
    assert_string_equal(r->text, START LABEL);
    assert_int_equal(r->resize, CR_RESIZE_CROP);
    assert_true(r->apply_exif);
    assert_false(r->missing_fails);
    assert_null(r->id);
    assert_null(r->group.name);
    assert_null(r->split.source.name);
    assert_true(r->split.fractions[CR_SPLIT_TRAIN] == 0.64 && r->split.fractions[CR_SPLIT_VAL] == 0.16 &&
                r->split.fractions[CR_SPLIT_TEST] == 0.20);
    assert_int_equal(r->n_columns, 0);
    assert_true(r->max_rejects == 0.05);
    assert_int_equal(r->seed, 1);
    assert_int_equal(r->label.kind, CR_LABEL_COLUMN);
    assert_null(r->label.classes);
    cr_recipe_destroy(&r);
    cr_recipe_destroy(&r);
}

static void test_roots(void **state)
{
    (void)state;
    static const char text[] = "root: data/x\ntable: t.csv\nimage: {path: \"{f}\", root: pictures}\n" LABEL;
    char expected[96];
    cr_recipe *r = expect_good(text, NULL);
    snprintf(expected, sizeof expected, "%s/data/x/t.csv", folder);
    assert_string_equal(r->table, expected);
    snprintf(expected, sizeof expected, "%s/data/x/pictures", folder);
    assert_string_equal(r->image_root, expected);
    cr_recipe_destroy(&r);
    r = expect_good(text, "/elsewhere");
    assert_string_equal(r->table, "/elsewhere/t.csv");
    assert_string_equal(r->image_root, "/elsewhere/pictures");
    cr_recipe_destroy(&r);
    r = expect_good("table: /tables/t.csv\nimage: {path: \"{f}\", root: /pictures}\n" LABEL, "relative");
    assert_string_equal(r->table, "/tables/t.csv");
    assert_string_equal(r->image_root, "/pictures");
    cr_recipe_destroy(&r);
}

static void test_every_key(void **state)
{
    (void)state;
    cr_recipe *r =
        expect_good("table: t.csv\n"
                    "image: {column: f, prefix: p/, suffix: .jpg, resize: squash, exif: ignore, on_missing: fail}\n"
                    "id: \"{a}-{#}\"\n"
                    "group: g\n"
                    "columns:\n"
                    "  age: {column: Patient Age, kind: numeric, missing: [1, -9.5]}\n"
                    "  sex: {kind: categorical, words: [F, M], unknown: reject, missing: [\"?\"]}\n"
                    "  tags: {kind: list, min_count: 3}\n"
                    "label:\n"
                    "  formula: a + 2*b\n"
                    "  scale: none\n"
                    "  cut: 7.5\n"
                    "  over: train\n"
                    "  classes: [low, high]\n"
                    "filter:\n"
                    "  - {column: a, one_of: [x, y]}\n"
                    "  - {column: b, not_one_of: [no]}\n"
                    "  - {column: c, min: 2}\n"
                    "  - {column: d, present: false}\n"
                    "split: {train: 0.5, test: 0.5}\n"
                    "shard_samples: 100\n"
                    "max_rejects: 0\n"
                    "seed: 18446744073709551615\n",
                    NULL);
    assert_string_equal(r->image.name, "f");
    assert_string_equal(r->prefix, "p/");
    assert_string_equal(r->suffix, ".jpg");
    assert_int_equal(r->resize, CR_RESIZE_SQUASH);
    assert_false(r->apply_exif);
    assert_true(r->missing_fails);
    assert_string_equal(r->id->text, "{a}-{#}");
    assert_string_equal(r->group.name, "g");
    assert_int_equal(r->n_columns, 3);
    assert_string_equal(r->columns[0].name, "age");
    assert_string_equal(r->columns[0].source.name, "Patient Age");
    assert_true(r->columns[0].placeholders[1] == -9.5);
    assert_int_equal(r->columns[1].kind, CR_COLUMN_CATEGORICAL);
    assert_true(r->columns[1].reject_unknown);
    assert_string_equal(r->columns[2].source.name, "tags");
    assert_int_equal(r->columns[2].min_count, 3);
    assert_int_equal(r->label.kind, CR_LABEL_FORMULA);
    assert_int_equal(cr_formula_n_names(r->label.formula), 2);
    assert_false(r->label.scale);
    assert_false(r->label.cut_at_median);
    assert_true(r->label.cut == 7.5);
    assert_true(r->label.over_train);
    assert_int_equal(r->n_filters, 4);
    assert_int_equal(r->filters[1].kind, CR_FILTER_NOT_ONE_OF);
    assert_true(r->filters[2].lowest == 2 && isinf(r->filters[2].highest));
    assert_false(r->filters[3].present);
    assert_true(r->split.fractions[CR_SPLIT_VAL] == 0);
    assert_int_equal(r->shard_samples, 100);
    assert_true(r->max_rejects == 0);
    assert_true(r->seed == UINT64_MAX);
    cr_recipe_destroy(&r);
}

static void test_split_words(void **state)
{
    (void)state;
    cr_recipe *r = expect_good(START LABEL "split: {column: fold, train: [\"1\", \"2\"], val: \"3\"}\n", NULL);
    assert_string_equal(r->split.source.name, "fold");
    assert_int_equal(r->split.words[CR_SPLIT_TRAIN]->n, 2);
    assert_string_equal(r->split.words[CR_SPLIT_VAL]->text, "3");
    assert_null(r->split.words[CR_SPLIT_TEST]);
    cr_recipe_destroy(&r);
}

typedef struct bad_recipe {
    const char *text;
    const char *place; /* line:column */
    const char *says;
} bad_recipe;

static const bad_recipe bad_recipes[] = {
    {"image: \"{f}\"\n" LABEL, "1:1", "table"},
    {"table: t.csv\n" LABEL, "1:1", "image"},
    {START, "1:1", "label"},
    {"tabel: t.csv\n", "1:1", "table"},
    {"- a\n", "1:1", "map"},
    {"table: [a]\n", "1:8", ""},
    {"table: t.csv\nimage: {resize: crop}\n" LABEL, "2:8", "`path`"},
    {"table: t.csv\nimage: {path: a, column: b}\n" LABEL, "2:8", "`path`"},
    {"table: t.csv\nimage: {path: a, prefix: b}\n" LABEL, "2:18", "`prefix`"},
    {"table: t.csv\nimage: {path: a, resize: crop256}\n" LABEL, "2:26", "squash"},
    {"table: t.csv\nimage: {path: a, exif: maybe}\n" LABEL, "2:24", "apply"},
    {"table: t.csv\nimage: {path: a, on_missing: skip}\n" LABEL, "2:30", "reject"},
    {"table: t.csv\nimage: {column: \"\"}\n" LABEL, "2:17", "empty"},
    {START "group: []\n" LABEL, "3:8", ""},
    {START "columns: [a]\n" LABEL, "3:10", ""},
    {START "columns:\n  a: {}\n" LABEL, "4:3", "kind"},
    {START "columns:\n  a: {kind: number}\n" LABEL, "4:13", "numeric"},
    {START "columns:\n  a: {kind: numeric, missing: [x]}\n" LABEL, "4:32", "number"},
    {START "columns:\n  a: {kind: numeric, missing: 1}\n" LABEL, "4:31", ""},
    {START "columns:\n  a: {kind: numeric, words: [x]}\n" LABEL, "4:6", "numeric column has no words"},
    {START "columns:\n  a: {kind: list, words: [x, y, x]}\n" LABEL, "4:33", "\"x\" stands here twice"},
    {START "columns:\n  a: {kind: list, words: []}\n" LABEL, "4:26", "at least 1"},
    {START "columns:\n  a: {kind: categorical, words: [x, \"\"]}\n" LABEL, "4:37", "empty"},
    {START LABEL "split: {column: s, train: [a, b], val: [c, b]}\n", "4:44", "\"b\" stands for train already"},
    {START LABEL "split: {column: s, train: a, test: a}\n", "4:36", "\"a\" stands for train already"},
    {START "columns:\n  a: {kind: list, words: [x], min_count: 2}\n" LABEL, "4:31", "min_count"},
    {START "columns:\n  a: {kind: list, min_count: 0}\n" LABEL, "4:30", "1"},
    {START "columns:\n  a: {kind: list, unknown: reject}\n" LABEL, "4:19", "`words`"},
    {START "columns:\n  a: {kind: list, wrods: [x]}\n" LABEL, "4:19", "words"},
    {START "label: y\n", "3:8", ""},
    {START "label: {}\n", "3:8", "exactly one of"},
    {START "label: {column: y, one_hot: z}\n", "3:8", "exactly one of"},
    {START "label: {one_hot: z}\n", "3:8", "`classes`"},
    {START "label: {one_hot: z, classes: {a: b, c: d}}\n", "3:30", ""},
    {START "label: {column: y, classes: [a]}\n", "3:29", "at least 2"},
    {START "label: {column: y, classes: {a: b}}\n", "3:29", "at least 2"},
    {START "label: {column: y, classes: [a, \"\"]}\n", "3:33", "name"},
    {START "label: {column: y, classes: {a: b, c: [d, d]}}\n", "3:43", "twice"},
    {START "label: {column: y, cut: median}\n", "3:20", "`formula`"},
    {START "label: {formula: a + , classes: [x, y]}\n", "3:18", "character 4 of the formula"},
    {START "label: {formula: 1 + 2, classes: [x, y]}\n", "3:18", "names no column"},
    {START "label: {formula: a, classes: [x, y, z]}\n", "3:30", "2 classes"},
    {START "label: {formula: a, classes: [x, y], cut: mean}\n", "3:43", "`median` or a number"},
    {START "label: {formula: a, classes: [x, y], over: test}\n", "3:44", "train"},
    {START "label: {formula: a, classes: [x, y], scale: log}\n", "3:45", "minmax"},
    {START LABEL "filter: {column: a, present: true}\n", "4:9", ""},
    {START LABEL "filter:\n  - {present: true}\n", "5:5", "column"},
    {START LABEL "filter:\n  - {column: a}\n", "5:5", "exactly one of"},
    {START LABEL "filter:\n  - {column: a, min: 1, present: true}\n", "5:5", "exactly one of"},
    {START LABEL "filter:\n  - {column: a, min: 2, max: 1}\n", "5:5", "above"},
    {START LABEL "filter:\n  - {column: a, min: x}\n", "5:22", ""},
    {START LABEL "filter:\n  - {column: a, present: 1}\n", "5:26", "true"},
    {START LABEL "split: {train: 0.5, val: 0.4}\n", "4:8", "0.9; they must sum to 1"},
    {START LABEL "split: {train: 0, test: 1}\n", "4:8", "training split"},
    {START LABEL "split: {train: 1.5}\n", "4:16", "1"},
    {START LABEL "split: {column: s, val: v}\n", "4:8", "`train`"},
    {START LABEL "split: {column: s, train: {}}\n", "4:27", ""},
    {START LABEL "shard_samples: 0\n", "4:16", "1"},
    {START LABEL "max_rejects: 1.5\n", "4:14", "1"},
    {START LABEL "seed: -1\n", "4:7", ""},
};

static void test_errors_have_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_recipes / sizeof bad_recipes[0]; i++) {
        const bad_recipe *bad = &bad_recipes[i];
        cr_recipe *recipe = NULL;
        char place[96];
        assert_int_equal(read_text(bad->text, NULL, &recipe), CR_BAD_CONFIG);
        assert_null(recipe);
        snprintf(place, sizeof place, "%s:%s: ", path, bad->place);
        if (strncmp(cr_error_message(), place, strlen(place)) != 0 || strstr(cr_error_message(), bad->says) == NULL)
            fail_msg("for\n%s\nexpected %s and \"%s\", got: %s", bad->text, bad->place, bad->says, cr_error_message());
    }
}

static void test_files(void **state)
{
    (void)state;
    cr_recipe *recipe = NULL;
    assert_int_equal(cr_recipe_read("/no/such/recipe.yaml", NULL, &recipe), CR_MISSING);
    size_t bytes = CR_YAML_MAX_BYTES + 1;
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, '#', bytes);
    text[bytes] = '\0';
    assert_int_equal(read_text(text, NULL, &recipe), CR_BAD_CONFIG);
    free(text);
    assert_null(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_roots),
        cmocka_unit_test(test_every_key), cmocka_unit_test(test_split_words),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_errors_have_their_place),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
