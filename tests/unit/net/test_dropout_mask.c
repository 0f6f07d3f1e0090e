/* Dropout masks: a pure function of seed, epoch, sample and layer, with the probability asked for. */
#include "crisol/backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    UNITS = 4096
};

static void test_probability(void **state)
{
    (void)state;
    static const double probabilities[] = {0, 0.1, 0.5, 0.9};
    uint8_t keep[UNITS];
    for (int i = 0; i < 4; i++) {
        double p = probabilities[i], kept = 0;
        for (int64_t sample = 0; sample < 16; sample++) {
            cr_dropout_mask(7, 2, sample, 5, p, UNITS, keep);
            for (int k = 0; k < UNITS; k++) {
                assert_true(keep[k] <= 1);
                kept += keep[k];
            }
        }
        double n = 16.0 * UNITS; /* six standard errors */
        assert_true(fabs(kept / n - (1 - p)) <= 6 * sqrt(p * (1 - p) / n));
    }
}

/* Each of the four arguments makes another mask; a longer mask begins with the shorter one. */
static void test_keys(void **state)
{
    (void)state;
    uint8_t base[UNITS], other[UNITS];
    cr_dropout_mask(1, 2, 3, 4, 0.5, UNITS, base);
    cr_dropout_mask(1, 2, 3, 4, 0.5, UNITS, other);
    assert_memory_equal(base, other, UNITS);
    cr_dropout_mask(1, 2, 3, 4, 0.5, 100, other);
    assert_memory_equal(base, other, 100);
    cr_dropout_mask(0, 2, 3, 4, 0.5, UNITS, other);
    assert_memory_not_equal(base, other, UNITS);
    cr_dropout_mask(1, 3, 3, 4, 0.5, UNITS, other);
    assert_memory_not_equal(base, other, UNITS);
    cr_dropout_mask(1, 2, 4, 4, 0.5, UNITS, other);
    assert_memory_not_equal(base, other, UNITS);
    cr_dropout_mask(1, 2, 3, 3, 0.5, UNITS, other);
    assert_memory_not_equal(base, other, UNITS);
    cr_dropout_mask(1, 2, 4, 3, 0.5, UNITS, other); /* sample and layer do not mix */
    uint8_t swapped[UNITS];
    cr_dropout_mask(1, 2, 3, 4, 0.5, UNITS, swapped);
    assert_memory_not_equal(swapped, other, UNITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_probability), cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests_name("dropout_mask", tests, NULL, NULL);
}
