/* Against scipy 1.17.1: scipy.stats.qmc.Sobol(d=32, scramble=False, bits=32).random(1024), times 2^32. */
#include "sobol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void chosen_points_are_scipys(void **state)
{
    static const int dimensions[] = {0, 1, 2, 3, 9, 20, 31};
    static const struct {
        uint32_t i, x[7];
    } points[] = {
        {0, {0, 0, 0, 0, 0, 0, 0}},
        {1, {2147483648, 2147483648, 2147483648, 2147483648, 2147483648, 2147483648, 2147483648}},
        {2, {3221225472, 1073741824, 1073741824, 1073741824, 3221225472, 1073741824, 1073741824}},
        {3, {1073741824, 3221225472, 3221225472, 3221225472, 1073741824, 3221225472, 3221225472}},
        {5, {3758096384, 3758096384, 536870912, 1610612736, 536870912, 2684354560, 2684354560}},
        {17, {2550136832, 4160749568, 4160749568, 671088640, 2818572288, 939524096, 3623878656}},
        {255, {16777216, 4278190080, 3305111552, 2466250752, 1526726656, 1358954496, 721420288}},
        {1000, {943718400, 415236096, 2227175424, 2906652672, 297795584, 2243952640, 624951296}},
        {1023, {4194304, 3233808384, 2629828608, 624951296, 3653238784, 3720347648, 2638217216}},
    };
    (void)state;
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
        double point[CR_SOBOL_DIMENSIONS];
        cr_sobol_point(points[k].i, CR_SOBOL_DIMENSIONS, point);
        for (size_t d = 0; d < 7; d++)
            assert_int_equal((uint64_t)(point[dimensions[d]] * 4294967296.0), points[k].x[d]);
    }
}

/* FNV-1a over the 1024 · 32 numbers, as 64-bit words. */
static void all_points_are_scipys(void **state)
{
    uint64_t hash = 1469598103934665603U;
    (void)state;
    for (uint32_t i = 0; i < 1024; i++) {
        double point[CR_SOBOL_DIMENSIONS];
        cr_sobol_point(i, CR_SOBOL_DIMENSIONS, point);
        for (int d = 0; d < CR_SOBOL_DIMENSIONS; d++)
            hash = (hash ^ (uint64_t)(point[d] * 4294967296.0)) * 1099511628211U;
    }
    assert_int_equal(hash, 0xc4c0afe30a30383U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_points_are_scipys),
        cmocka_unit_test(all_points_are_scipys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
