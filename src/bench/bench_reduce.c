/* The price of a fixed order: the ordered reduction against the library's (MPI_Allreduce, or ncclAllReduce between
 * GPUs) on a gradient of this network's size, where gradients live, in turns, so that both see the same state of the
 * machine. */
#include "bench_parts.h"

#include "crisol/clock.h"
#include "crisol/device.h"
#include "crisol/net.h"
#include "crisol/pack.h"
#include "crisol/reduce.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct leaves {
    cr_reducer *reducer;
    const cr_memory *memory;
    const float *leaf; /* [n], the host's */
    int64_t n;
} leaves;

/* Until they are written: a device may take its time. */
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
    for (int64_t i = begin; i < end; i++) {
        float *at = cr_tree_stack_leaf(stack), last;
        CR_TRY(cr_memory_write(l->memory, l->leaf, l->n, at));
        CR_TRY(cr_memory_read(l->memory, at + l->n - 1, 1, &last));
        CR_TRY(cr_tree_stack_push(stack));
    }
done:
    return status;
}

static cr_status time_once(cr_comm *comm, leaves *l, cr_workers *workers, double *seconds)
{
    cr_status status = CR_OK;
    const float *sum;
    float last;
    CR_TRY(cr_comm_agree(comm, cr_workers_run(workers, write_leaves, l)));
    CR_TRY(cr_comm_barrier(comm));
    double start = cr_clock_s();
    CR_TRY(cr_reducer_sum(l->reducer, workers, &sum));
    CR_TRY(cr_memory_read(l->memory, sum + l->n - 1, 1, &last)); /* it is there */
    *seconds = cr_clock_s() - start;
done:
    return status;
}

typedef struct contest {
    cr_backend *backend;
    cr_workers *workers;
    cr_reducer *reducers[2]; /* ordered, library */
    float *leaf;             /* a micro-batch's gradient, the host's */
    double *mine;            /* [2][n] */
} contest;

static cr_status prepare(cr_comm *comm, const cr_config *config, int64_t n_floats, int64_t n_leaves, contest *c)
{
    cr_status status = CR_OK;
    int64_t begin, end;
    int n_sharing;
    CR_TRY(cr_device_open(comm, config, &c->backend, &n_sharing));
    const cr_memory *memory = cr_backend_memory(c->backend);
    cr_share(n_leaves, cr_comm_size(comm), cr_comm_rank(comm), &begin, &end);
    int64_t wanted = config->cpu.workers < end - begin ? config->cpu.workers : end - begin;
    cr_reducer_params params = {.n = n_floats,
                                .n_leaves = n_leaves,
                                .n_workers = wanted > 0 && cr_memory_is_host(memory) ? (int)wanted : 1,
                                .transport = cr_device_transport(config, n_sharing),
                                .memory = memory};
    CR_TRY(cr_comm_agree(comm, cr_workers_create(params.n_workers, &c->workers)));
    for (int kind = 0; kind < 2; kind++) {
        params.reduction = kind == 0 ? CR_REDUCTION_ORDERED : CR_REDUCTION_LIBRARY;
        CR_TRY(cr_reducer_create(comm, &params, &c->reducers[kind]));
    }
    c->leaf = malloc((size_t)n_floats * sizeof *c->leaf);
    CR_TRY(cr_comm_agree(comm, c->leaf ? CR_OK : cr_fail_memory("a gradient", (size_t)n_floats * sizeof *c->leaf)));
    for (int64_t i = 0; i < n_floats; i++)
        c->leaf[i] = (float)(i % 1024);
done:
    return status;
}

static void clear(contest *c)
{
    cr_reducer_destroy(&c->reducers[0]);
    cr_reducer_destroy(&c->reducers[1]);
    cr_workers_destroy(&c->workers);
    cr_backend_close(&c->backend);
    free(c->leaf);
    free(c->mine);
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
    json_object_set_new(results, "transport", json_string(cr_reducer_transport(c->reducers[1])));
    json_object_set_new(results, "library", json_string(cr_reducer_all_reduce(c->reducers[1])));
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
            leaves l = {c.reducers[kind], cr_backend_memory(c.backend), c.leaf, n_floats};
            CR_TRY(time_once(comm, &l, c.workers, &seconds));
            if (i >= 0)
                c.mine[kind * n + i] = seconds;
        }
    CR_TRY(add_results(comm, &c, n, *results));
done:
    clear(&c);
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
