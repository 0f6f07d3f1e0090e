#include "crisol/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* From a Philox4x32-10 written anew in Python: seed 5, epoch 2, samples 0 … 7. */
static const double uniforms[] = {0.9445914030075073, 0.9538914561271667, 0.43083101511001587, 0.7137291431427002,
                                  0.77685546875,      0.351148784160614,  0.49653488397598267, 0.22026103734970093};

static void flips_are_the_published_ones(void **state)
{
    (void)state;
    for (uint64_t sample = 0; sample < 8; sample++) {
        for (int tenths = 0; tenths <= 10; tenths++) {
            cr_augment_options options = {.hflip = 0.1 * tenths};
            assert_int_equal(cr_augment_draw(&options, 5, 2, sample).hflip, uniforms[sample] < options.hflip);
        }
    }
}

static void half_of_many_are_flipped(void **state)
{
    (void)state;
    cr_augment_options options = {.hflip = 0.5};
    int n_flipped = 0;
    for (uint64_t sample = 0; sample < 10000; sample++)
        n_flipped += cr_augment_draw(&options, 5, 2, sample).hflip;
    assert_int_equal(n_flipped, 5068); /* 1.4 standard deviations off; fixed by the seed */
}

static void never_and_always_are_exact(void **state)
{
    (void)state;
    cr_augment_options never = {.hflip = 0}, always = {.hflip = 1};
    for (uint64_t sample = 0; sample < 1000; sample++) {
        assert_false(cr_augment_draw(&never, 1, 1, sample).hflip);
        assert_true(cr_augment_draw(&always, 1, 1, sample).hflip);
    }
}

static void seed_epoch_and_sample_each_matter(void **state)
{
    (void)state;
    cr_augment_options options = {.hflip = 0.5};
    int n_other[3] = {0};
    for (uint64_t sample = 0; sample < 1000; sample++) {
        bool here = cr_augment_draw(&options, 1, 1, sample).hflip;
        n_other[0] += cr_augment_draw(&options, 2, 1, sample).hflip != here;
        n_other[1] += cr_augment_draw(&options, 1, 2, sample).hflip != here;
        n_other[2] += cr_augment_draw(&options, 1, 1, sample + 1000).hflip != here;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(n_other[i], 430, 570); /* half, within 4.4 standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_are_the_published_ones),
        cmocka_unit_test(half_of_many_are_flipped),
        cmocka_unit_test(never_and_always_are_exact),
        cmocka_unit_test(seed_epoch_and_sample_each_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
