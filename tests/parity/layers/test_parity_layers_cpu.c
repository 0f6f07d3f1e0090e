/* Every layer of the references that the CPU backend has kernels of its own for, in each of its formats. */
#include "cpu_kernels.h"
#include "parity.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void judge(const char *name, cr_format format, bool winograd)
{
    parity_require();
    layer_kernels kernels = cpu_kernels(name, format, winograd);
    int64_t n_cases;
    bool good = layer_cases_judge(&kernels, &n_cases);
    cpu_kernels_close();
    assert_true(n_cases > 0);
    assert_true(good);
}

static void test_blocked(void **state)
{
    (void)state;
    judge("blocked", CR_FORMAT_BLOCKED, false);
}

static void test_nhwc(void **state)
{
    (void)state;
    judge("nhwc", CR_FORMAT_NHWC, false);
}

static void test_winograd(void **state)
{
    (void)state;
    judge("winograd", CR_FORMAT_BLOCKED, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocked), cmocka_unit_test(test_nhwc),
                                       cmocka_unit_test(test_winograd)};
    return cmocka_run_group_tests_name("layers_cpu", tests, NULL, NULL);
}
