/* Whole steps in float32 with direct convolutions, within the references' own bounds. */
#include "fusion_judge.h"
#include "parity.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_cases(void **state)
{
    (void)state;
    parity_require();
    const fusion_variant variant = {
        .name = "f32 direct",
        .precision = "float32",
        .factor = 1,
        .params = {.precision = CR_PRECISION_F32, .convolution = CR_CONVOLUTION_DIRECT, .n_threads = 1}};
    cr_backend *backend = NULL;
    if (cr_backend_open_cpu(&backend) != CR_OK)
        fail_msg("%s", cr_error_message());
    bool good = fusion_judge_all(backend, &variant);
    cr_backend_close(&backend);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests_name("fusion_direct", tests, NULL, NULL);
}
