/* Whole steps and evaluation, by the trainer itself. */
#include "bench_parts.h"

#include "crisol/stepper.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef enum phase {
    TOTAL,
    WAIT,
    COMPUTE,
    REDUCE,
    UPDATE,
    REPORT,
    N_PHASES
} phase;
static const char *const phase_names[N_PHASES] = {"step_s", "wait_s", "compute_s", "reduce_s", "update_s", "report_s"};

/* Layers' times are means since the program was made: what the warm-up added is taken out again. */
static void drop_warmup(const cr_bench_options *options, const json_t *warm, json_t *layers)
{
    static const char *const keys[] = {"forward_ms", "backward_ms"};
    double w = (double)options->n_warmup, n = (double)options->n_repetitions;
    size_t i;
    json_t *layer;
    json_array_foreach(layers, i, layer)
    {
        for (int k = 0; w > 0 && k < 2; k++) {
            double all = json_number_value(json_object_get(layer, keys[k]));
            double before = json_number_value(json_object_get(json_array_get(warm, i), keys[k]));
            json_object_set_new(layer, keys[k], json_real((all * (w + n) - before * w) / n));
        }
    }
}

/* [N_PHASES][n] seconds of this rank; *layers: of worker 0. */
static cr_status run_steps(cr_stepper *stepper, const cr_bench_options *options, double *seconds, json_t **layers)
{
    int64_t n = options->n_repetitions;
    json_t *warm = NULL;
    for (int64_t i = -options->n_warmup; i < n; i++) {
        cr_step_times t;
        if (i == 0)
            warm = cr_stepper_times(stepper);
        cr_status status = cr_stepper_step(stepper, &t);
        if (status != CR_OK) {
            json_decref(warm);
            return status;
        }
        const double all[N_PHASES] = {t.total,  t.wait,   t.compute,
                                      t.reduce, t.update, t.total - t.wait - t.compute - t.reduce - t.update};
        for (int p = 0; i >= 0 && p < N_PHASES; p++)
            seconds[p * n + i] = all[p];
    }
    *layers = cr_stepper_times(stepper);
    drop_warmup(options, warm, *layers);
    json_decref(warm);
    return CR_OK;
}

/* The step is as long as its slowest rank's; the phases are means over ranks, so that they add up. */
static cr_status add_phases(cr_comm *comm, const cr_bench_options *options, const double *seconds, json_t *results)
{
    int64_t n = options->n_repetitions;
    cr_status status = CR_OK;
    double wait = 0, total = 0, *all = malloc((size_t)n * sizeof *all);
    CR_TRY(cr_comm_agree(comm, all ? CR_OK : cr_fail_memory("times", (size_t)n * sizeof *all)));
    for (int p = 0; p < N_PHASES; p++) {
        CR_TRY(cr_over_ranks(comm, seconds + p * n, n, p == TOTAL, all));
        for (int64_t i = 0; i < n; i++) {
            total += p == TOTAL ? all[i] : 0;
            wait += p == WAIT ? all[i] : 0;
        }
        json_object_set_new(results, phase_names[p], cr_spread_json(all, n));
    }
    json_object_set_new(results, "wait_share", json_real(total > 0 ? wait / total : 0));
done:
    free(all);
    return status;
}

static void add_rates(cr_comm *comm, const cr_bench_options *options, json_t *results)
{
    double batch = (double)options->config->data.batch, seconds = cr_spread_median(results, phase_names[TOTAL]);
    if (options->kind == CR_BENCH_STEP) {
        seconds = cr_spread_median(results, phase_names[COMPUTE]) + cr_spread_median(results, phase_names[REDUCE]) +
                  cr_spread_median(results, phase_names[UPDATE]);
        json_object_set_new(results, "arithmetic_s", json_real(seconds));
    }
    json_object_set_new(results, "images_s", json_real(batch / seconds));
    json_object_set_new(results, "images_s_rank", json_real(batch / seconds / cr_comm_size(comm)));
}

