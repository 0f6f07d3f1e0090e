/* The whole reducer, its ranks as threads: every number of ranks and many of workers must give the root of the plain
 * recursion, bit for bit, on the host's memory and on one that only its own operations can touch. */
#include "comm_threads.h"
#include "fenced_memory.h"
#include "plain_tree.h"
#include "tree_plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    STEPS = 2,
    MOST_FLOATS = 2000
};

typedef struct trial {
    int64_t n, n_leaves;
    int n_workers; /* of rank 0; the others have other numbers */
    cr_reduction reduction;
    bool fenced;
    cr_buckets buckets; /* begun before the sum is asked for, on odd steps */
    float roots[STEPS][MOST_FLOATS];
    atomic_int n_failures, n_wrong; /* calls that failed; floats that are not the root's */
} trial;

static int workers_of(const trial *t, int rank)
{
    return t->fenced ? 1 : 1 + (t->n_workers - 1 + rank) % 4;
}

typedef struct leaves {
    cr_reducer *reducer;
    const cr_memory *memory;
    const trial *trial;
    uint64_t seed;
} leaves;

static cr_status write_leaves(void *context, int worker)
{
    const leaves *l = context;
    cr_tree_stack *stack = cr_reducer_stack(l->reducer, worker);
    float values[MOST_FLOATS];
    int64_t begin, end;
    cr_status status = CR_OK;
    cr_reducer_leaves(l->reducer, worker, &begin, &end);
    if (!stack)
        return begin == end ? CR_OK : cr_fail(CR_INTERNAL, "leaves without a stack");
    cr_tree_stack_reset(stack);
    for (int64_t leaf = begin; leaf < end; leaf++) {
        for (int64_t i = 0; i < l->trial->n; i++)
            values[i] = plain_leaf(l->seed, leaf, i);
        CR_TRY(cr_memory_write(l->memory, values, l->trial->n, cr_tree_stack_leaf(stack)));
        CR_TRY(cr_tree_stack_push(stack));
    }
done:
    return status;
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void rank_main(void *context, cr_comm *comm)
{
    trial *t = context;
    cr_workers *workers = NULL;
    cr_reducer *reducer = NULL;
    fence *fenced = NULL;
    float values[MOST_FLOATS];
    cr_status status = CR_OK;
    cr_reducer_params params = {.n = t->n,
                                .n_leaves = t->n_leaves,
                                .n_workers = workers_of(t, cr_comm_rank(comm)),
                                .reduction = t->reduction,
                                .buckets = t->buckets};
    if (t->fenced)
        CR_TRY(fence_create(&fenced));
    params.memory = t->fenced ? fence_memory(fenced) : cr_memory_host();
    CR_TRY(cr_workers_create(params.n_workers, &workers));
    CR_TRY(cr_reducer_create(comm, &params, &reducer));
    t->n_failures += cr_reducer_overlaps(reducer) != (t->buckets.n > 1 && cr_comm_size(comm) > 1);
    for (uint64_t step = 0; step < STEPS; step++) {
        leaves l = {reducer, params.memory, t, step};
        const float *sum = NULL;
        CR_TRY(cr_workers_run(workers, write_leaves, &l));
        if (cr_reducer_overlaps(reducer) && step % 2 == 1)
            CR_TRY(cr_reducer_begin(reducer, workers));
        CR_TRY(cr_reducer_sum(reducer, workers, &sum));
        CR_TRY(cr_memory_read(params.memory, sum, t->n, values));
        for (int64_t i = 0; i < t->n; i++) {
            float root = t->roots[step][i]; /* LIBRARY: within a few roundings of sums of numbers up to 2^31 */
            bool good =
                t->reduction == CR_REDUCTION_ORDERED ? same_bits(values[i], root) : fabsf(values[i] - root) <= 0x1p12f;
            t->n_wrong += !good;
        }
        int64_t sent_bytes;
        double seconds;
        cr_reducer_cost(reducer, &sent_bytes, &seconds);
        t->n_failures += seconds <= 0 || (sent_bytes > 0) != (cr_comm_size(comm) > 1);
    }
done:
    if (status != CR_OK) {
        printf("rank %d of %d: %s\n", cr_comm_rank(comm), cr_comm_size(comm), cr_error_message());
        t->n_failures++;
    }
    cr_reducer_destroy(&reducer);
    cr_workers_destroy(&workers);
    fence_destroy(&fenced);
}

static void run_trial(trial *t, int n_ranks)
{
    run_ranks(n_ranks, rank_main, t);
    if (t->n_failures || t->n_wrong)
        fail_msg("W %lld, %d ranks, %d workers on rank 0, %lld floats: %d failed calls, %d wrong floats",
                 (long long)t->n_leaves, n_ranks, t->n_workers, (long long)t->n, t->n_failures, t->n_wrong);
}

static void every_number_of_ranks_and_workers_gives_the_root(void **state)
{
    (void)state;
    for (int64_t w = 1; w <= 17; w++) {
        trial t = {.n_leaves = w, .n = 1 + (w * 389) % MOST_FLOATS};
        int n_unlike_chain = 0;
        for (uint64_t step = 0; step < STEPS; step++) {
            for (int64_t i = 0; i < t.n; i++) {
                t.roots[step][i] = plain_root(step, w, i);
                n_unlike_chain += !same_bits(t.roots[step][i], plain_chain(step, w, i));
            }
        }
        assert_true(w < 4 || n_unlike_chain > 0);
        for (int ranks = 1; ranks <= w; ranks++) {
            for (t.n_workers = 1; t.n_workers <= 4; t.n_workers++)
                run_trial(&t, ranks);
        }
    }
}

static void a_memory_that_nobody_may_touch_gives_the_root(void **state)
{
    (void)state;
    for (int64_t w = 1; w <= 9; w++) {
        trial t = {.n_leaves = w, .n = 1 + (w * 389) % MOST_FLOATS, .fenced = true};
        for (uint64_t step = 0; step < STEPS; step++)
            for (int64_t i = 0; i < t.n; i++)
                t.roots[step][i] = plain_root(step, w, i);
        for (int ranks = 1; ranks <= w; ranks++)
            run_trial(&t, ranks);
    }
}

/* Cuts at other places, some of which leave ranks without a slice; and both orders of asking. */
static void any_buckets_give_the_root(void **state)
{
    (void)state;
    for (int64_t w = 1; w <= 9; w++) {
        trial t = {.n_leaves = w, .n = 1500 + w * 16, .n_workers = 1 + (int)w % 3, .fenced = w % 2};
        for (uint64_t step = 0; step < STEPS; step++)
            for (int64_t i = 0; i < t.n; i++)
                t.roots[step][i] = plain_root(step, w, i);
        for (t.buckets.n = 1; t.buckets.n <= CR_MAX_BUCKETS; t.buckets.n += 1 + (int)w % 2) {
            for (int b = 0; b < t.buckets.n; b++) /* the first are short */
                t.buckets.begin[b] = (t.n - b * b * 20 - 16) / 16 * 16;
            t.buckets.begin[t.buckets.n - 1] = 0;
            for (int ranks = 1; ranks <= w; ranks++)
                run_trial(&t, ranks);
        }
    }
}

/* Some ranks' slices are then empty, or a few floats. */
static void short_gradients_work(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 70; n += 4) {
        trial t = {.n_leaves = 5, .n = n, .n_workers = 2};
        for (uint64_t step = 0; step < STEPS; step++)
            for (int64_t i = 0; i < n; i++)
                t.roots[step][i] = plain_root(step, 5, i);
        for (int ranks = 1; ranks <= 5; ranks++)
            run_trial(&t, ranks);
    }
}

