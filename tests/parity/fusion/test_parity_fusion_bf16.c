/* Whole steps in bf16, within the references' bf16 bounds. Skips, saying so, on a machine that cannot compute in bf16.
 */
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
        .name = "bf16",
        .precision = "bf16",
        .factor = 1,
        .params = {.precision = CR_PRECISION_BF16, .convolution = CR_CONVOLUTION_AUTO, .n_threads = 1}};
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
    return cmocka_run_group_tests_name("fusion_bf16", tests, NULL, NULL);
}
