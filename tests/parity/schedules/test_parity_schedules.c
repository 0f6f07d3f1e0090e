/* torch.optim.lr_scheduler's trajectories: every case of schedules.json. */
#include "crisol/optim.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int64_t whole(json_t *options, const char *key)
{
    json_t *value = parity_get(options, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* A case says its kind by the options that it has. */
static cr_schedule_params per_epoch_params(json_t *options)
{
    cr_schedule_params params = {.lr = parity_real(options, "base_lr")};
    if (parity_find(options, "max_lr")) {
        params.kind = CR_SCHEDULE_ONE_CYCLE;
        params.lr = parity_real(options, "max_lr");
        params.total = whole(options, "total_steps");
        params.pct_start = parity_real(options, "pct_start");
        params.div_factor = parity_real(options, "div_factor");
        params.final_div_factor = parity_real(options, "final_div_factor");
        params.anneal_linear = !strcmp(json_string_value(parity_get(options, "anneal")), "linear");
        params.three_phase = json_is_true(parity_find(options, "three_phase"));
    } else if (parity_find(options, "t_max") || parity_find(options, "start_factor")) {
        params.kind = CR_SCHEDULE_COSINE;
        params.min_lr = parity_real(options, "eta_min");
        params.total = whole(options, parity_find(options, "t_max") ? "t_max" : "total");
        if (parity_find(options, "start_factor")) {
            params.warmup = whole(options, "warmup");
            params.warmup_start = parity_real(options, "start_factor");
        }
    } else {
        params.gamma = parity_real(options, "gamma");
        params.kind = CR_SCHEDULE_EXPONENTIAL;
        if (parity_find(options, "step_size")) {
            params.kind = CR_SCHEDULE_STEP;
            params.step_size = whole(options, "step_size");
        } else if (parity_find(options, "milestones")) {
            const json_t *list = parity_get(options, "milestones");
            params.kind = CR_SCHEDULE_MULTI_STEP;
            params.n_milestones = (int)json_array_size(list);
            assert_true(params.n_milestones <= CR_SCHEDULE_MAX_MILESTONES);
            for (int i = 0; i < params.n_milestones; i++)
                params.milestones[i] = json_integer_value(json_array_get(list, (size_t)i));
        }
    }
    return params;
}

static cr_schedule_params plateau_params(json_t *options)
{
    assert_true(parity_real(options, "eps") == 1e-8); /* PyTorch's default, a constant here */
    return (cr_schedule_params){
        .kind = CR_SCHEDULE_PLATEAU,
        .lr = parity_real(options, "base_lr"),
        .factor = parity_real(options, "factor"),
        .patience = whole(options, "patience"),
        .threshold = parity_real(options, "threshold"),
        .threshold_absolute = !strcmp(json_string_value(parity_get(options, "threshold_mode")), "abs"),
        .cooldown = whole(options, "cooldown"),
        .min_lr = parity_real(options, "min_lr"),
        .maximize = !strcmp(json_string_value(parity_get(options, "mode")), "max"),
    };
}

/* Worst |ours - theirs| beyond the absolute tolerance, relative to theirs. */
static double worst_gap(const cr_schedule_params *params, json_t *options, double abs_tolerance)
{
    cr_schedule schedule;
    const json_t *path = parity_get(options, "lr"), *metrics = parity_find(options, "metrics");
    if (cr_schedule_make(params, &schedule) != CR_OK)
        fail_msg("%s", cr_error_message());
    double worst = 0;
    assert_true(json_array_size(path) > 1);
    for (size_t e = 0; e < json_array_size(path); e++) {
        double want = parity_value(json_array_get(path, e));
        double gap = fmax(fabs(schedule.lr - want) - abs_tolerance, 0);
        gap = gap > 0 ? gap / fabs(want) : gap;
        if (!(gap <= worst))
            worst = gap;
        const json_t *metric = metrics ? json_array_get(metrics, e) : NULL;
        cr_schedule_advance(&schedule, metric ? parity_value(metric) : NAN);
    }
    return worst;
}

static bool compare_group(json_t *cases, json_t *tolerances, bool plateau)
{
    const char *name;
    json_t *options;
    bool good = json_object_size(cases) > 0;
    json_object_foreach(cases, name, options)
    {
        char what[128];
        cr_schedule_params params = plateau ? plateau_params(options) : per_epoch_params(options);
        snprintf(what, sizeof what, "schedules %s%s, relative", plateau ? "plateau " : "", name);
        good &= parity_line(what, worst_gap(&params, options, parity_real(tolerances, "schedules.abs")),
                            parity_real(tolerances, "schedules.rel"));
    }
    return good;
}

static void every_schedule_follows_pytorch(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("schedules.json"), *tolerances = parity_json("tolerances.json");
    bool good = compare_group(parity_get(root, "per_epoch"), tolerances, false);
    good &= compare_group(parity_get(root, "reduce_on_plateau"), tolerances, true);
    assert_true(good);
    json_decref(root);
    json_decref(tolerances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_schedule_follows_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