static void the_librarys_sum_is_near(void **state)
{
    (void)state;
    trial t = {.n_leaves = 7, .n = 1001, .reduction = CR_REDUCTION_LIBRARY};
    for (uint64_t step = 0; step < STEPS; step++)
        for (int64_t i = 0; i < t.n; i++)
            t.roots[step][i] = plain_root(step, 7, i);
    for (int ranks = 1; ranks <= 7; ranks++) {
        t.n_workers = 1 + ranks % 3;
        t.fenced = ranks % 2 == 0;
        run_trial(&t, ranks);
    }
}

static void refused_main(void *context, cr_comm *comm)
{
    trial *t = context;
    cr_reducer *reducer = NULL;
    cr_reducer_params params = {.n = t->n, .n_leaves = t->n_leaves, .n_workers = 1, .reduction = CR_REDUCTION_ORDERED};
    if (t->n_leaves == 8 && cr_comm_rank(comm) == 2)
        params.n++;
    cr_status status = cr_reducer_create(comm, &params, &reducer);
    const char *expected = t->n_leaves == 8 ? "disagree" : "at most 2 ranks";
    if (status != (t->n_leaves == 8 ? CR_INTERNAL : CR_BAD_CONFIG) || reducer || !strstr(cr_error_message(), expected))
        t->n_failures++;
    cr_reducer_destroy(&reducer);
}

static void too_many_ranks_and_ranks_that_disagree_are_refused_on_all(void **state)
{
    (void)state;
    trial t = {.n = 100, .n_leaves = 2};
    run_ranks(3, refused_main, &t);
    assert_int_equal(t.n_failures, 0);
    t.n_leaves = 8;
    run_ranks(3, refused_main, &t);
    assert_int_equal(t.n_failures, 0);
}

static void a_leaf_not_pushed_is_an_error(void **state)
{
    (void)state;
    cr_comm *comm = NULL;
    cr_workers *workers = NULL;
    cr_reducer *reducer = NULL;
    const float *sum = NULL;
    cr_reducer_params params = {.n = 10, .n_leaves = 2, .n_workers = 1, .reduction = CR_REDUCTION_ORDERED};
    assert_int_equal(cr_comm_open_serial(&comm), CR_OK);
    assert_int_equal(cr_workers_create(1, &workers), CR_OK);
    assert_int_equal(cr_reducer_create(comm, &params, &reducer), CR_OK);
    memset(cr_tree_stack_leaf(cr_reducer_stack(reducer, 0)), 0, 10 * sizeof(float));
    assert_int_equal(cr_tree_stack_push(cr_reducer_stack(reducer, 0)), CR_OK);
    assert_int_equal(cr_reducer_sum(reducer, workers, &sum), CR_INTERNAL);
    assert_null(sum);
    cr_reducer_destroy(&reducer);
    cr_workers_destroy(&workers);
    cr_comm_close(&comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_ranks_and_workers_gives_the_root),
        cmocka_unit_test(a_memory_that_nobody_may_touch_gives_the_root),
        cmocka_unit_test(any_buckets_give_the_root),
        cmocka_unit_test(short_gradients_work),
        cmocka_unit_test(the_librarys_sum_is_near),
        cmocka_unit_test(too_many_ranks_and_ranks_that_disagree_are_refused_on_all),
        cmocka_unit_test(a_leaf_not_pushed_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
