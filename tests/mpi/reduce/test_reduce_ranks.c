/* The reduction over real MPI: the root of the plain recursion, bit for bit, with 1 to 3 workers on a rank. Prints one
 * hash a tree, so that runs on other numbers of ranks can be compared by eye as well. */
#include "crisol/hash.h"
#include "crisol/reduce.h"
#include "fenced_memory.h"
#include "mpi_check.h"
#include "plain_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
    N = 3 * 1024 * 1024 / 2 + 77, /* more than one chunk of a slice at 4 ranks */
    MOST_WORKERS = 3
};

typedef struct leaves {
    cr_reducer *reducer;
    const cr_memory *memory;
    uint64_t seed;
} leaves;

static cr_status write_leaves(void *context, int worker)
{
    const leaves *l = context;
    cr_tree_stack *stack = cr_reducer_stack(l->reducer, worker);
    int64_t begin, end;
    cr_status status = CR_OK;
    float *values = malloc(N * sizeof *values);
    if (!values)
        return cr_fail_memory("a leaf", N * sizeof *values);
    cr_reducer_leaves(l->reducer, worker, &begin, &end);
    if (stack)
        cr_tree_stack_reset(stack);
    for (int64_t leaf = begin; leaf < end; leaf++) {
        for (int64_t i = 0; i < N; i++)
            values[i] = plain_leaf(l->seed, leaf, i);
        CR_TRY(cr_memory_write(l->memory, values, N, cr_tree_stack_leaf(stack)));
        CR_TRY(cr_tree_stack_push(stack));
    }
done:
    free(values);
    return status;
}

/* What two steps of one reducer leave on this rank, the second one in *sum. */
static void run_reducer(cr_comm *comm, const cr_reducer_params *params, const float *root, float *sum)
{
    cr_workers *workers = NULL;
    cr_reducer *reducer = NULL;
    CHECK_OK(comm, cr_workers_create(params->n_workers, &workers));
    CHECK_OK(comm, cr_reducer_create(comm, params, &reducer));
    for (int step = 0; step < 2; step++) {
        leaves l = {reducer, params->memory, 1};
        const float *found = NULL;
        CHECK_OK(comm, cr_workers_run(workers, write_leaves, &l));
        CHECK_OK(comm, cr_reducer_sum(reducer, workers, &found));
        CHECK_OK(comm, cr_memory_read(params->memory, found, N, sum));
        if (params->reduction == CR_REDUCTION_ORDERED)
            CHECK(comm, memcmp(sum, root, N * sizeof *root) == 0);
        for (int64_t i = 0; i < N; i++) /* LIBRARY: a few roundings of sums of numbers up to 2^31 */
            CHECK(comm, sum[i] - root[i] < 0x1p12f && root[i] - sum[i] < 0x1p12f);
    }
    cr_reducer_destroy(&reducer);
    cr_workers_destroy(&workers);
}

static void check_tree(cr_comm *comm, int64_t n_leaves, cr_reduction reduction, const cr_memory *memory)
{
    float *root = malloc(N * sizeof *root), *sum = malloc(N * sizeof *sum);
    CHECK(comm, root && sum);
    for (int64_t i = 0; i < N; i++)
        root[i] = plain_root(1, n_leaves, i);
    int most_workers = cr_memory_is_host(memory) ? MOST_WORKERS : 1;
    for (int n_workers = 1; n_workers <= most_workers; n_workers++) {
        cr_reducer_params params = {.n = N,
                                    .n_leaves = n_leaves,
                                    .n_workers = 1 + (n_workers + cr_comm_rank(comm)) % most_workers,
                                    .reduction = reduction,
                                    .memory = memory};
        run_reducer(comm, &params, root, sum);
    }
    if (cr_comm_rank(comm) == 0) {
        char text[CR_HASH_TEXT];
        cr_hash128(sum, N * sizeof *sum, text);
        printf("%s, %s, %lld micro-batches, %d ranks: %s\n", memory->ops->name,
               reduction == CR_REDUCTION_ORDERED ? "ordered" : "library", (long long)n_leaves, cr_comm_size(comm),
               text);
    }
    free(root);
    free(sum);
}

static void check_too_few_leaves(cr_comm *comm)
{
    cr_reducer *reducer = NULL;
    cr_reducer_params params = {
        .n = N, .n_leaves = cr_comm_size(comm) - 1, .n_workers = 1, .reduction = CR_REDUCTION_ORDERED};
    CHECK(comm, cr_reducer_create(comm, &params, &reducer) == CR_BAD_CONFIG && !reducer);
}

int main(void)
{
    static const int64_t trees[] = {4, 5, 11};
    cr_comm *comm = NULL;
    fence *fenced = NULL;
    if (cr_comm_open_world(&comm) != CR_OK) {
        fprintf(stderr, "%s\n", cr_error_message());
        return 1;
    }
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
        check_tree(comm, trees[i], CR_REDUCTION_ORDERED, cr_memory_host());
    check_tree(comm, 5, CR_REDUCTION_LIBRARY, cr_memory_host());
    CHECK_OK(comm, fence_create(&fenced)); /* through the host */
    check_tree(comm, 11, CR_REDUCTION_ORDERED, fence_memory(fenced));
    check_tree(comm, 5, CR_REDUCTION_LIBRARY, fence_memory(fenced));
    fence_destroy(&fenced);
    check_too_few_leaves(comm);
    cr_comm_close(&comm);
    return 0;
}
