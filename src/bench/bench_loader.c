/* Reading alone: pack → memory, as the training's loader does it, in the order of an epoch. */
#include "bench_parts.h"

#include "crisol/clock.h"
#include "crisol/data.h"
#include "crisol/reduce.h"

#include <jansson.h>
#include <stdlib.h>

typedef struct reading {
    cr_pack *pack;
    cr_subset subset;
    cr_encoder *encoder;
    cr_loader *loader;
    int64_t *order;
    int64_t n_local; /* of a batch */
} reading;

/* The training split with all its classes. */
static cr_status open_subset(const cr_config *config, reading *r)
{
    int64_t n_classes = cr_pack_n_classes(r->pack);
    int32_t *class_of = malloc((size_t)n_classes * sizeof *class_of);
    if (!class_of)
        return cr_fail_memory("classes", (size_t)n_classes * sizeof *class_of);
    for (int64_t k = 0; k < n_classes; k++)
        class_of[k] = (int32_t)k;
    cr_status status = cr_subset_create(r->pack, CR_SPLIT_TRAIN, class_of, config->data.limit_train, &r->subset);
    free(class_of);
    return status;
}

static cr_status open_reading(cr_comm *comm, const cr_config *config, reading *r)
{
    cr_status status = CR_OK;
    int64_t begin, end;
    cr_share(config->data.batch, cr_comm_size(comm), cr_comm_rank(comm), &begin, &end);
    r->n_local = end - begin;
    CR_TRY(cr_pack_open(config->data.pack, &r->pack));
    CR_TRY(open_subset(config, r));
    if (r->subset.n_samples < r->n_local || r->n_local < 1)
        return cr_fail(CR_BAD_CONFIG, "data.batch: %lld samples, but %d ranks and a training split of %lld",
                       (long long)config->data.batch, cr_comm_size(comm), (long long)r->subset.n_samples);
    r->order = malloc((size_t)r->subset.n_samples * sizeof *r->order);
    if (!r->order)
        return cr_fail_memory("an order", (size_t)r->subset.n_samples * sizeof *r->order);
    CR_TRY(cr_sample_order(config->train.seed, (uint64_t)cr_comm_rank(comm), r->subset.n_samples, r->order));
    CR_TRY(cr_encoder_create(r->pack, NULL, 0, &r->encoder));
    CR_TRY(cr_loader_create(&r->subset, r->encoder, cr_memory_host(), r->n_local, &r->loader));
done:
    return status;
}

static void close_reading(reading *r)
{
    cr_loader_destroy(&r->loader);
    cr_encoder_destroy(&r->encoder);
    cr_subset_destroy(&r->subset);
    free(r->order);
    cr_pack_close(&r->pack);
}

/* The next batch, around the epoch's end. */
static const int64_t *next_positions(const reading *r, int64_t batch)
{
    int64_t n_batches = r->subset.n_samples / r->n_local;
    return r->order + batch % n_batches * r->n_local;
}

static cr_status read_batches(reading *r, int64_t first, int64_t n, double *seconds)
{
    cr_loaded loaded;
    double start = cr_clock_s();
    cr_loader_request(r->loader, next_positions(r, first), r->n_local);
    for (int64_t i = first; i < first + n; i++) {
        if (i + 1 < first + n)
            cr_loader_request(r->loader, next_positions(r, i + 1), r->n_local);
        cr_status status = cr_loader_wait(r->loader, &loaded);
        if (status != CR_OK)
            return status;
    }
    *seconds = cr_clock_s() - start;
    return CR_OK;
}

enum {
    BATCHES = 16 /* a repetition */
};

cr_status cr_bench_loader(cr_comm *comm, const cr_bench_options *options, json_t **results)
{
    cr_status status = CR_OK;
    reading r = {0};
    int64_t n = options->n_repetitions, at = 0;
    double *mine = malloc(2 * (size_t)n * sizeof *mine);
    *results = json_object();
    CR_TRY(cr_comm_agree(comm, mine && *results ? CR_OK : cr_fail_memory("times", (size_t)n * sizeof *mine)));
    CR_TRY(cr_comm_agree(comm, open_reading(comm, options->config, &r)));
    for (int64_t i = -options->n_warmup; i < n; i++, at += BATCHES) {
        double seconds = 0;
        CR_TRY(cr_comm_barrier(comm));
        CR_TRY(cr_comm_agree(comm, read_batches(&r, at, BATCHES, &seconds)));
        if (i >= 0)
            mine[i] = seconds;
    }
    CR_TRY(cr_over_ranks(comm, mine, n, true, mine + n));
    json_object_set_new(*results, "pass_s", cr_spread_json(mine + n, n));
    double rate = (double)(BATCHES * options->config->data.batch) / cr_spread_median(*results, "pass_s");
    double image_bytes = 3.0 * CR_PACK_IMAGE_SIZE * CR_PACK_IMAGE_SIZE;
    json_object_set_new(*results, "batch", json_integer(options->config->data.batch));
    json_object_set_new(*results, "batches", json_integer(BATCHES));
    json_object_set_new(*results, "images_s", json_real(rate));
    json_object_set_new(*results, "images_s_rank", json_real(rate / cr_comm_size(comm)));
    json_object_set_new(*results, "bytes_s", json_real(rate * image_bytes));
    json_object_set_new(*results, "pack_id", json_string(cr_pack_id(r.pack)));
done:
    close_reading(&r);
    free(mine);
    return status;
}
