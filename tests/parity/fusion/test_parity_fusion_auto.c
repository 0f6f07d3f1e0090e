/* Whole steps in float32 with Winograd where the library has it: it rounds four to five times more coarsely than direct
 * convolution, hence five times the references' bounds. */
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
        .name = "f32 auto",
        .precision = "float32",
        .factor = 5,
        .params = {.precision = CR_PRECISION_F32, .convolution = CR_CONVOLUTION_AUTO, .n_threads = 1}};
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
    return cmocka_run_group_tests_name("fusion_auto", tests, NULL, NULL);
}
