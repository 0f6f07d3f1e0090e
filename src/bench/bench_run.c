#include "bench_parts.h"

#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/train.h"
#include "crisol/workers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *cr_bench_kind_name(cr_bench_kind kind)
{
    static const char *const names[CR_N_BENCH_KINDS] = {"train", "eval", "loader", "reduce", "step"};
    return names[kind];
}

cr_status cr_bench_measure(cr_comm *comm, const cr_bench_options *options, json_t **results)
{
    switch (options->kind) {
    case CR_BENCH_EVAL:
        return cr_bench_eval(comm, options, results);
    case CR_BENCH_LOADER:
        return cr_bench_loader(comm, options, results);
    case CR_BENCH_REDUCE:
        return cr_bench_reduce(comm, options, results);
    default:
        return cr_bench_steps(comm, options, results);
    }
}

/* Fewer ranks must not mean more workers a rank: what a rank has is fixed here. */
static void fix_workers(cr_comm *comm, cr_config *config)
{
    int64_t share = cr_cores_available() / (cr_comm_local_size(comm) * config->cpu.threads);
    if (config->cpu.workers == 0)
        config->cpu.workers = share > 0 ? share : 1;
}

/* A training split of 64 % that holds a batch, in whatever way groups fall. */
static int64_t synthetic_samples(const cr_config *config)
{
    return 2 * config->data.batch + 60;
}

static int count_nodes(cr_comm *comm)
{
    int mine = cr_comm_local_rank(comm) == 0, n = 0;
    int *all = calloc((size_t)cr_comm_size(comm), sizeof *all);
    if (all && cr_comm_allgather(comm, &mine, sizeof mine, all) == CR_OK)
        for (int r = 0; r < cr_comm_size(comm); r++)
            n += all[r];
    free(all);
    return n;
}

static json_t *describe(cr_comm *comm, const cr_bench_options *options, const char *config, bool synthetic)
{
    char now[24];
    cr_clock_utc(now, sizeof now);
    json_t *bench =
        json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:b, s:s, s:s}", "bench_format", 1, "kind",
                  cr_bench_kind_name(options->kind), "started", now, "command", options->command, "ranks",
                  cr_comm_size(comm), "nodes", count_nodes(comm), "workers", (json_int_t)options->config->cpu.workers,
                  "warmup", (json_int_t)options->n_warmup, "repetitions", (json_int_t)options->n_repetitions,
                  "synthetic_pack", synthetic, "comm", cr_comm_library(comm), "config", config);
    return bench;
}

/* Afterwards, when it is known which libraries were used. */
static void add_facts(json_t *bench)
{
    json_t *facts = cr_train_facts();
    json_object_update(bench, facts);
    json_decref(facts);
}

static cr_status measure_all(cr_comm *comm, const cr_bench_options *options, json_t *bench)
{
    cr_status status = CR_OK;
    json_t *results = NULL, *strong = NULL, *weak = NULL;
    status = cr_bench_measure(comm, options, &results);
    json_object_set_new(bench, "results", results);
    CR_TRY(status);
    if (options->strong) {
        status = cr_bench_scaling(comm, options, true, &strong);
        json_object_set_new(bench, "strong", strong);
        CR_TRY(status);
    }
    if (options->weak) {
        status = cr_bench_scaling(comm, options, false, &weak);
        json_object_set_new(bench, "weak", weak);
        CR_TRY(status);
    }
done:
    return status;
}

static cr_status publish(const cr_bench_options *options, const json_t *bench)
{
    cr_bench_print(stdout, bench);
    fflush(stdout);
    return options->output ? cr_json_save(options->output, bench) : CR_OK;
}

cr_status cr_bench(cr_comm *comm, const cr_bench_options *options)
{
    cr_config *config = options->config;
    char folder[4096] = "", *text = NULL;
    json_t *bench = NULL;
    cr_status status = CR_OK;
    bool synthetic = !config->data.pack[0];
    if (synthetic)
        CR_TRY(cr_comm_agree(comm, cr_config_set(config, "data.pack=synthetic"))); /* a name until it is made */
    CR_TRY(cr_comm_agree(comm, cr_config_check(config)));
    fix_workers(comm, config);
    CR_TRY(cr_comm_agree(comm, cr_config_dump(config, &text)));
    bench = describe(comm, options, text, synthetic);
    if (synthetic && options->kind != CR_BENCH_REDUCE) {
        CR_TRY(cr_bench_make_pack(comm, options->scratch, synthetic_samples(config), folder));
        free(config->data.pack);
        config->data.pack = malloc(sizeof folder + 8);
        CR_TRY(cr_comm_agree(comm, config->data.pack ? CR_OK : cr_fail_memory("a path", sizeof folder)));
        snprintf(config->data.pack, sizeof folder + 8, "%s/pack", folder);
    }
    CR_TRY(measure_all(comm, options, bench));
    add_facts(bench);
    CR_TRY(cr_comm_agree(comm, cr_comm_rank(comm) == 0 ? publish(options, bench) : CR_OK));
done:
    if (folder[0])
        cr_bench_remove_pack(comm, folder);
    json_decref(bench);
    free(text);
    return status;
}
