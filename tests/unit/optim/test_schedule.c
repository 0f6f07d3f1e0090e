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

enum {
    EPOCHS = 40
};

static cr_schedule_params defaults(cr_schedule_kind kind)
{
    return (cr_schedule_params){
        .kind = kind,
        .lr = 1e-3,
        .total = 30,
        .step_size = 7,
        .gamma = 0.3,
        .milestones = {5, 12, 12, 20},
        .n_milestones = 4,
        .warmup_start = 0.1,
        .min_lr = 1e-6,
        .factor = 0.5,
        .threshold = 1e-4,
        .patience = 1,
        .cooldown = 2,
        .pct_start = 0.3,
        .div_factor = 25,
        .final_div_factor = 1e4,
    };
}

static double metric_of(int epoch)
{
    return epoch % 9 == 4 ? NAN : 1 / (1.0 + epoch % 11);
}

static cr_schedule make(cr_schedule_params params)
{
    cr_schedule schedule;
    assert_int_equal(cr_schedule_make(&params, &schedule), CR_OK);
    return schedule;
}

/* As a checkpoint does: to text and back into a schedule made anew from the config. */
static cr_schedule through_json(const cr_schedule *schedule)
{
    json_t *saved = cr_schedule_save(schedule);
    assert_non_null(saved);
    char *text = cr_json_line(saved);
    json_decref(saved);
    assert_non_null(text);
    json_t *read = NULL;
    assert_int_equal(cr_json_parse(text, strlen(text), "state", &read), CR_OK);
    cr_schedule restored = make(schedule->params);
    assert_int_equal(cr_schedule_restore(&restored, read, "state"), CR_OK);
    json_decref(read);
    free(text);
    return restored;
}

static void assert_same_path(cr_schedule *a, cr_schedule *b, int n)
{
    for (int epoch = 0; epoch < n; epoch++) {
        assert_memory_equal(&a->lr, &b->lr, sizeof a->lr);
        cr_schedule_advance(a, metric_of(epoch));
        cr_schedule_advance(b, metric_of(epoch));
    }
    assert_memory_equal(&a->lr, &b->lr, sizeof a->lr);
}

static void stopping_anywhere_changes_nothing(void **state)
{
    (void)state;
    for (int kind = CR_SCHEDULE_CONSTANT; kind <= CR_SCHEDULE_PLATEAU; kind++) {
        for (int variant = 0; variant < 4; variant++) {
            cr_schedule_params params = defaults((cr_schedule_kind)kind);
            params.warmup = variant & 1 && kind != CR_SCHEDULE_ONE_CYCLE ? 6 : 0;
            params.maximize = params.three_phase = params.anneal_linear = variant >> 1 & 1;
            for (int stop = 0; stop <= EPOCHS; stop++) {
                cr_schedule whole = make(params);
                for (int epoch = 0; epoch < stop; epoch++)
                    cr_schedule_advance(&whole, metric_of(epoch));
                cr_schedule resumed = through_json(&whole);
                assert_int_equal(resumed.position, stop);
                assert_same_path(&whole, &resumed, EPOCHS - stop);
            }
        }
    }
}

static void warm_up_leads_into_every_schedule(void **state)
{
    (void)state;
    static const cr_schedule_kind kinds[] = {CR_SCHEDULE_CONSTANT,    CR_SCHEDULE_STEP,   CR_SCHEDULE_MULTI_STEP,
                                             CR_SCHEDULE_EXPONENTIAL, CR_SCHEDULE_COSINE, CR_SCHEDULE_PLATEAU};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        cr_schedule_params params = defaults(kinds[k]);
        cr_schedule plain = make(params);
        params.warmup = 4;
        params.total += 4;
        cr_schedule warmed = make(params);
        static const double share[] = {0.1, 0.325, 0.55, 0.775};
        for (int epoch = 0; epoch < 4; epoch++) {
            assert_true(fabs(warmed.lr - 1e-3 * share[epoch]) < 1e-15);
            cr_schedule_advance(&warmed, 1e9); /* a plateau does not look at warm-up epochs */
        }
        assert_same_path(&plain, &warmed, 25);
    }
}

static void only_one_cycle_moves_every_step(void **state)
{
    (void)state;
    for (int kind = CR_SCHEDULE_CONSTANT; kind <= CR_SCHEDULE_PLATEAU; kind++) {
        cr_schedule schedule = make(defaults((cr_schedule_kind)kind));
        assert_int_equal(cr_schedule_is_per_step(&schedule), kind == CR_SCHEDULE_ONE_CYCLE);
    }
}

