/* A processor without bf16 instructions: refused with what to set; float32 still runs. oneDNN is told to see AVX2. */
#include "crisol/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static cr_net *small_net(void)
{
    cr_net *net;
    int value;
    assert_int_equal(cr_net_create_empty(16, 0, &net), CR_OK);
    cr_conv_params first = {.out_channels = 64, .kernel = 3, .stride = 1, .padding = 1, .add = -1, .name = "a"};
    cr_conv_params second = {.out_channels = 64, .kernel = 3, .stride = 1, .padding = 1, .add = -1, .name = "b"};
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &first, &value), CR_OK);
    assert_int_equal(cr_net_add_conv(net, value, &second, &value), CR_OK);
    assert_int_equal(cr_net_add_global_average_pool(net, value, &value), CR_OK);
    assert_int_equal(cr_net_add_dense(net, value, 2, false, "c", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    return net;
}

static void test_bf16_is_refused(void **state)
{
    (void)state;
    cr_backend *backend;
    cr_program *program = NULL;
    cr_net *net = small_net();
    cr_program_params params = {.micro_batch = 2, .precision = CR_PRECISION_BF16, .n_threads = 1};
    assert_int_equal(cr_backend_open_cpu(&backend), CR_OK);
    assert_int_equal(cr_program_create(backend, net, &params, &program), CR_BAD_CONFIG);
    assert_null(program);
    assert_non_null(strstr(cr_error_message(), "precision to f32"));
    cr_backend_close(&backend);
    cr_net_destroy(&net);
}

/* Without AVX-512 no kernel may be the one that needs it, and none a plain loop. */
static void test_f32_runs_and_says_on_what(void **state)
{
    (void)state;
    cr_backend *backend;
    cr_program *program;
    cr_net *net = small_net();
    cr_program_params params = {.micro_batch = 1, .n_threads = 1};
    assert_int_equal(cr_backend_open_cpu(&backend), CR_OK);
    assert_non_null(strstr(cr_backend_library(backend), ", AVX2"));
    assert_int_equal(cr_program_create(backend, net, &params, &program), CR_OK);
    size_t n = (size_t)(net->n_params + net->n_stats);
    float *weights = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64), logits[2] = {1, 1};
    uint8_t *image = calloc(16 * 16 * 3, 1);
    assert_true(weights && image);
    memset(weights, 0, n * sizeof(float));
    cr_batch batch = {.images = image};
    assert_int_equal(cr_program_evaluate(program, weights, &batch, logits), CR_OK);
    assert_true(logits[0] == 0.0f && logits[1] == 0.0f);
    json_t *facts = cr_program_describe(program);
    assert_int_equal(json_array_size(facts), 3);
    const char *kernel = json_string_value(json_object_get(json_array_get(facts, 1), "forward"));
    assert_non_null(kernel);
    assert_null(strstr(kernel, "avx512"));
    assert_null(strstr(kernel, "ref"));
    json_decref(facts);
    free(weights);
    free(image);
    cr_program_destroy(&program);
    cr_backend_close(&backend);
    cr_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16_is_refused),
                                       cmocka_unit_test(test_f32_runs_and_says_on_what)};
    setenv("DNNL_MAX_CPU_ISA", "AVX2", 1); /* before oneDNN looks */
    setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
