/* Whole steps of the fused references (CRISOL_PARITY_DIR) on a device, within their bounds. */
#include "fusion_judge.h"
#include "open_device.h"
#include "parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static cr_backend *backend;
static fusion_variant variant = {.name = "f32",
                                 .precision = "float32",
                                 .factor = 1,
                                 .params = {.convolution = CR_CONVOLUTION_DIRECT, .n_threads = 1}};

static void test_cases(void **state)
{
    (void)state;
    parity_require();
    assert_true(fusion_judge_all(backend, &variant));
}

int main(int argc, char **argv)
{
    const char *device = "cuda";
    char label[160];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            device = argv[i + 1];
        if (strcmp(argv[i], "--precision") == 0 && strcmp(argv[i + 1], "bf16") == 0) {
            variant.name = variant.precision = "bf16";
            variant.params.precision = CR_PRECISION_BF16;
            variant.params.convolution = CR_CONVOLUTION_AUTO;
        }
    }
    cr_status status = open_device(device, &backend, label);
    if (status != CR_OK)
        return device_exit_code("device_parity", backend, status);
    printf("%s, %s\n", label, variant.name);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    int failed = cmocka_run_group_tests_name("device parity", tests, NULL, NULL);
    cr_backend_close(&backend);
    return failed;
}