/* Of the rank that needs most. */
static cr_status add_memory(cr_comm *comm, json_t *results)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double mine = (double)usage.ru_maxrss * 1024, most = 0; /* Linux counts in KiB */
    cr_status status = cr_over_ranks(comm, &mine, 1, true, &most);
    json_object_set_new(results, "peak_memory_bytes", json_integer((json_int_t)most));
    return status;
}

static void add_facts(const cr_bench_options *options, const cr_stepper *stepper, json_t *results)
{
    json_t *kernels = cr_stepper_kernels(stepper);
    json_object_set_new(results, "batch", json_integer(options->config->data.batch));
    json_object_set_new(results, "micro_batch", json_integer(options->config->data.micro_batch));
    json_object_set_new(results, "workers", json_integer(cr_stepper_workers(stepper)));
    json_object_set_new(results, "backend", json_string(cr_stepper_backend(stepper)));
    json_object_set_new(results, "pack_id", json_string(cr_stepper_pack_id(stepper)));
    json_object_set_new(results, "gradient_bytes", json_integer(4 * cr_stepper_state_count(stepper)));
    json_object_set_new(results, "kernels", kernels ? kernels : json_null());
}

cr_status cr_bench_steps(cr_comm *comm, const cr_bench_options *options, json_t **results)
{
    cr_status status = CR_OK;
    cr_stepper *stepper = NULL;
    size_t bytes = (size_t)options->n_repetitions * N_PHASES * sizeof(double);
    json_t *layers = NULL;
    double *seconds = malloc(bytes);
    *results = json_object();
    CR_TRY(cr_comm_agree(comm, seconds && *results ? CR_OK : cr_fail_memory("times", bytes)));
    CR_TRY(cr_stepper_open(comm, options->config, true, &stepper));
    CR_TRY(run_steps(stepper, options, seconds, &layers));
    json_object_set(*results, "layers", layers ? layers : json_null());
    CR_TRY(add_phases(comm, options, seconds, *results));
    add_rates(comm, options, *results);
    add_facts(options, stepper, *results);
    CR_TRY(add_memory(comm, *results));
    if (cr_comm_size(comm) > 1) {
        json_t *reductions = NULL;
        CR_TRY(cr_bench_reductions(comm, options, cr_stepper_state_count(stepper), &reductions));
        json_object_set_new(*results, "reduction", reductions);
    }
done:
    cr_stepper_close(&stepper);
    free(seconds);
    json_decref(layers);
    return status;
}

cr_status cr_bench_eval(cr_comm *comm, const cr_bench_options *options, json_t **results)
{
    cr_status status = CR_OK;
    cr_stepper *stepper = NULL;
    int64_t n_samples = 0, n = options->n_repetitions;
    double *mine = malloc(2 * (size_t)n * sizeof *mine);
    *results = json_object();
    CR_TRY(cr_comm_agree(comm, mine && *results ? CR_OK : cr_fail_memory("times", (size_t)n * sizeof *mine)));
    double *all = mine + n;
    CR_TRY(cr_stepper_open(comm, options->config, false, &stepper));
    for (int64_t i = -options->n_warmup; i < n; i++) {
        double seconds;
        CR_TRY(cr_stepper_evaluate(stepper, CR_SPLIT_VAL, &n_samples, &seconds));
        if (i >= 0)
            mine[i] = seconds;
    }
    CR_TRY(cr_over_ranks(comm, mine, n, true, all));
    json_object_set_new(*results, "pass_s", cr_spread_json(all, n));
    double rate = (double)n_samples / cr_spread_median(*results, "pass_s");
    json_object_set_new(*results, "samples", json_integer(n_samples));
    json_object_set_new(*results, "images_s", json_real(rate));
    json_object_set_new(*results, "images_s_rank", json_real(rate / cr_comm_size(comm)));
    json_object_set_new(*results, "eval_batch", json_integer(options->config->cpu.eval_batch));
    add_facts(options, stepper, *results);
    CR_TRY(add_memory(comm, *results));
done:
    cr_stepper_close(&stepper);
    free(mine);
    return status;
}
