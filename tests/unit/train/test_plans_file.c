/* plans.json and the table that it fills: what is taken, what is refused and how, what is chosen of measured times. */
#include "plans_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cr_plan plan_of(const char *device, int64_t n, int64_t engine)
{
    cr_plan plan;
    memset(&plan, 0, sizeof plan);
    snprintf(plan.target.device, sizeof plan.target.device, "%s", device);
    snprintf(plan.target.library, sizeof plan.target.library, "cuDNN 9.19.0");
    plan.shape = (cr_conv_shape){.n = n,
                                 .in = 64,
                                 .height = 56,
                                 .width = 56,
                                 .out = 128,
                                 .out_height = 28,
                                 .out_width = 28,
                                 .kernel = 3,
                                 .stride = 2,
                                 .padding = 1,
                                 .bf16 = true};
    plan.pass = CR_CONV_WEIGHTS;
    plan.engine = engine;
    plan.n_knobs = 2;
    plan.knobs[0] = (cr_plan_knob){.type = 13, .value = 64};
    plan.knobs[1] = (cr_plan_knob){.type = 38, .value = -1};
    plan.place = 4;
    plan.microseconds = 1.0 / 3;
    plan.by_rule_us = 0.5;
    return plan;
}

/* The earlier one of what a measurement cannot tell apart; the clearly faster one wherever it stands. */
static void test_pick(void **state)
{
    (void)state;
    const double same[] = {10, 10, 10}, noise[] = {10.2, 10, 10.4}, later[] = {20, 20, 10}, close[] = {20, 10.3, 10};
    const double broken[] = {INFINITY, 12, 11}, none[] = {INFINITY, INFINITY}, one[] = {7};
    assert_int_equal(cr_plans_pick(same, 3), 0);
    assert_int_equal(cr_plans_pick(noise, 3), 0);
    assert_int_equal(cr_plans_pick(later, 3), 2);
    assert_int_equal(cr_plans_pick(close, 3), 1);
    assert_int_equal(cr_plans_pick(broken, 3), 2);
    assert_int_equal(cr_plans_pick(none, 2), 0);
    assert_int_equal(cr_plans_pick(one, 1), 0);
}

/* Every part of the key counts. */
static void test_find(void **state)
{
    (void)state;
    cr_plans plans = {0};
    const cr_plan plan = plan_of("NVIDIA H200", 32, 62);
    assert_int_equal(cr_plans_add(&plans, &plan), CR_OK);
    assert_ptr_equal(cr_plans_find(&plans, &plan.target, &plan.shape, plan.pass), plans.items);
    assert_null(cr_plans_find(&plans, &plan.target, &plan.shape, CR_CONV_DATA));
    for (size_t offset = 0; offset < offsetof(cr_conv_shape, bf16); offset += sizeof(int64_t)) {
        cr_conv_shape other = plan.shape;
        ++*(int64_t *)((char *)&other + offset);
        assert_null(cr_plans_find(&plans, &plan.target, &other, plan.pass));
    }
    cr_conv_shape other = plan.shape;
    other.winograd = true; /* says nothing with bf16 */
    assert_non_null(cr_plans_find(&plans, &plan.target, &other, plan.pass));
    other.bf16 = false;
    assert_null(cr_plans_find(&plans, &plan.target, &other, plan.pass));
    cr_plan_target newer = plan.target, another = plan.target;
    snprintf(newer.library, sizeof newer.library, "cuDNN 9.20.0");
    snprintf(another.device, sizeof another.device, "NVIDIA H100");
    assert_null(cr_plans_find(&plans, &newer, &plan.shape, plan.pass));
    assert_null(cr_plans_find(&plans, &another, &plan.shape, plan.pass));
    cr_plans_clear(&plans);
}

static void test_full(void **state)
{
    (void)state;
    cr_plans plans = {0};
    for (int64_t i = 0; i < CR_PLANS_MAX; i++) {
        const cr_plan plan = plan_of("NVIDIA H200", i + 1, 1);
        assert_int_equal(cr_plans_add(&plans, &plan), CR_OK);
    }
    assert_int_equal(cr_plans_add(&plans, plans.items), CR_BAD_DATA);
    cr_plans_clear(&plans);
}

