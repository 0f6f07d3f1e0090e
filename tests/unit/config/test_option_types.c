/* Option types on a table of their own: what the training's table does not use yet must work as well. */
#include "option.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct paint {
    double scale[2];
    double color[4];
    int64_t balance;
    cr_ints shifts;
} paint;

static const cr_option rows[] = {
    {.name = "brush.scale",
     .type = CR_OPTION_REALS,
     .offset = offsetof(paint, scale),
     .fallback = "[1, 1]",
     .lowest = 0,
     .highest = 4,
     .n_items = 2,
     .meaning = "Size."},
    {.name = "brush.color",
     .type = CR_OPTION_REALS,
     .offset = offsetof(paint, color),
     .fallback = "[0, 0, 0, 0]",
     .lowest = 0,
     .highest = 1,
     .below = true,
     .n_items = 4,
     .meaning = "Mix."},
    {.name = "balance",
     .type = CR_OPTION_INT,
     .offset = offsetof(paint, balance),
     .fallback = "-3",
     .lowest = -INFINITY,
     .highest = 5,
     .meaning = "Left or right."},
    {.name = "shifts",
     .type = CR_OPTION_INTS,
     .offset = offsetof(paint, shifts),
     .fallback = "[]",
     .lowest = -INFINITY,
     .highest = INFINITY,
     .n_items = 3,
     .meaning = "Steps."},
};
static const cr_option_table table = {rows, sizeof rows / sizeof *rows};

static int set_up(void **state)
{
    paint *made = calloc(1, sizeof *made);
    for (int i = 0; made && i < table.n; i++)
        if (cr_option_set_default(&rows[i], made) != CR_OK)
            return -1;
    *state = made;
    return made ? 0 : -1;
}

static int tear_down(void **state)
{
    for (int i = 0; i < table.n; i++)
        cr_option_clear(&rows[i], *state);
    free(*state);
    return 0;
}

static cr_status apply(paint *base, const char *text)
{
    cr_yaml *yaml = NULL;
    cr_status status = cr_yaml_parse(text, strlen(text), "f", &yaml);
    if (status == CR_OK)
        status = cr_options_apply(&table, base, yaml, cr_yaml_root(yaml), "", NULL);
    cr_yaml_destroy(&yaml);
    return status;
}

static void arrays_have_their_length(void **state)
{
    paint *base = *state;
    assert_int_equal(apply(base, "brush: {scale: [0.95, 1.05], color: [0.1, 0.1, 0.1, 0.02]}"), CR_OK);
    assert_true(base->scale[0] == 0.95 && base->scale[1] == 1.05 && base->color[3] == 0.02);
    assert_int_equal(apply(base, "brush: {scale: [0.5]}"), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), "f:1:16: 'brush.scale' must have exactly 2 items, not 1");
    assert_int_equal(apply(base, "brush: {scale: [0.5, 5]}"), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), "f:1:22: 'brush.scale[1]' must be a number from 0 to 4, not '5'");
    assert_int_equal(apply(base, "brush: {color: [0, 0, 1, 0]}"), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), "f:1:23: 'brush.color' must be below 1, not '1'");
    assert_true(base->scale[0] == 0.95 && base->color[0] == 0.1); /* what fails changes nothing */
    assert_int_equal(apply(base, "{balance: -99, shifts: [-1, 9223372036854775807]}"), CR_OK);
    assert_true(base->balance == -99 && base->shifts.items[1] == INT64_MAX);
    assert_int_equal(apply(base, "balance: 6"), CR_BAD_CONFIG);
    assert_string_equal(cr_error_message(), "f:1:10: 'balance' must be an integer of at most 5, not '6'");
}

static void arrays_are_dumped(void **state)
{
    paint *base = *state;
    char *text = NULL;
    assert_int_equal(apply(base, "brush: {scale: [1e-05, 1.05]}"), CR_OK);
    assert_int_equal(cr_options_dump(&table, base, &text), CR_OK);
    assert_string_equal(strchr(text, '\n'), "\nbrush:\n  scale: [1.0e-05, 1.05]\n  color: [0, 0, 0, 0]\n"
                                            "balance: -3\nshifts: []\n");
    assert_int_equal(apply(base, text), CR_OK);
    assert_true(base->scale[0] == 1e-5);
    free(text);
}

static void what_is_allowed_is_told(void **state)
{
    (void)state;
    static const char *const expected[] = {"list of 2 numbers each from 0 to 4",
                                           "list of 4 numbers each from 0 to below 1", "integer of at most 5",
                                           "list of at most 3 integers each"};
    for (int i = 0; i < table.n; i++) {
        char *text = NULL;
        assert_int_equal(cr_option_allowed(&rows[i], &text), CR_OK);
        assert_string_equal(text, expected[i]);
        free(text);
    }
}

/* What the engine relies on, for every line of the training's table. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (int i = 0; i < cr_config_table.n; i++) {
        const cr_option *option = &cr_config_table.options[i];
        assert_true(strlen(option->name) < CR_OPTION_NAME_MAX);
        assert_non_null(strchr(option->name, '.'));
        assert_int_equal(option->meaning[strlen(option->meaning) - 1], '.');
        size_t section = strcspn(option->name, ".");
        bool left = false;
        for (int j = i + 1; j < cr_config_table.n; j++) {
            const char *other = cr_config_table.options[j].name;
            bool same = strcspn(other, ".") == section && !strncmp(other, option->name, section);
            assert_string_not_equal(other, option->name);
            assert_false(same && left); /* one section's options stand together */
            left = left || !same;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrays_have_their_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_are_dumped, set_up, tear_down),
        cmocka_unit_test(what_is_allowed_is_told),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
