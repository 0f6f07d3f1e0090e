#include "crisol/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* From a Philox4x32-10 written anew in Python after the paper: a change here changes every past run. */
static void orders_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, epoch;
        int64_t n, first[12];
        int n_first;
    } known[] = {
        {1, 0, 10, {7, 3, 0, 2, 8, 6, 1, 5, 4, 9}, 10},
        {1, 1, 10, {4, 9, 2, 6, 7, 1, 5, 8, 3, 0}, 10},
        {((uint64_t)1 << 40) + 3, 7, 12, {0, 10, 3, 9, 8, 1, 7, 2, 5, 4, 6, 11}, 12},
        {0, 0, 1000, {620, 509, 248, 419, 82, 546, 217, 959}, 8},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        int64_t order[1000];
        assert_int_equal(cr_sample_order(known[k].seed, known[k].epoch, known[k].n, order), CR_OK);
        for (int i = 0; i < known[k].n_first; i++)
            assert_int_equal(order[i], known[k].first[i]);
    }
}

enum {
    N = 5000
};

static void make(uint64_t seed, uint64_t epoch, int64_t *order)
{
    assert_int_equal(cr_sample_order(seed, epoch, N, order), CR_OK);
}

static void an_order_holds_every_sample_once_and_is_shuffled(void **state)
{
    (void)state;
    static int64_t order[N];
    static unsigned char seen[N];
    make(11, 3, order);
    int64_t n_fixed = 0;
    for (int64_t i = 0; i < N; i++) {
        assert_in_range(order[i], 0, N - 1);
        assert_int_equal(seen[order[i]]++, 0);
        n_fixed += order[i] == i;
    }
    assert_in_range(n_fixed, 0, 10); /* one is expected */
}

static void epoch_and_seed_change_it_and_nothing_else_does(void **state)
{
    (void)state;
    static int64_t a[N], b[N];
    make(11, 3, a);
    make(11, 3, b);
    assert_memory_equal(a, b, sizeof a);
    make(11, 4, b);
    assert_memory_not_equal(a, b, sizeof a);
    make(12, 3, b);
    assert_memory_not_equal(a, b, sizeof a);
}

/* A sample's number does not depend on how many others there are. */
static void fewer_samples_keep_their_relative_order(void **state)
{
    (void)state;
    static int64_t all[N], half[N / 2];
    make(5, 0, all);
    assert_int_equal(cr_sample_order(5, 0, N / 2, half), CR_OK);
    int64_t at = 0;
    for (int64_t i = 0; i < N; i++) {
        if (all[i] < N / 2)
            assert_int_equal(all[i], half[at++]);
    }
    assert_int_equal(at, N / 2);
}

static void limits_are_kept(void **state)
{
    (void)state;
    int64_t order[1] = {-7};
    assert_int_equal(cr_sample_order(1, 1, 0, order), CR_OK);
    assert_int_equal(order[0], -7);
    assert_int_equal(cr_sample_order(1, 1, -1, order), CR_BAD_CONFIG);
    assert_int_equal(cr_sample_order(1, 1, INT64_MAX, order), CR_BAD_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_the_published_ones),
        cmocka_unit_test(an_order_holds_every_sample_once_and_is_shuffled),
        cmocka_unit_test(epoch_and_seed_change_it_and_nothing_else_does),
        cmocka_unit_test(fewer_samples_keep_their_relative_order),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
