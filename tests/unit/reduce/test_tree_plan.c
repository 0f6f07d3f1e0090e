#include "plain_tree.h"
#include "tree_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void shares_are_contiguous_and_even(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 40; n++) {
        for (int parts = 1; parts < 12; parts++) {
            int64_t at = 0, last = n + 1;
            for (int part = 0; part < parts; part++) {
                int64_t begin, end;
                cr_share(n, parts, part, &begin, &end);
                assert_int_equal(begin, at);
                assert_in_range(end - begin, n / parts, n / parts + 1);
                assert_true(end - begin <= last);
                last = end - begin;
                at = end;
            }
            assert_int_equal(at, n);
        }
    }
    int64_t begin, end;
    cr_share((int64_t)1 << 60, 3, 2, &begin, &end); /* no overflow at large counts */
    assert_int_equal(end, (int64_t)1 << 60);
}

/* Leaves one by one give the root that the definition gives, with n - 1 additions. */
static void appended_leaves_end_in_the_defined_root(void **state)
{
    (void)state;
    int n_unlike_chain = 0;
    for (int64_t n = 1; n <= 300; n++) {
        cr_tree_mark marks[CR_TREE_MAX_NODES];
        cr_addition adds[CR_TREE_MAX_NODES];
        float *values = malloc((size_t)n * sizeof *values);
        int n_marks = 0, n_adds = 0;
        for (int64_t leaf = 0; leaf < n; leaf++) {
            values[leaf] = plain_leaf(7, leaf, n);
            int n_new = cr_tree_append(n, (cr_tree_mark){0, leaf, (int)leaf}, marks, &n_marks, adds);
            for (int a = 0; a < n_new; a++)
                values[adds[a].left] += values[adds[a].right];
            n_adds += n_new;
        }
        assert_int_equal(n_marks, 1);
        assert_int_equal(marks[0].slot, 0);
        assert_int_equal(n_adds, n - 1);
        float root = plain_root(7, n, n), chain = plain_chain(7, n, n);
        assert_memory_equal(&values[0], &root, sizeof root);
        n_unlike_chain += memcmp(&root, &chain, sizeof root) != 0;
        free(values);
    }
    assert_true(n_unlike_chain > 100); /* the numbers are such that another order is seen */
}

/* A range's nodes follow each other without a gap, and no two of them could merge. */
static void a_cover_is_the_range_in_maximal_nodes(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 40; n++) {
        for (int64_t begin = 0; begin < n; begin++) {
            for (int64_t end = begin; end <= n; end++) {
                cr_tree_mark marks[CR_TREE_MAX_NODES];
                int n_marks = cr_tree_cover(n, begin, end, marks);
                int64_t at = begin;
                for (int j = 0; j < n_marks; j++) {
                    assert_int_equal(marks[j].index << marks[j].level, at);
                    int64_t node_end = (marks[j].index + 1) << marks[j].level;
                    at = node_end < n ? node_end : n;
                    if (j > 0)
                        assert_false(marks[j].level == marks[j - 1].level && marks[j].index % 2 == 1 &&
                                     marks[j - 1].index == marks[j].index - 1);
                }
                assert_int_equal(at, end);
            }
        }
    }
}

static void slices_and_chunks_hold_every_float_once(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 15, 16, 17, 100, 1000, 4097};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int ranks = 2; ranks <= 9; ranks++) {
            int64_t n = lengths[l];
            unsigned char *seen = calloc((size_t)n, 1);
            for (int rank = 0; rank < ranks; rank++) {
                cr_exchange *x = NULL;
                assert_int_equal(cr_exchange_create(n, 9, ranks, rank, 48, &x), CR_OK);
                for (int64_t c = 0; c < x->n_chunks; c++) {
                    cr_exchange_moves(x, c, 0);
                    assert_true(x->chunk_end - x->chunk_begin <= 48);
                    if (x->chunk_begin < x->chunk_end)
                        assert_int_equal(x->chunk_begin % CR_TREE_UNIT, 0);
                    for (int64_t i = x->chunk_begin; i < x->chunk_end; i++)
                        seen[i]++;
                }
                cr_exchange_destroy(&x);
            }
            for (int64_t i = 0; i < n; i++)
                assert_int_equal(seen[i], 1);
            free(seen);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_contiguous_and_even),
        cmocka_unit_test(appended_leaves_end_in_the_defined_root),
        cmocka_unit_test(a_cover_is_the_range_in_maximal_nodes),
        cmocka_unit_test(slices_and_chunks_hold_every_float_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
