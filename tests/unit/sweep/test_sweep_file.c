/* What a sweep file may say, and the trials that follow from it. */
#include "plan.h"
#include "scratch.h"
#include "tiny_pack.h"

#include <math.h>

static void write_text(scratch *it, const char *name, const char *text)
{
    scratch_write(it, name, text, strlen(text));
}

static int setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    char text[512];
    snprintf(text, sizeof text, "data: {pack: %s, batch: 8, micro_batch: 4}\ntrain: {seed: 7, monitor: val/loss}\n",
             tiny_pack_folder());
    write_text(*state, "base.yaml", text);
    return 0;
}

static cr_status read_sweep(scratch *it, const char *text, cr_sweep **sweep)
{
    write_text(it, "s.yaml", text);
    return cr_sweep_read(scratch_path(it, "s.yaml"), NULL, 0, sweep);
}

static cr_sweep *read_good(scratch *it, const char *text)
{
    cr_sweep *sweep = NULL;
    if (read_sweep(it, text, &sweep) != CR_OK)
        fail_msg("%s", cr_error_message());
    return sweep;
}

/* The message behind the file's name. */
static void refuses(scratch *it, const char *text, const char *message)
{
    cr_sweep *sweep = NULL;
    assert_status(read_sweep(it, text, &sweep), CR_BAD_CONFIG);
    assert_null(sweep);
    const char *found = strstr(cr_error_message(), "s.yaml");
    if (!found || strncmp(found, message, strlen(message)) != 0)
        fail_msg("'%s' instead of '…%s'", cr_error_message(), message);
}

static const char *text_of(const cr_sweep *sweep, int64_t trial, int parameter)
{
    return sweep->points[sweep->trials[trial].point].texts[parameter];
}

#define HEAD "base: base.yaml\nmethod: grid\n"

static void errors_name_file_and_line(void **state)
{
    refuses(*state, "base: base.yaml\nmethods: grid\n", "s.yaml:2:1: unknown key 'methods'; did you mean 'method'?");
    refuses(*state, "method: grid\n", "s.yaml:1:1: key 'base' is missing");
    refuses(*state, "base: none.yaml\n", "s.yaml:1:7: 'base': there is no file");
    refuses(*state, HEAD "parameters:\n  optimizer.lrr: {values: [1]}\n",
            "s.yaml:4:3: unknown option 'optimizer.lrr'; did you mean 'optimizer.lr'?");
    refuses(*state, HEAD "parameters:\n  optimizer: {values: [1]}\n", "s.yaml:4:3: 'optimizer' is a section");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {values: [1, -1]}\n",
            "s.yaml:4:30: 'parameters.optimizer.lr.values[1]' must be a number of at least 0, not '-1'");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {value: [1]}\n", "s.yaml:4:18: unknown key");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {values: []}\n", "s.yaml:4:26: name one value");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {scale: log}\n", "s.yaml:4:3: 'optimizer.lr' needs either");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {range: [1e-5, 1]}\n", "s.yaml:4:17: a grid needs 'steps'");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {range: [1, 1e-5], steps: 3}\n",
            "s.yaml:4:25: the first number");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {range: [0, 1], scale: log, steps: 3}\n",
            "s.yaml:4:25: a log scale begins above 0");
    refuses(*state, HEAD "parameters:\n  optimizer.name: {range: [0, 1]}\n",
            "s.yaml:4:27: 'optimizer.name' is no number");
    refuses(*state, HEAD "parameters:\n  optimizer.lr: {values: [1, 2], weights: [1]}\n",
            "s.yaml:4:43: 1 weights for 2 values");
    refuses(*state, HEAD "parameters:\n  data.pack: {values: [a]}\n", "s.yaml:4:3: 'data.pack' cannot be a parameter");
    refuses(*state, HEAD "seeds: 2\nparameters:\n  train.seed: {values: [1]}\n", "s.yaml:5:3: 'train.seed' cannot be");
    refuses(*state, HEAD "parameters:\n  model.weights: {values: [a, \"b\\tc\"]}\n",
            "s.yaml:4:27: a value of 'model.weights' holds control characters");
    refuses(*state, HEAD "set: {optimizer.lrr: 1}\n", "s.yaml:3:7: unknown option 'optimizer.lrr'; did you mean");
    refuses(*state, HEAD "prune: {rule: medium}\n", "s.yaml:3:15: 'prune.rule' must be none, median or halving");
    refuses(*state, HEAD "prune: {rule: median, factor: 3}\n", "s.yaml:3:23: 'factor' does not belong to this rule");
    refuses(*state, HEAD "metric: {name: val/loss, goal: up}\n", "s.yaml:3:32: 'metric.goal' must be minimize or");
    refuses(*state, "base: base.yaml\nmethod: random\nparameters:\n  optimizer.lr: {values: [1]}\n",
            "s.yaml:1:1: key 'trials' is missing");
    refuses(*state,
            HEAD "parameters:\n  optimizer.lr: {range: [0, 1], steps: 1000}\n  optimizer.eps: {range: [0, 1], steps: "
                 "1000}\n",
            "s.yaml: a grid of more than 100000 trials");
}

