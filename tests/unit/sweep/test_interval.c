/* Against scipy 1.17.1: mean ± scipy.stats.t.ppf(0.975, n - 1) · numpy.std(ddof=1) / √n. */
#include "interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double value, double wanted) /* the table of t has four digits behind the point */
{
    if (!(fabs(value - wanted) <= 5e-5))
        fail_msg("%.9g instead of %.9g", value, wanted);
}

static void three_seeds(void **state)
{
    const double values[] = {0.41, 0.47, 0.44};
    double mean, low, high;
    (void)state;
    cr_mean_interval(values, 3, &mean, &low, &high);
    assert_near(mean, 0.44);
    assert_near(low, 0.36547586864749004);
    assert_near(high, 0.5145241313525099);
}

static void too_few_have_none(void **state)
{
    const double value = 0.5;
    double mean, low, high;
    (void)state;
    cr_mean_interval(&value, 1, &mean, &low, &high);
    assert_true(mean == 0.5 && isnan(low) && isnan(high));
    cr_mean_interval(&value, 0, &mean, &low, &high);
    assert_true(isnan(mean));
}

static void thirty_are_the_most(void **state)
{
    double values[30], mean, low, high;
    (void)state;
    for (int i = 0; i < 30; i++)
        values[i] = i;
    cr_mean_interval(values, 30, &mean, &low, &high);
    assert_near(mean, 14.5);
    assert_true(fabs(high - 17.787247) < 1e-4 && fabs(low - 11.212753) < 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_seeds),
        cmocka_unit_test(too_few_have_none),
        cmocka_unit_test(thirty_are_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