/* Written and read: the same plans, or the used ones; what a table has already is not replaced. */
static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/crisol-plans-XXXXXX";
    cr_plans plans = {0}, read = {0};
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    cr_plan used = plan_of("NVIDIA H200", 32, 62), other = plan_of("another \"GPU\"", 32, 7);
    used.is_used = true;
    assert_int_equal(cr_plans_add(&plans, &used), CR_OK);
    assert_int_equal(cr_plans_add(&plans, &other), CR_OK);
    assert_int_equal(cr_plans_save(path, &plans, false), CR_OK);
    assert_int_equal(cr_plans_load(path, true, &read), CR_OK);
    assert_int_equal(read.n, 2);
    for (int i = 0; i < 2; i++) {
        assert_non_null(strstr(read.items[i].where, i ? ", plan 1" : ", plan 0"));
        memset(read.items[i].where, 0, sizeof read.items[i].where);
        assert_true(read.items[i].is_used);
        plans.items[i].is_used = true;
        assert_memory_equal(&read.items[i], &plans.items[i], sizeof(cr_plan));
    }
    read.items[0].engine = 99;
    assert_int_equal(cr_plans_load(path, false, &read), CR_OK);
    assert_int_equal(read.n, 2);
    assert_int_equal(read.items[0].engine, 99);
    plans.items[1].is_used = false;
    cr_plans_clear(&read);
    assert_int_equal(cr_plans_save(path, &plans, true), CR_OK);
    assert_int_equal(cr_plans_load(path, false, &read), CR_OK);
    assert_int_equal(read.n, 1);
    assert_string_equal(read.items[0].target.device, "NVIDIA H200");
    cr_plans_clear(&read);
    cr_plans_clear(&plans);
    unlink(path);
    assert_int_equal(cr_plans_load(path, false, &read), CR_MISSING);
}

static const char whole[] =
    "{\"device\": \"NVIDIA H200\", \"library\": \"cuDNN 9.19.0\", \"pass\": \"forward\", \"precision\": \"bf16\", "
    "\"winograd\": true, \"n\": 32, \"in\": 64, \"height\": 56, \"width\": 56, \"out\": 64, \"out_height\": 56, "
    "\"out_width\": 56, \"kernel\": 3, \"stride\": 1, \"padding\": 1, \"engine\": 62, \"knobs\": [[13, 64]], "
    "\"place\": 3, \"fallback\": false, \"microseconds\": 41.5, \"microseconds_by_rule\": 50}";

/* A file of one plan in which `from` has become `to`. */
static cr_status parse_edited(const char *from, const char *to)
{
    char text[2048];
    cr_plans plans = {0};
    const char *at = strstr(whole, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "{\"format\": 1, \"plans\": [%.*s%s%s]}", (int)(at - whole), whole, to,
             at + strlen(from));
    cr_status status = cr_plans_parse(text, strlen(text), "RUN/plans.json", false, &plans);
    cr_plans_clear(&plans);
    return status;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {{"\"engine\": 62", "\"engine\": \"62\"", "\"engine\" must be an integer"},
                 {"\"engine\": 62", "\"engine\": 2000000", "\"engine\" is 2000000"},
                 {"\"engine\": 62, ", "", "key \"engine\" is missing"},
                 {"\"pass\": \"forward\"", "\"pass\": \"back\"", "\"pass\" must be forward, data or weights"},
                 {"\"bf16\"", "\"fp8\"", "\"precision\" must be f32 or bf16"},
                 {"\"stride\": 1", "\"stride\": 0", "\"stride\" is 0"},
                 {"\"out_width\": 56", "\"out_width\": 57", "its output is not what follows"},
                 {"[[13, 64]]", "[[13]]", "\"knobs\" must be pairs"},
                 {"[[13, 64]]", "[[-1, 64]]", "\"knobs\" must be pairs"},
                 {"[[13, 64]]", "13", "\"knobs\" must be an array"},
                 {"\"NVIDIA H200\"", "\"\"", "\"device\" must be a text"},
                 {"41.5", "-1", "\"microseconds\" is no time"}};
    assert_int_equal(parse_edited("41.5", "41.5"), CR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse_edited(cases[i].from, cases[i].to), CR_BAD_DATA);
        if (!strstr(cr_error_message(), cases[i].says) || strncmp(cr_error_message(), "RUN/plans.json, plan 0: ", 24))
            fail_msg("'%s' does not say '%s'", cr_error_message(), cases[i].says);
    }
    char twice[2048];
    snprintf(twice, sizeof twice, "%s, %s", whole, whole);
    assert_int_equal(parse_edited(whole, twice), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "plan 1: it is for the same convolution"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pick), cmocka_unit_test(test_find),
                                       cmocka_unit_test(test_full), cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("plans of convolutions", tests, NULL, NULL);
}