static void a_grid_has_every_combination_once(void **state)
{
    cr_sweep *sweep = read_good(*state, HEAD "parameters:\n"
                                             "  optimizer.lr: {range: [1e-4, 1e-2], scale: log, steps: 3}\n"
                                             "  model.head.hidden: {values: [[8], [16, 8]]}\n"
                                             "  data.batch: {range: [8, 16], steps: 2}\n");
    static const char *const lr[] = {"0.0001", "0.001", "0.01"};
    static const char *const hidden[] = {"[8]", "[16, 8]"};
    static const char *const batch[] = {"8", "16"};
    assert_int_equal(sweep->n_trials, 12);
    for (int i = 0; i < 12; i++) {
        assert_string_equal(text_of(sweep, i, 0), lr[i / 4]);
        assert_string_equal(text_of(sweep, i, 1), hidden[i / 2 % 2]);
        assert_string_equal(text_of(sweep, i, 2), batch[i % 2]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sweep->trials[i].id, sweep->trials[k].id);
    }
    assert_false(sweep->maximize); /* the base config's val/loss */
    cr_config *config = NULL;
    assert_ok(cr_plan_config(sweep, &sweep->trials[6], &config));
    assert_true(config->optimizer.lr == 1e-3 && config->data.batch == 8 && config->model.head.hidden.n == 2);
    assert_int_equal(config->train.seed, 7);
    cr_config_destroy(&config);
    cr_sweep_destroy(&sweep);
}

static void a_value_that_stands_twice_runs_once(void **state)
{
    cr_sweep *sweep = read_good(*state, HEAD "parameters: {optimizer.lr: {values: [0.1, 1e-1, 0.2]}}\n");
    assert_int_equal(sweep->n_trials, 2);
    cr_sweep_destroy(&sweep);
    sweep = read_good(*state, "base: base.yaml\nmethod: random\ntrials: 50\n"
                              "parameters: {data.micro_batch: {values: [1, 2, 4]}, optimizer.nesterov: {values: [true, "
                              "false]}}\n");
    assert_int_equal(sweep->n_trials, 6); /* all that there are */
    cr_sweep_destroy(&sweep);
}

static void ids_stay_when_the_file_changes(void **state)
{
    scratch *it = *state;
    cr_sweep *first = read_good(it, HEAD "parameters: {optimizer.lr: {values: [0.1, 0.2]}}\n");
    cr_sweep *more = read_good(it, HEAD "seeds: 2\nparameters: {optimizer.lr: {values: [0.3, 0.2, 0.1]}}\n");
    assert_int_equal(more->n_trials, 6);
    assert_string_equal(first->trials[0].id, more->trials[4].id);
    assert_string_equal(first->trials[1].id, more->trials[2].id);
    assert_true(more->trials[4].seed == 7 && more->trials[5].seed == 8);
    cr_sweep_destroy(&more);
    /* how it runs is no part of it; what it learns from is */
    more = read_good(it, HEAD "set: {train.heartbeat: 3, cpu.workers: 2, train.checkpoint_steps: 5}\n"
                              "parameters: {optimizer.lr: {values: [0.1]}}\n");
    assert_string_equal(first->trials[0].id, more->trials[0].id);
    cr_sweep_destroy(&more);
    more = read_good(it, HEAD "set: {train.epochs: 3}\nparameters: {optimizer.lr: {values: [0.1]}}\n");
    assert_string_not_equal(first->trials[0].id, more->trials[0].id);
    cr_sweep_destroy(&more);
    more = read_good(it, HEAD "metric: {name: val/f1_macro}\nparameters: {optimizer.lr: {values: [0.1]}}\n");
    assert_string_not_equal(first->trials[0].id, more->trials[0].id);
    assert_true(more->maximize);
    cr_sweep_destroy(&more);
    cr_sweep_destroy(&first);
}

