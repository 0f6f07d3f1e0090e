/* The two rules on standings made by hand. */
#include "prune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 9,
    EPOCHS = 9
};
static double metrics[N][EPOCHS];
static cr_record records[N];
static const cr_record *known[N];
static cr_prune rule;
static cr_standings standings;

static void begin(cr_prune_rule which, bool maximize)
{
    memset(metrics, 0, sizeof metrics);
    memset(records, 0, sizeof records);
    memset((void *)known, 0, sizeof known);
    rule = (cr_prune){.rule = which, .epochs = 1, .trials = 3, .factor = 3};
    standings = (cr_standings){.prune = &rule, .maximize = maximize, .records = known, .n_trials = N};
}

static void add(int trial, cr_trial_state state, double metric)
{
    cr_record *record = &records[trial];
    record->metrics = metrics[trial];
    record->metrics[record->n_epochs++] = metric;
    record->state = state;
    known[trial] = record;
}

static bool goes_on(int trial)
{
    bool go_on;
    assert_int_equal(cr_prune_judge(&standings, trial, records[trial].n_epochs, &go_on), CR_OK);
    return go_on;
}

static int64_t promoted(const bool *skip)
{
    static const bool none[N];
    int64_t trial;
    assert_int_equal(cr_prune_find_promotion(&standings, skip ? skip : none, &trial), CR_OK);
    return trial;
}

static void without_a_rule_all_go_on(void **state)
{
    (void)state;
    begin(CR_PRUNE_NONE, true);
    add(0, CR_TRIAL_DONE, 1);
    add(1, CR_TRIAL_RUNNING, 0);
    assert_true(goes_on(1));
    assert_int_equal(promoted(NULL), -1);
}

static void one_in_three_goes_on_from_a_rung(void **state)
{
    (void)state;
    begin(CR_PRUNE_HALVING, true);
    static const double first[] = {0.5, 0.4, 0.6, 0.1, 0.7, 0.65, 0.2, 0.61, 0.3};
    /* of the first five the best one so far, then of six the best two, of nine the best three */
    static const bool wanted[] = {true, false, true, false, true, true, false, false, false};
    for (int i = 0; i < N; i++) {
        add(i, CR_TRIAL_RUNNING, first[i]);
        assert_int_equal(goes_on(i), wanted[i]);
        records[i].state = goes_on(i) ? CR_TRIAL_DONE : CR_TRIAL_PRUNED;
    }
}

static void a_pruned_trial_is_promoted_when_the_rung_fills(void **state)
{
    (void)state;
    begin(CR_PRUNE_HALVING, false); /* smaller is better */
    add(0, CR_TRIAL_DONE, 0.1);
    add(1, CR_TRIAL_PRUNED, 0.2);
    add(2, CR_TRIAL_PRUNED, 0.3);
    for (int i = 3; i < 5; i++)
        add(i, CR_TRIAL_PRUNED, 1);
    assert_int_equal(promoted(NULL), -1); /* five: one goes on */
    add(5, CR_TRIAL_PRUNED, 2);
    assert_int_equal(promoted(NULL), 1); /* six: two */
    const bool skip[N] = {[1] = true};
    assert_int_equal(promoted(skip), -1);
    /* it gets to the second rung, where trial 0 is better: */
    for (int epoch = 2; epoch <= 3; epoch++) {
        add(0, CR_TRIAL_DONE, 0.1);
        add(1, CR_TRIAL_RUNNING, 0.2);
        assert_int_equal(goes_on(1), epoch == 2);
    }
    records[1].state = CR_TRIAL_PRUNED;
    assert_int_equal(promoted(NULL), -1);
}

static void between_rungs_nothing_is_pruned(void **state)
{
    (void)state;
    begin(CR_PRUNE_HALVING, true);
    rule.epochs = 2;
    add(0, CR_TRIAL_RUNNING, 1);
    add(1, CR_TRIAL_RUNNING, 0);
    assert_true(goes_on(1));
    add(0, CR_TRIAL_RUNNING, 1);
    add(1, CR_TRIAL_RUNNING, 0);
    assert_false(goes_on(1)); /* the rung at 2 */
    add(1, CR_TRIAL_RUNNING, 0);
    assert_true(goes_on(1)); /* 3: the next one is at 6 */
}

static void equals_and_the_undefined_have_a_place(void **state)
{
    (void)state;
    begin(CR_PRUNE_HALVING, true);
    add(0, CR_TRIAL_RUNNING, (double)NAN);
    add(1, CR_TRIAL_RUNNING, 0.5);
    add(2, CR_TRIAL_RUNNING, 0.5);
    assert_false(goes_on(0));
    assert_true(goes_on(1));
    assert_false(goes_on(2));
}

/* Three trials that are done, with running means 0.2, 0.4, 0.6 after two epochs: the median is 0.4. */
static void worse_than_the_median_of_means_is_pruned(void **state)
{
    (void)state;
    for (int maximize = 0; maximize <= 1; maximize++) {
        double sign = maximize ? 1 : -1;
        begin(CR_PRUNE_MEDIAN, maximize);
        rule.epochs = 2;
        for (int i = 0; i < 3; i++) {
            add(i, CR_TRIAL_DONE, sign * (0.1 + 0.2 * i));
            add(i, CR_TRIAL_DONE, sign * (0.3 + 0.2 * i));
            add(i, CR_TRIAL_DONE, sign * 9); /* later epochs do not count */
        }
        add(3, CR_TRIAL_RUNNING, sign * 0.39);
        assert_true(goes_on(3)); /* the first epoch is before rule.epochs */
        add(3, CR_TRIAL_RUNNING, sign * 0.3);
        assert_false(goes_on(3)); /* best 0.39 */
        add(4, CR_TRIAL_RUNNING, sign * 0.41);
        add(4, CR_TRIAL_RUNNING, sign * 0.0);
        assert_true(goes_on(4)); /* best 0.41 */
        add(5, CR_TRIAL_RUNNING, (double)NAN);
        add(5, CR_TRIAL_RUNNING, (double)NAN);
        assert_false(goes_on(5));
        records[2].state = CR_TRIAL_PRUNED;
        assert_true(goes_on(3)); /* two that are done are too few */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rule_all_go_on),
        cmocka_unit_test(one_in_three_goes_on_from_a_rung),
        cmocka_unit_test(a_pruned_trial_is_promoted_when_the_rung_fills),
        cmocka_unit_test(between_rungs_nothing_is_pruned),
        cmocka_unit_test(equals_and_the_undefined_have_a_place),
        cmocka_unit_test(worse_than_the_median_of_means_is_pruned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
