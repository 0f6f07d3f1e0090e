/* The ranks' sum in buckets, begun while backward is queued and not yet done, on two to four ranks of the emulated
 * device: the bits of all micro-batches on one rank, without buckets. Convolutions' gradients on the side, frozen
 * layers, first runs and those played back from a graph; a stream is executed no further than someone waits for it, so
 * that a mark too early, or none, is seen. */
#include "crisol/reduce.h"
#include "fusion_case.h"
#include "mpi_check.h"
#include "suite_run.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAVES = 5,
    STEPS = 3
};

static cr_comm *world;

typedef struct leaves { /* of all steps: the case's batch with other pixels and numbers each */
    uint8_t *images[STEPS * LEAVES];
    float *metadata[STEPS * LEAVES];
    cr_batch batches[STEPS * LEAVES];
} leaves;

static void make_leaves(const suite_case *c, leaves *all)
{
    int64_t n_bytes = c->n * c->net->image_size * c->net->image_size * 3, n_numbers = c->n * c->net->n_features;
    for (int l = 0; l < STEPS * LEAVES; l++) {
        all->images[l] = malloc((size_t)n_bytes + 1);
        all->metadata[l] = aligned_floats(n_numbers);
        CHECK(world, all->images[l]);
        for (int64_t i = 0; i < n_bytes; i++)
            all->images[l][i] = (uint8_t)(c->images[i] + 37 * l);
        for (int64_t i = 0; i < n_numbers; i++)
            all->metadata[l][i] = c->metadata[i] + 0.1F * (float)l;
        all->batches[l] = c->batch;
        if (c->net->uses_image)
            all->batches[l].images = all->images[l];
        if (c->net->uses_metadata)
            all->batches[l].metadata = all->metadata[l];
    }
}

static void free_leaves(leaves *all)
{
    for (int l = 0; l < STEPS * LEAVES; l++) {
        free(all->images[l]);
        free(all->metadata[l]);
    }
}

/* Steps' sums over a group's ranks, [STEPS][n] on the host. */
static void sum(cr_comm *comm, cr_precision precision, const suite_case *c, const leaves *all,
                const cr_buckets *buckets, float *sums)
{
    cr_backend *backend = NULL;
    cr_program *program = NULL;
    cr_reducer *reducer = NULL;
    int64_t n = c->net->n_params + c->net->n_stats, begin, end;
    suite_result results[LEAVES];
    CHECK_OK(world, cr_backend_open_cuda(0, &backend));
    float *native = suite_array(backend, c);
    cr_program_params params = {.micro_batch = c->n,
                                .training = true,
                                .precision = precision,
                                .n_threads = 1,
                                .frozen_layers = c->frozen_layers,
                                .buckets = *buckets};
    cr_reducer_params reduction = {.n = n,
                                   .n_leaves = LEAVES,
                                   .transport = CR_TRANSPORT_MPI,
                                   .n_workers = 1,
                                   .memory = cr_backend_memory(backend),
                                   .buckets = *buckets};
    CHECK_OK(world, cr_backend_state_import(backend, c->net, c->state, native));
    CHECK_OK(world, cr_program_create(backend, c->net, &params, &program));
    CHECK_OK(world, cr_reducer_create(comm, &reduction, &reducer));
    CHECK(world, cr_reducer_overlaps(reducer) == (buckets->n > 1 && cr_comm_size(comm) > 1));
    cr_reducer_leaves(reducer, 0, &begin, &end);
    for (int l = 0; l < LEAVES; l++)
        suite_result_make(c, &results[l]);
    for (int step = 0; step < STEPS; step++) {
        const float *found = NULL;
        cr_tree_stack *stack = cr_reducer_stack(reducer, 0);
        cr_tree_stack_reset(stack);
        for (int64_t l = begin; l < end; l++) {
            cr_batch_result result = {results[l].logits, results[l].losses};
            CHECK_OK(world, cr_program_train(program, native, &all->batches[step * LEAVES + l],
                                             cr_tree_stack_leaf(stack), &result));
            CHECK_OK(world, cr_tree_stack_push(stack));
        }
        if (cr_reducer_overlaps(reducer))
            CHECK_OK(world, cr_reducer_begin(reducer, NULL));
        CHECK_OK(world, cr_program_wait(program));
        CHECK_OK(world, cr_reducer_sum(reducer, NULL, &found));
        CHECK_OK(world, cr_memory_read(cr_backend_memory(backend), found, n, sums + step * n));
    }
    for (int l = 0; l < LEAVES; l++)
        suite_result_free(&results[l]);
    cr_reducer_destroy(&reducer);
    cr_program_destroy(&program);
    suite_array_free(backend, native);
    cr_backend_close(&backend);
}

static void judge(int net, suite_variant variant, cr_precision precision, int *n_cut)
{
    suite_case c;
    leaves all;
    cr_comm *alone = NULL;
    cr_buckets buckets;
    const cr_buckets none = {.n = 0};
    suite_case_open(net, 1, false, &c);
    suite_case_vary(&c, variant);
    make_leaves(&c, &all);
    cr_net_buckets(c.net, &buckets);
    *n_cut += buckets.n > 1;
    int64_t n = c.net->n_params + c.net->n_stats;
    float *together = aligned_floats(STEPS * n), *whole = aligned_floats(STEPS * n);
    CHECK_OK(world, cr_comm_open_serial(&alone));
    sum(world, precision, &c, &all, &buckets, together);
    sum(alone, precision, &c, &all, &none, whole);
    if (memcmp(together, whole, (size_t)(STEPS * n) * sizeof *whole) != 0)
        fprintf(stderr, "%s, %s: other bits\n", c.name, precision == CR_PRECISION_BF16 ? "bf16" : "f32");
    CHECK(world, memcmp(together, whole, (size_t)(STEPS * n) * sizeof *whole) == 0);
    CHECK(world, memcmp(whole, whole + n, (size_t)n * sizeof *whole) != 0);
    cr_comm_close(&alone);
    free(together);
    free(whole);
    free_leaves(&all);
    suite_case_close(&c);
}

int main(void)
{
    int n_cut = 0;
    if (cr_comm_open_world(&world) != CR_OK) {
        fprintf(stderr, "%s\n", cr_error_message());
        return 1;
    }
    for (int net = 0; net < suite_n_nets(); net++) {
        judge(net, SUITE_PLAIN, CR_PRECISION_F32, &n_cut);
        judge(net, SUITE_FROZEN, CR_PRECISION_F32, &n_cut);
        judge(net, SUITE_PLAIN, CR_PRECISION_BF16, &n_cut);
    }
    CHECK(world, n_cut > suite_n_nets());
    cr_comm_close(&world);
    return 0;
}
