/* The price of a fixed order: the ordered reduction against the library's on a gradient of this network's size, in
 * turns, so that both see the same state of the machine. */
#include "bench_parts.h"

#include "crisol/clock.h"
#include "crisol/net.h"
#include "crisol/pack.h"
#include "crisol/reduce.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct leaves {
    cr_reducer *reducer;
    int64_t n;
} leaves;

static cr_status write_leaves(void *context, int worker)
{
    const leaves *l = context;
    cr_tree_stack *stack = cr_reducer_stack(l->reducer, worker);
    int64_t begin, end;
    cr_reducer_leaves(l->reducer, worker, &begin, &end);
    cr_status status = CR_OK;
    if (!stack)
        return CR_OK;
    cr_tree_stack_reset(stack);
    for (int64_t leaf = begin; status == CR_OK && leaf < end; leaf++) {
        float *at = cr_tree_stack_leaf(stack);
        for (int64_t i = 0; i < l->n; i++)
            at[i] = (float)(leaf + i % 1024);
        status = cr_tree_stack_push(stack);
    }
    return status;
}

static cr_status time_once(cr_comm *comm, cr_reducer *reducer, cr_workers *workers, int64_t n, double *seconds)
{
    cr_status status = CR_OK;
    const float *sum;
    leaves l = {reducer, n};
    CR_TRY(cr_workers_run(workers, write_leaves, &l));
    CR_TRY(cr_comm_barrier(comm));
    double start = cr_clock_s();
    CR_TRY(cr_reducer_sum(reducer, workers, &sum));
    *seconds = cr_clock_s() - start;
done:
    return status;
}

typedef struct contest {
    cr_workers *workers;
    cr_reducer *reducers[2]; /* ordered, library */
    double *mine;            /* [2][n] */
} contest;

static cr_status prepare(cr_comm *comm, const cr_config *config, int64_t n_floats, int64_t n_leaves, contest *c)
{
    cr_status status = CR_OK;
    int64_t begin, end;
    cr_share(n_leaves, cr_comm_size(comm), cr_comm_rank(comm), &begin, &end);
    int64_t wanted = config->cpu.workers < end - begin ? config->cpu.workers : end - begin;
    cr_reducer_params params = {.n = n_floats, .n_leaves = n_leaves, .n_workers = wanted > 0 ? (int)wanted : 1};
    CR_TRY(cr_comm_agree(comm, cr_workers_create(params.n_workers, &c->workers)));
    for (int kind = 0; kind < 2; kind++) {
        params.reduction = kind == 0 ? CR_REDUCTION_ORDERED : CR_REDUCTION_LIBRARY;
        CR_TRY(cr_reducer_create(comm, &params, &c->reducers[kind]));
    }
done:
    return status;
}

static cr_status add_results(cr_comm *comm, const contest *c, int64_t n, json_t *results)
{
    static const char *const names[] = {"ordered_s", "library_s"};
    cr_status status = CR_OK;
    int64_t sent;
    double last, *all = malloc((size_t)n * sizeof *all);
    CR_TRY(cr_comm_agree(comm, all ? CR_OK : cr_fail_memory("times", (size_t)n * sizeof *all)));
    for (int kind = 0; kind < 2; kind++) {
        CR_TRY(cr_over_ranks(comm, c->mine + kind * n, n, true, all));
        json_object_set_new(results, names[kind], cr_spread_json(all, n));
    }
    cr_reducer_cost(c->reducers[0], &sent, &last);
    double ordered = cr_spread_median(results, names[0]), library = cr_spread_median(results, names[1]);
    json_object_set_new(results, "sent_bytes", json_integer(sent));
    json_object_set_new(results, "price_s", json_real(ordered - library));
    json_object_set_new(results, "price_ratio", json_real(library > 0 ? ordered / library : 1));
done:
    free(all);
    return status;
}

cr_status cr_bench_reductions(cr_comm *comm, const cr_bench_options *options, int64_t n_floats, json_t **results)
{
    const cr_config *config = options->config;
    int64_t n_leaves = config->data.batch / config->data.micro_batch, n = options->n_repetitions;
    int64_t bytes = n_floats * (int64_t)sizeof(float);
    contest c = {.mine = calloc(2 * (size_t)n, sizeof *c.mine)};
    cr_status status = CR_OK;
    *results = json_pack("{s:I, s:I}", "gradient_bytes", (json_int_t)bytes, "micro_batches", (json_int_t)n_leaves);
    CR_TRY(cr_comm_agree(comm, c.mine && *results ? CR_OK : cr_fail_memory("times", 16 * (size_t)n)));
    CR_TRY(prepare(comm, config, n_floats, n_leaves, &c));
    for (int64_t i = -options->n_warmup; i < n; i++)
        for (int kind = 0; kind < 2; kind++) {
            double seconds = 0;
            CR_TRY(time_once(comm, c.reducers[kind], c.workers, n_floats, &seconds));
            if (i >= 0)
                c.mine[kind * n + i] = seconds;
        }
    CR_TRY(add_results(comm, &c, n, *results));
done:
    cr_reducer_destroy(&c.reducers[0]);
    cr_reducer_destroy(&c.reducers[1]);
    cr_workers_destroy(&c.workers);
    free(c.mine);
    return status;
}

/* Without a pack: the classes and columns of the synthetic one, which are a ten-thousandth of the numbers. */
cr_status cr_bench_reduce(cr_comm *comm, const cr_bench_options *options, json_t **results)
{
    const cr_config *config = options->config;
    cr_net *net = NULL;
    cr_fusion_params params = {.backbone = cr_net_backbone_name(config->model.backbone),
                               .inputs = (cr_inputs)config->model.inputs,
                               .image_size = CR_PACK_IMAGE_SIZE,
                               .n_features = config->model.inputs == CR_INPUTS_IMAGE ? 0 : 8,
                               .n_classes = 4,
                               .n_metadata_hidden = (int)config->model.metadata.hidden.n,
                               .n_head_hidden = (int)config->model.head.hidden.n};
    for (int i = 0; i < params.n_metadata_hidden && i < CR_NET_MAX_HIDDEN; i++)
        params.metadata_hidden[i] = config->model.metadata.hidden.items[i];
    for (int i = 0; i < params.n_head_hidden && i < CR_NET_MAX_HIDDEN; i++)
        params.head_hidden[i] = config->model.head.hidden.items[i];
    cr_status status = cr_net_create_fusion(&params, &net);
    if (status == CR_OK)
        status = cr_bench_reductions(comm, options, net->n_params + net->n_stats, results);
    cr_net_destroy(&net);
    return status;
}