static void one_cycle_stays_at_its_end_and_takes_extremes(void **state)
{
    (void)state;
    cr_schedule_params params = defaults(CR_SCHEDULE_ONE_CYCLE);
    cr_schedule schedule = make(params);
    for (int step = 0; step < 100; step++)
        cr_schedule_advance(&schedule, NAN);
    assert_true(fabs(schedule.lr - 1e-3 / 25 / 1e4) < 1e-18);
    static const double shares[] = {0, 0.1, 0.5, 1};
    for (int i = 0; i < 4; i++) {
        for (int total = 1; total <= 10; total++) {
            for (int phases = 0; phases < 2; phases++) {
                params.pct_start = shares[i];
                params.total = total;
                params.three_phase = phases;
                schedule = make(params);
                for (int step = 0; step <= total; step++) {
                    assert_true(schedule.lr >= 0 && schedule.lr <= 1e-3 * (1 + 1e-12));
                    cr_schedule_advance(&schedule, NAN);
                }
            }
        }
    }
}

typedef struct refusal {
    const char *setting;
    cr_schedule_params params;
} refusal;

static void impossible_settings_are_named(void **state)
{
    (void)state;
    enum {
        CASES = 16
    };
    refusal cases[CASES];
    static const cr_schedule_kind kinds[CASES] = {
        CR_SCHEDULE_CONSTANT, CR_SCHEDULE_CONSTANT,  CR_SCHEDULE_CONSTANT,   CR_SCHEDULE_CONSTANT,
        CR_SCHEDULE_STEP,     CR_SCHEDULE_STEP,      CR_SCHEDULE_MULTI_STEP, CR_SCHEDULE_MULTI_STEP,
        CR_SCHEDULE_COSINE,   CR_SCHEDULE_ONE_CYCLE, CR_SCHEDULE_ONE_CYCLE,  CR_SCHEDULE_ONE_CYCLE,
        CR_SCHEDULE_PLATEAU,  CR_SCHEDULE_PLATEAU,   CR_SCHEDULE_PLATEAU,    CR_SCHEDULE_PLATEAU,
    };
    for (int i = 0; i < CASES; i++)
        cases[i].params = defaults(kinds[i]);
    cases[2].params.warmup = 2;
    int i = 0;
#define REFUSED(name, change)                                                                                          \
    do {                                                                                                               \
        cases[i].setting = name;                                                                                       \
        cases[i++].params.change;                                                                                      \
    } while (0)
    REFUSED("optimizer.lr", lr = NAN);
    REFUSED("schedule.warmup", warmup = -1);
    REFUSED("schedule.warmup_start", warmup_start = 1.5);
    REFUSED("schedule.min_lr", min_lr = INFINITY);
    REFUSED("schedule.step_size", step_size = 0);
    REFUSED("schedule.gamma", gamma = NAN);
    REFUSED("schedule.milestones", milestones[1] = 0);
    REFUSED("schedule.milestones", n_milestones = 33);
    REFUSED("schedule.warmup", warmup = 30);
    REFUSED("schedule.warmup", warmup = 1);
    REFUSED("schedule.pct_start", pct_start = 1.1);
    REFUSED("schedule.div_factor", div_factor = 0);
    REFUSED("schedule.factor", factor = 1);
    REFUSED("schedule.threshold", threshold = -1);
    REFUSED("schedule.patience", patience = -1);
    REFUSED("schedule.cooldown", cooldown = -1);
#undef REFUSED
    assert_int_equal(i, CASES);
    for (i = 0; i < CASES; i++) {
        cr_schedule schedule;
        assert_int_equal(cr_schedule_make(&cases[i].params, &schedule), CR_BAD_CONFIG);
        assert_non_null(strstr(cr_error_message(), cases[i].setting));
    }
}

static void damaged_state_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"position\": -1, \"lr\": 0.1, \"best\": 1, \"bad\": 0, \"cooldown\": 0}",
        "{\"position\": 1, \"lr\": \"nan\", \"best\": 1, \"bad\": 0, \"cooldown\": 0}",
        "{\"position\": 1, \"lr\": -0.1, \"best\": 1, \"bad\": 0, \"cooldown\": 0}",
        "{\"position\": 1, \"lr\": 0.1, \"best\": \"nan\", \"bad\": 0, \"cooldown\": 0}",
        "{\"position\": 1, \"lr\": 0.1, \"best\": 1, \"bad\": 0}",
    };
    cr_schedule schedule = make(defaults(CR_SCHEDULE_PLATEAU)), before = schedule;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *saved = NULL;
        assert_int_equal(cr_json_parse(texts[i], strlen(texts[i]), "state", &saved), CR_OK);
        assert_int_equal(cr_schedule_restore(&schedule, saved, "step-5.json"), CR_BAD_DATA);
        assert_non_null(strstr(cr_error_message(), "step-5.json"));
        assert_true(schedule.position == before.position && schedule.lr == before.lr && schedule.best == before.best);
        json_decref(saved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_anywhere_changes_nothing),
        cmocka_unit_test(warm_up_leads_into_every_schedule),
        cmocka_unit_test(only_one_cycle_moves_every_step),
        cmocka_unit_test(one_cycle_stays_at_its_end_and_takes_extremes),
        cmocka_unit_test(impossible_settings_are_named),
        cmocka_unit_test(damaged_state_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