static void random_points_lie_in_their_ranges_by_their_scale(void **state)
{
    cr_sweep *sweep = read_good(*state, "base: base.yaml\nmethod: random\ntrials: 2000\nseed: 3\nparameters:\n"
                                        "  optimizer.lr: {range: [1e-4, 1], scale: log}\n"
                                        "  optimizer.beta1: {range: [0.5, 0.9]}\n"
                                        "  schedule.step_size: {range: [1, 4]}\n"
                                        "  optimizer.name: {values: [adamw, sgd, adam], weights: [6, 3, 1]}\n");
    int below[4] = {0}, sizes[4] = {0}, names[3] = {0};
    double sum = 0;
    assert_int_equal(sweep->n_trials, 2000);
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        double lr = strtod(text_of(sweep, i, 0), NULL), beta = strtod(text_of(sweep, i, 1), NULL);
        assert_true(lr >= 1e-4 && lr <= 1 && beta >= 0.5 && beta <= 0.9);
        below[(int)fmin(3, floor(log10(lr)) + 4)]++;
        sum += beta;
        sizes[atoi(text_of(sweep, i, 2)) - 1]++;
        names[(int)sweep->points[i].coordinates[3]]++;
    }
    /* 2,000 draws: a share of 1/4 has a standard deviation of 19; five of them are allowed */
    for (int k = 0; k < 4; k++) {
        assert_in_range(below[k], 500 - 97, 500 + 97);
        assert_in_range(sizes[k], 500 - 97, 500 + 97);
    }
    assert_true(fabs(sum / 2000 - 0.7) < 0.013);
    assert_in_range(names[0], 1200 - 110, 1200 + 110);
    assert_in_range(names[1], 600 - 103, 600 + 103);
    cr_sweep_destroy(&sweep);
}

static void sobols_points_are_its_sequence(void **state)
{
    cr_sweep *sweep = read_good(*state, "base: base.yaml\nmethod: sobol\ntrials: 5\nparameters:\n"
                                        "  optimizer.beta1: {range: [0, 0.8]}\n"
                                        "  optimizer.lr: {range: [1e-4, 1], scale: log}\n");
    static const char *const beta[] = {"0", "0.4", "0.6", "0.2", "0.3"};
    static const char *const lr[] = {"0.0001", "0.01", "0.001", "0.1", "0.00316228"};
    for (int i = 0; i < 5; i++) {
        assert_string_equal(text_of(sweep, i, 0), beta[i]);
        assert_string_equal(text_of(sweep, i, 1), lr[i]);
    }
    cr_sweep_destroy(&sweep);
}

static void overrides_reach_the_base(void **state)
{
    scratch *it = *state;
    const char *const sets[] = {"train.epochs=5"};
    cr_sweep *sweep = NULL;
    cr_config *config = NULL;
    write_text(it, "s.yaml",
               HEAD "set: {train.epochs: 3, optimizer.eps: 1e-6}\n"
                    "parameters: {optimizer.lr: {values: [0.5]}}\n");
    assert_ok(cr_sweep_read(scratch_path(it, "s.yaml"), sets, 1, &sweep));
    assert_ok(cr_plan_config(sweep, &sweep->trials[0], &config));
    assert_true(config->train.epochs == 5 && config->optimizer.eps == 1e-6 && config->optimizer.lr == 0.5);
    cr_config_destroy(&config);
    cr_sweep_destroy(&sweep);
    const char *const absent[] = {"data.pack=nowhere"};
    assert_status(cr_sweep_read(scratch_path(it, "s.yaml"), absent, 1, &sweep), CR_MISSING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(errors_name_file_and_line),
        TEST(a_grid_has_every_combination_once),
        TEST(a_value_that_stands_twice_runs_once),
        TEST(ids_stay_when_the_file_changes),
        TEST(random_points_lie_in_their_ranges_by_their_scale),
        TEST(sobols_points_are_its_sequence),
        TEST(overrides_reach_the_base),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    tiny_pack_remove();
    return n_failed;
}
