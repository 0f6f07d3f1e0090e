#include "crisol/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 30000,
    CLASSES = 5, /* 0: a tenth, 1: three samples, 2: none, 3: one, 4: the rest */
    EPOCHS = 4
};

static int32_t label_of(int64_t i)
{
    if (i == 17)
        return 3;
    if (i == 5 || i == 100 || i == N - 1)
        return 1;
    return i % 10 == 3 ? 0 : 4;
}

static void make(uint64_t epoch, int64_t *order)
{
    static int32_t labels[N];
    for (int64_t i = 0; i < N; i++)
        labels[i] = label_of(i);
    assert_int_equal(cr_sample_balanced(9, epoch, labels, N, CLASSES, order), CR_OK);
}

static void classes_come_equally_often_and_samples_within_them(void **state)
{
    (void)state;
    static int64_t order[N];
    static int seen[N];
    double n_class[CLASSES] = {0};
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        make(epoch, order);
        for (int64_t i = 0; i < N; i++) {
            assert_in_range(order[i], 0, N - 1);
            n_class[label_of(order[i])]++;
            seen[order[i]]++;
        }
    }
    const double expected = (double)N * EPOCHS / 4;
    for (int k = 0; k < CLASSES; k++)
        assert_true(k == 2 ? n_class[k] == 0 : fabs(n_class[k] - expected) < 4.5 * sqrt(expected * 0.75));
    double third = n_class[1] / 3;
    assert_true(fabs(seen[5] - third) < 4.5 * sqrt(third) && fabs(seen[N - 1] - third) < 4.5 * sqrt(third));
    int most = 0;
    for (int64_t i = 0; i < N; i++)
        most = label_of(i) == 0 && seen[i] > most ? seen[i] : most;
    assert_in_range(most, 11, 30); /* 10 are expected of each of 3,000 */
}

static void an_epoch_is_the_same_every_time(void **state)
{
    (void)state;
    static int64_t a[N], b[N];
    make(2, a);
    make(2, b);
    assert_memory_equal(a, b, sizeof a);
    make(3, b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(cr_sample_balanced(9, 0, NULL, 0, CLASSES, a), CR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes_come_equally_often_and_samples_within_them),
                                       cmocka_unit_test(an_epoch_is_the_same_every_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
