/* The native layout of weights. */
#include "cpu_fill.h"
#include "weights.h"

#include "crisol/net.h"

static cr_net *small_net(void)
{
    cr_net *net;
    int value;
    assert_int_equal(cr_net_create_empty(9, 0, &net), CR_OK);
    cr_conv_params first = {.out_channels = 32, .kernel = 3, .stride = 1, .padding = 1, .add = -1, .name = "a"};
    cr_conv_params second = {.out_channels = 48, .kernel = 3, .stride = 1, .padding = 1, .add = -1, .name = "b"};
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &first, &value), CR_OK);
    assert_int_equal(cr_net_add_conv(net, value, &second, &value), CR_OK);
    assert_int_equal(cr_net_add_dense(net, value, 4, false, "c", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    return net;
}

static const cr_tensor *tensor_named(const cr_net *net, const char *name)
{
    int index = cr_net_find_tensor(net, name);
    assert_true(index >= 0);
    return &net->tensors[index];
}

static void test_import_export(void **state)
{
    (void)state;
    cr_net *net = small_net();
    int64_t n = net->n_params + net->n_stats;
    float *canonical = cpu_numbers(n, 1), *native = cpu_room((size_t)n * sizeof(float));
    float *back = cpu_room((size_t)n * sizeof(float));
    cr_weights_import(net, canonical, native);
    cr_weights_export(net, native, back);
    assert_memory_equal(canonical, back, (size_t)n * sizeof(float));
    const cr_tensor *first = tensor_named(net, "a.weight"), *second = tensor_named(net, "b.weight");
    const cr_tensor *dense = tensor_named(net, "c.weight");
    /* 3 input channels: as they are; multiples of 16: OIhw16i16o; dense: as they are */
    assert_memory_equal(canonical + first->offset, native + first->offset, (size_t)first->count * sizeof(float));
    assert_memory_equal(canonical + dense->offset, native + dense->offset, (size_t)dense->count * sizeof(float));
    for (int64_t o = 0; o < 48; o++)
        for (int64_t i = 0; i < 32; i++)
            for (int64_t k = 0; k < 9; k++)
                assert_true(native[second->offset + (((o / 16 * 2 + i / 16) * 9 + k) * 16 + i % 16) * 16 + o % 16] ==
                            canonical[second->offset + (o * 32 + i) * 9 + k]);
    free(canonical);
    free(native);
    free(back);
    cr_net_destroy(&net);
}

static void test_scale(void **state)
{
    (void)state;
    cr_net *net = small_net();
    int64_t n = net->n_params + net->n_stats;
    float *canonical = cpu_numbers(n, 1), *native = cpu_room((size_t)n * sizeof(float)), *scale = cpu_numbers(64, 2);
    cr_weights_import(net, canonical, native);
    const char *const names[] = {"a.weight", "b.weight"};
    for (int t = 0; t < 2; t++)
        for (int plain = 0; plain < 2; plain++) {
            const cr_tensor *tensor = tensor_named(net, names[t]);
            float *folded = cpu_room((size_t)tensor->count * sizeof(float));
            cr_weights_scale(tensor, native + tensor->offset, scale, plain, folded);
            const float *source = plain ? canonical : native;
            int64_t per_output = tensor->count / tensor->shape[0];
            for (int64_t i = 0; i < tensor->count; i++) {
                bool blocks = !plain && tensor->shape[1] % 16 == 0;
                int64_t o = blocks ? i / (per_output * 16) * 16 + i % 16 : i / per_output;
                assert_true(folded[i] == source[tensor->offset + i] * scale[o]);
            }
            free(folded);
        }
    free(canonical);
    free(native);
    free(scale);
    cr_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_import_export), cmocka_unit_test(test_scale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
