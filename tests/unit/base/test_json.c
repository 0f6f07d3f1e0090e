#include "crisol/json.h"
#include "scratch_folder.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static json_t *parse(const char *text)
{
    json_t *object = NULL;
    assert_int_equal(cr_json_parse(text, strlen(text), "t.json", &object), CR_OK);
    return object;
}

static void refuses(const char *text, const char *message)
{
    json_t *object = NULL;
    assert_int_equal(cr_json_parse(text, strlen(text), "t.json", &object), CR_BAD_DATA);
    assert_null(object);
    if (!strstr(cr_error_message(), message))
        fail_msg("'%s' is not in '%s'", message, cr_error_message());
}

static void parsing_says_where_it_is_wrong(void **state)
{
    (void)state;
    refuses("{\"a\": 1,\n \"b\": }", "t.json:2:7: ");
    refuses("{\"a\": 1, \"a\": 2}", "t.json:1:12: duplicate");
    refuses("[1]", "object");
    refuses("", "t.json:1:0: ");
    refuses("{\"a\": 1} x", "t.json:1:10: ");
    refuses("{\"a\": \"\\u0000\"}", "NUL");
    refuses("{\"a\": NaN}", "t.json:1:");
    refuses("{\"a\": \"\xff\"}", "t.json:1:7: unable to decode byte 0xff");
}

static void doubles_come_back(void **state)
{
    (void)state;
    const double values[] = {0.1, 1.0 / 3, DBL_MIN, DBL_MAX, DBL_TRUE_MIN, -0.0, 1e23, 5, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json_t *object = json_object();
        assert_int_equal(json_object_set_new(object, "x", cr_json_real(values[i])), 0);
        const char *path = scratch_path("x.json");
        assert_int_equal(cr_json_save(path, object), CR_OK);
        json_t *again = NULL;
        double value = 0;
        assert_int_equal(cr_json_load(path, 100, &again), CR_OK);
        assert_int_equal(cr_json_get_real(again, "x", "x.json", &value), CR_OK);
        assert_true(isnan(values[i]) ? isnan(value) : value == values[i] && !signbit(value) == !signbit(values[i]));
        json_decref(object);
        json_decref(again);
    }
}

static void files_are_canonical_and_bounded(void **state)
{
    (void)state;
    json_t *object = parse("{\"z\": [1, 2.5], \"a\": {\"k\": \"v\"}}"), *again = NULL;
    const char *path = scratch_path("x.json");
    assert_int_equal(cr_json_save(path, object), CR_OK);
    FILE *file = fopen(path, "r");
    char text[256] = "";
    assert_non_null(file);
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_string_equal(text, "{\n \"z\": [\n  1,\n  2.5\n ],\n \"a\": {\n  \"k\": \"v\"\n }\n}\n");
    char *line = cr_json_line(object);
    assert_string_equal(line, "{\"z\": [1, 2.5], \"a\": {\"k\": \"v\"}}");
    free(line);
    assert_int_equal(cr_json_load(path, bytes, &again), CR_OK);
    assert_true(json_equal(object, again));
    json_decref(again);
    assert_int_equal(cr_json_load(path, bytes - 1, &again), CR_BAD_DATA);
    assert_int_equal(cr_json_load(scratch_path("absent"), 10, &again), CR_MISSING);
    json_decref(object);
}

static void failed(cr_status status, const char *message)
{
    assert_int_equal(status, CR_BAD_DATA);
    if (!strstr(cr_error_message(), message))
        fail_msg("'%s' is not in '%s'", message, cr_error_message());
}

static void getters_name_what_is_wrong(void **state)
{
    (void)state;
    json_t *object = parse("{\"i\": 5, \"r\": 0.5, \"s\": \"text\", \"b\": true, \"l\": [1], \"o\": {}}");
    int64_t integer = 0;
    double real = 0;
    bool truth = false;
    const char *text = NULL;
    json_t *inner = NULL;
    assert_int_equal(cr_json_get_int(object, "i", "f", 5, 5, &integer), CR_OK);
    assert_int_equal(integer, 5);
    failed(cr_json_get_int(object, "i", "f", 6, 9, &integer), "f: \"i\" is 5, allowed is 6 to 9");
    failed(cr_json_get_int(object, "i", "f", 0, 4, &integer), "allowed is 0 to 4");
    failed(cr_json_get_int(object, "r", "f", 0, 4, &integer), "f: \"r\" must be an integer");
    failed(cr_json_get_int(object, "x", "f", 0, 4, &integer), "f: key \"x\" is missing");
    assert_int_equal(cr_json_get_real(object, "i", "f", &real), CR_OK);
    assert_true(real == 5);
    failed(cr_json_get_real(object, "s", "f", &real), "must be a number");
    failed(cr_json_get_real(object, "x", "f", &real), "missing");
    assert_int_equal(cr_json_get_bool(object, "b", "f", &truth), CR_OK);
    assert_true(truth);
    failed(cr_json_get_bool(object, "i", "f", &truth), "true or false");
    assert_int_equal(cr_json_get_string(object, "s", "f", &text), CR_OK);
    assert_string_equal(text, "text");
    failed(cr_json_get_string(object, "i", "f", &text), "must be a text");
    assert_int_equal(cr_json_get_array(object, "l", "f", &inner), CR_OK);
    assert_int_equal(json_array_size(inner), 1);
    failed(cr_json_get_array(object, "o", "f", &inner), "must be an array");
    assert_int_equal(cr_json_get_object(object, "o", "f", &inner), CR_OK);
    failed(cr_json_get_object(object, "l", "f", &inner), "must be an object");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing_says_where_it_is_wrong),
        cmocka_unit_test_setup_teardown(doubles_come_back, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(files_are_canonical_and_bounded, scratch_setup, scratch_teardown),
        cmocka_unit_test(getters_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
