#include "plain_tree.h"
#include "tree_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 5003 /* more than one block of additions, and a rest */
};

static void fill(cr_tree_stack *stack, int64_t leaf, uint64_t seed)
{
    float *at = cr_tree_stack_leaf(stack);
    assert_non_null(at);
    assert_ptr_equal(at, cr_tree_stack_leaf(stack)); /* the same until it is pushed */
    assert_int_equal((uintptr_t)at % 64, 0);
    for (int64_t i = 0; i < N; i++)
        at[i] = plain_leaf(seed, leaf, i);
    assert_int_equal(cr_tree_stack_push(stack), CR_OK);
}

/* Step after step, in the same buffers. */
static void all_leaves_give_the_root(void **state)
{
    (void)state;
    for (int64_t w = 1; w <= 17; w++) {
        cr_tree_stack *stack = NULL;
        assert_int_equal(cr_tree_stack_create(cr_memory_host(), N, w, 0, w, &stack), CR_OK);
        for (uint64_t step = 0; step < 2; step++) {
            cr_tree_stack_reset(stack);
            for (int64_t leaf = 0; leaf < w; leaf++) {
                assert_false(cr_tree_stack_is_full(stack));
                fill(stack, leaf, step);
            }
            assert_true(cr_tree_stack_is_full(stack));
            assert_null(cr_tree_stack_leaf(stack));
            const cr_tree_node *nodes;
            assert_int_equal(cr_tree_stack_nodes(stack, &nodes), 1);
            assert_int_equal(nodes[0].index, 0);
            for (int64_t i = 0; i < N; i++) {
                float root = plain_root(step, w, i);
                assert_memory_equal(&nodes[0].data[i], &root, sizeof root);
            }
        }
        cr_tree_stack_destroy(&stack);
    }
}

/* Leaves 1 … 5 of 8 are (0, 1), (1, 1), (1, 2): one leaf, and two sums of two. */
static void a_range_gives_its_nodes(void **state)
{
    (void)state;
    cr_tree_stack *stack = NULL;
    assert_int_equal(cr_tree_stack_create(cr_memory_host(), N, 8, 1, 6, &stack), CR_OK);
    for (int64_t leaf = 1; leaf < 6; leaf++)
        fill(stack, leaf, 3);
    const cr_tree_node *nodes;
    static const int levels[] = {0, 1, 1}, indices[] = {1, 1, 2};
    assert_int_equal(cr_tree_stack_nodes(stack, &nodes), 3);
    for (int j = 0; j < 3; j++) {
        assert_int_equal(nodes[j].level, levels[j]);
        assert_int_equal(nodes[j].index, indices[j]);
    }
    for (int64_t i = 0; i < N; i++) {
        float lone = plain_leaf(3, 1, i), two = plain_leaf(3, 2, i) + plain_leaf(3, 3, i),
              last = plain_leaf(3, 4, i) + plain_leaf(3, 5, i);
        assert_memory_equal(&nodes[0].data[i], &lone, sizeof lone);
        assert_memory_equal(&nodes[1].data[i], &two, sizeof two);
        assert_memory_equal(&nodes[2].data[i], &last, sizeof last);
    }
    cr_tree_stack_destroy(&stack);
}

static void impossible_ranges_are_refused(void **state)
{
    (void)state;
    static const int64_t wrong[][4] = {/* n, leaves, begin, end */
                                       {0, 1, 0, 1},  {INT64_MAX, 1, 0, 1}, {1, 0, 0, 0},        {1, 4, 2, 2},
                                       {1, 4, -1, 2}, {1, 4, 0, 5},         {1, INT64_MAX, 0, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_tree_stack *stack = NULL;
        assert_int_equal(
            cr_tree_stack_create(cr_memory_host(), wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], &stack),
            CR_INTERNAL);
        assert_null(stack);
    }
    cr_tree_stack_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_leaves_give_the_root),
        cmocka_unit_test(a_range_gives_its_nodes),
        cmocka_unit_test(impossible_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
