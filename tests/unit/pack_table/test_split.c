/* The split: whole groups, every class's share, determinism. */
#include "split.h"

#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    N_ROWS = 6000,
    N_CLASSES = 8
};

static const double usual[CR_N_SPLITS] = {0.64, 0.16, 0.20};

typedef struct sample {
    int64_t groups[N_ROWS];
    int32_t labels[N_ROWS];
    cr_split splits[N_ROWS];
} sample;

/* Classes from 45 % down to 1 %, groups of one to three rows whose labels mostly agree. */
static sample *make_sample(uint64_t seed)
{
    static const double share[N_CLASSES] = {.45, .25, .11, .07, .05, .04, .02, .01};
    sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 7, 7);
    int64_t group = 0;
    for (int64_t i = 0; i < N_ROWS; group++) {
        int64_t n = 1 + (int64_t)cr_rng_below(&rng, 3);
        int32_t first = 0;
        for (int64_t j = 0; j < n && i < N_ROWS; j++, i++) {
            double u = cr_rng_uniform_double(&rng);
            int32_t label = 0;
            while (label < N_CLASSES - 1 && u >= share[label])
                u -= share[label++];
            first = j == 0 ? label : first;
            s->groups[i] = group;
            s->labels[i] = cr_rng_below(&rng, 3) == 0 ? label : first;
        }
    }
    return s;
}

static void split(sample *s, int64_t n, const double fractions[CR_N_SPLITS], uint64_t seed)
{
    const cr_split_rows rows = {n, s->groups, s->labels, N_CLASSES};
    assert_int_equal(cr_split_by_group(&rows, fractions, seed, s->splits), CR_OK);
}

static void expect_whole_groups(const sample *s, int64_t n)
{
    int side[N_ROWS];
    memset(side, -1, sizeof side);
    for (int64_t i = 0; i < n; i++) {
        int64_t g = s->groups[i];
        assert_true(side[g] < 0 || side[g] == (int)s->splits[i]);
        side[g] = (int)s->splits[i];
    }
}

/* Largest distance of a class's number of rows in a split from its target, in rows. */
static double worst_gap(const sample *s, int64_t n, const double fractions[CR_N_SPLITS])
{
    double counts[CR_N_SPLITS][N_CLASSES] = {{0}}, total[N_CLASSES] = {0}, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        counts[s->splits[i]][s->labels[i]]++;
        total[s->labels[i]]++;
    }
    for (int k = 0; k < CR_N_SPLITS; k++)
        for (int c = 0; c < N_CLASSES; c++)
            worst = fmax(worst, fabs(counts[k][c] - fractions[k] * total[c]));
    return worst;
}

static void test_groups_and_shares(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        sample *s = make_sample(seed);
        split(s, N_ROWS, usual, seed);
        expect_whole_groups(s, N_ROWS);
        double gap = worst_gap(s, N_ROWS, usual);
        if (gap > 3)
            fail_msg("seed %llu: a class is %g rows from its share", (unsigned long long)seed, gap);
        free(s);
    }
}

static void test_is_deterministic_and_seeded(void **state)
{
    (void)state;
    sample *a = make_sample(1), *b = make_sample(1);
    split(a, N_ROWS, usual, 5);
    split(b, N_ROWS, usual, 5);
    assert_memory_equal(a->splits, b->splits, sizeof a->splits);
    split(b, N_ROWS, usual, 6);
    int64_t n_different = 0;
    for (int64_t i = 0; i < N_ROWS; i++)
        n_different += a->splits[i] != b->splits[i];
    assert_true(n_different > N_ROWS / 4); /* by chance 1 - (.64² + .16² + .2²) = 52 % */
    free(a);
    free(b);
}

/* The membership must not follow the table's order: of the rows of either half, 64 % are in the training split. */
static void test_does_not_follow_the_order(void **state)
{
    (void)state;
    sample *s = make_sample(3);
    split(s, N_ROWS, usual, 1);
    int64_t n_first = 0;
    for (int64_t i = 0; i < N_ROWS / 2; i++)
        n_first += s->splits[i] == CR_SPLIT_TRAIN;
    assert_in_range(n_first, (int64_t)(0.60 * N_ROWS / 2), (int64_t)(0.68 * N_ROWS / 2));
    free(s);
}

static void test_few_groups(void **state)
{
    (void)state;
    sample *s = make_sample(1);
    for (int64_t n = 1; n <= 6; n++) {
        for (int64_t i = 0; i < n; i++)
            s->groups[i] = i;
        split(s, n, usual, 1);
        int64_t counts[CR_N_SPLITS] = {0};
        for (int64_t i = 0; i < n; i++)
            counts[s->splits[i]]++;
        for (int k = 0; k < CR_N_SPLITS; k++)
            assert_true(counts[k] > 0 || n < CR_N_SPLITS);
    }
    split(s, 0, usual, 1);
    free(s);
}

static void test_no_fraction_no_rows(void **state)
{
    (void)state;
    static const double halves[CR_N_SPLITS] = {0.5, 0, 0.5};
    sample *s = make_sample(2);
    split(s, N_ROWS, halves, 1);
    expect_whole_groups(s, N_ROWS);
    for (int64_t i = 0; i < N_ROWS; i++)
        assert_int_not_equal(s->splits[i], CR_SPLIT_VAL);
    assert_true(worst_gap(s, N_ROWS, halves) <= 3);
    free(s);
}

static void test_one_large_group(void **state)
{
    (void)state;
    sample *s = make_sample(4);
    for (int64_t i = 0; i < N_ROWS / 2; i++)
        s->groups[i] = 0;
    split(s, N_ROWS, usual, 1);
    expect_whole_groups(s, N_ROWS);
    assert_int_equal(s->splits[0], CR_SPLIT_TRAIN); /* it fits nowhere else */
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_and_shares),         cmocka_unit_test(test_is_deterministic_and_seeded),
        cmocka_unit_test(test_does_not_follow_the_order), cmocka_unit_test(test_few_groups),
        cmocka_unit_test(test_no_fraction_no_rows),       cmocka_unit_test(test_one_large_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
