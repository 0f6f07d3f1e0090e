/* Every layer of the references through the reference backend's double kernels. */
#include "layer_cases.h"
#include "parity.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_reference(void **state)
{
    (void)state;
    parity_require();
    const layer_kernels kernels = {.name = "reference",
                                   .is_double = true,
                                   .conv_forward = ref_conv_forward,
                                   .conv_backward = ref_conv_backward,
                                   .max_pool_forward = ref_max_pool_forward,
                                   .max_pool_backward = ref_max_pool_backward,
                                   .batch_norm_statistics = ref_batch_norm_statistics,
                                   .batch_norm_forward = ref_batch_norm_forward,
                                   .batch_norm_backward = ref_batch_norm_backward,
                                   .average_pool_forward = ref_global_average_pool_forward,
                                   .average_pool_backward = ref_global_average_pool_backward,
                                   .dense_forward = ref_dense_forward,
                                   .dense_backward = ref_dense_backward,
                                   .relu_forward = ref_relu_forward,
                                   .relu_backward = ref_relu_backward,
                                   .dropout_forward = ref_dropout_forward,
                                   .dropout_backward = ref_dropout_backward,
                                   .concat_forward = ref_concat_forward,
                                   .concat_backward = ref_concat_backward,
                                   .cross_entropy = ref_cross_entropy};
    int64_t n_cases;
    assert_true(layer_cases_judge(&kernels, &n_cases));
    json_t *index = parity_json("layers.json");
    assert_int_equal(n_cases, json_object_size(index));
    json_decref(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference)};
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
