#include "crisol/json.h"
#include "crisol/optim.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double metrics[] = {0.9, 0.7, NAN, 0.71, 0.6, 0.6, INFINITY, 0.5999, 0.61, 0.62};
enum {
    N = sizeof metrics / sizeof *metrics
};

static void stops_after_patience_bad_epochs_in_a_row(void **state)
{
    (void)state;
    cr_early_stop stop = cr_early_stop_make(false, 3, 0.001);
    static const bool better[N] = {true, true, false, false, true, false, false, false};
    for (int epoch = 0; epoch < 8; epoch++) {
        bool improved;
        bool ends = cr_early_stop_update(&stop, metrics[epoch], &improved);
        assert_int_equal(improved, better[epoch]);
        assert_int_equal(ends, epoch == 7); /* 0.5999 is not better than 0.6 by more than 0.001 */
    }
    assert_true(stop.best == 0.6);
}

static void patience_zero_never_stops(void **state)
{
    (void)state;
    cr_early_stop stop = cr_early_stop_make(true, 0, 0);
    for (int epoch = 0; epoch < 1000; epoch++)
        assert_false(cr_early_stop_update(&stop, NAN, NULL));
}

static void restoring_continues_as_if_never_stopped(void **state)
{
    (void)state;
    for (int maximize = 0; maximize < 2; maximize++) {
        for (int at = 0; at <= N; at++) {
            cr_early_stop whole = cr_early_stop_make(maximize, 3, 0.001);
            for (int epoch = 0; epoch < at; epoch++)
                (void)cr_early_stop_update(&whole, metrics[epoch], NULL);
            json_t *saved = cr_early_stop_save(&whole), *read = NULL;
            char *text = cr_json_line(saved);
            assert_non_null(text);
            assert_int_equal(cr_json_parse(text, strlen(text), "state", &read), CR_OK);
            cr_early_stop resumed = cr_early_stop_make(maximize, 3, 0.001);
            assert_int_equal(cr_early_stop_restore(&resumed, read, "state"), CR_OK);
            for (int epoch = at; epoch < N; epoch++) {
                bool a, b;
                assert_int_equal(cr_early_stop_update(&whole, metrics[epoch], &a),
                                 cr_early_stop_update(&resumed, metrics[epoch], &b));
                assert_int_equal(a, b);
            }
            assert_true(whole.best == resumed.best && whole.bad == resumed.bad);
            json_decref(saved);
            json_decref(read);
            free(text);
        }
    }
}

static void damaged_state_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"best\": 1}", "{\"best\": \"nan\", \"bad\": 0}",
                                        "{\"best\": 1, \"bad\": -2}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *saved = NULL;
        assert_int_equal(cr_json_parse(texts[i], strlen(texts[i]), "state", &saved), CR_OK);
        cr_early_stop stop = cr_early_stop_make(false, 3, 0);
        assert_int_equal(cr_early_stop_restore(&stop, saved, "step-5.json"), CR_BAD_DATA);
        assert_true(isinf(stop.best) && stop.bad == 0);
        json_decref(saved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_after_patience_bad_epochs_in_a_row),
        cmocka_unit_test(patience_zero_never_stops),
        cmocka_unit_test(restoring_continues_as_if_never_stopped),
        cmocka_unit_test(damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
