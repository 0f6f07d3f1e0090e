/* When training stops and which epoch was best: every case of early_stopping.json, exactly. */
#include "crisol/optim.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -1 stands for never. */
static int64_t epoch_of(json_t *options, const char *key)
{
    json_t *value = parity_get(options, key);
    return json_is_null(value) ? -1 : json_integer_value(value);
}

static bool compare_case(json_t *sequences, json_t *options)
{
    const char *name = json_string_value(parity_get(options, "sequence"));
    const char *mode = json_string_value(parity_get(options, "mode"));
    const json_t *metrics = parity_get(sequences, name);
    int64_t patience = json_integer_value(parity_get(options, "patience"));
    double min_delta = parity_real(options, "min_delta");
    cr_early_stop stop = cr_early_stop_make(!strcmp(mode, "max"), patience, min_delta);
    int64_t stopped = -1, best = -1;
    for (size_t e = 0; e < json_array_size(metrics) && stopped < 0; e++) {
        bool improved;
        if (cr_early_stop_update(&stop, parity_value(json_array_get(metrics, e)), &improved))
            stopped = (int64_t)e;
        if (improved)
            best = (int64_t)e;
    }
    char what[128];
    snprintf(what, sizeof what, "early stopping %s %s patience %lld delta %g", name, mode, (long long)patience,
             min_delta);
    double want = parity_real(options, "best");
    double gap = stop.best == want ? 0 : fabs(stop.best - want);
    gap += (double)llabs(stopped - epoch_of(options, "stop_epoch"));
    gap += (double)llabs(best - epoch_of(options, "best_epoch"));
    return parity_line(what, gap, 0);
}

static void every_case_stops_where_the_rule_says(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("early_stopping.json"), *cases = parity_get(root, "cases");
    bool good = json_array_size(cases) > 0;
    for (size_t i = 0; i < json_array_size(cases); i++)
        good &= compare_case(parity_get(root, "sequences"), json_array_get(cases, i));
    assert_true(good);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_stops_where_the_rule_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
