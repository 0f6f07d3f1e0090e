/* Which kernels a program takes where bf16 has AVX-512's instructions and no AMX; oneDNN is told not to see that. */
#include "crisol/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* 3×3 convolutions: of 64 channels (b), of stride 2 (c), of 256 channels on 8×8, 32 tiles in 8 images (d). */
static cr_net *small_net(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const int64_t channels[] = {64, 64, 256, 256}, strides[] = {1, 1, 2, 1};
    cr_net *net;
    int value = CR_VALUE_IMAGE;
    assert_int_equal(cr_net_create_empty(16, 0, &net), CR_OK);
    for (int i = 0; i < 4; i++) {
        cr_conv_params params = {
            .out_channels = channels[i], .kernel = 3, .stride = strides[i], .padding = 1, .add = -1, .name = names[i]};
        assert_int_equal(cr_net_add_conv(net, value, &params, &value), CR_OK);
    }
    assert_int_equal(cr_net_add_global_average_pool(net, value, &value), CR_OK);
    assert_int_equal(cr_net_add_dense(net, value, 2, false, "e", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    return net;
}

/* A letter for the forward kernel and those of both gradients of each convolution after the first: W for Winograd, d
 * for direct. */
static void assert_kernels(cr_precision precision, cr_convolution convolution, const char *expected)
{
    static const char *const passes[] = {"forward", "backward_data", "backward_weights"};
    cr_backend *backend;
    cr_program *program = NULL;
    cr_net *net = small_net();
    cr_program_params params = {
        .micro_batch = 8, .training = true, .precision = precision, .convolution = convolution, .n_threads = 1};
    assert_int_equal(cr_backend_open_cpu(&backend), CR_OK);
    cr_status status = cr_program_create(backend, net, &params, &program);
    if (status == CR_BAD_CONFIG && precision == CR_PRECISION_BF16)
        print_message("skipped: %s\n", cr_error_message());
    else
        assert_int_equal(status, CR_OK);
    char found[10] = "";
    json_t *facts = program ? cr_program_describe(program) : NULL;
    for (size_t i = 0; program && i < 9; i++) {
        json_t *fact = json_array_get(facts, 1 + i / 3);
        const char *kernel = json_string_value(json_object_get(fact, passes[i % 3]));
        assert_non_null(kernel);
        found[i] = strstr(kernel, "winograd") ? 'W' : 'd';
    }
    if (program)
        assert_string_equal(found, expected);
    json_decref(facts);
    cr_program_destroy(&program);
    cr_backend_close(&backend);
    cr_net_destroy(&net);
}

static void test_winograd_where_it_pays(void **state)
{
    (void)state;
    assert_kernels(CR_PRECISION_F32, CR_CONVOLUTION_AUTO, "WWWdddWWW");
    assert_kernels(CR_PRECISION_BF16, CR_CONVOLUTION_AUTO, "WWWddddWW");
}

static void test_direct_stays_direct(void **state)
{
    (void)state;
    assert_kernels(CR_PRECISION_F32, CR_CONVOLUTION_DIRECT, "ddddddddd");
    assert_kernels(CR_PRECISION_BF16, CR_CONVOLUTION_DIRECT, "ddddddddd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_winograd_where_it_pays),
                                       cmocka_unit_test(test_direct_stays_direct)};
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", 1); /* before oneDNN looks */
    setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
