/* Building nets from blocks: shapes, state layout, and what is refused. */
#include "crisol/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static cr_net *empty(int64_t image_size, int64_t n_features)
{
    cr_net *net = NULL;
    assert_int_equal(cr_net_create_empty(image_size, n_features, &net), CR_OK);
    return net;
}

static cr_conv_params conv(int64_t channels, int64_t kernel, int64_t stride, int64_t padding)
{
    return (cr_conv_params){channels, kernel, stride, padding, .add = -1, .name = "image.c"};
}

static void expect_shape(const cr_net *net, int value, int64_t channels, int64_t height, int64_t width)
{
    assert_int_equal(net->values[value].channels, channels);
    assert_int_equal(net->values[value].height, height);
    assert_int_equal(net->values[value].width, width);
}

/* PyTorch's floor((size + 2·padding - kernel) / stride) + 1 */
static void test_shapes(void **state)
{
    (void)state;
    static const int64_t cases[][5] = {{224, 7, 2, 3, 112}, {19, 7, 2, 3, 10}, {8, 3, 1, 0, 6},  {8, 3, 2, 1, 4},
                                       {9, 3, 2, 1, 5},     {7, 1, 2, 0, 4},   {5, 5, 1, 2, 5},  {3, 3, 1, 0, 1},
                                       {1, 3, 1, 1, 1},     {27, 11, 4, 2, 6}, {10, 2, 2, 0, 5}, {11, 2, 2, 0, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_net *net = empty(cases[i][0], 0);
        cr_conv_params params = conv(4, cases[i][1], cases[i][2], cases[i][3]);
        int value;
        assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_OK);
        expect_shape(net, value, 4, cases[i][4], cases[i][4]);
        if (cases[i][3] <= cases[i][1] / 2) {
            assert_int_equal(cr_net_add_max_pool(net, CR_VALUE_IMAGE, cases[i][1], cases[i][2], cases[i][3], &value),
                             CR_OK);
            expect_shape(net, value, 3, cases[i][4], cases[i][4]);
        }
        cr_net_destroy(&net);
    }
}

static void test_layout(void **state)
{
    (void)state;
    cr_net *net = empty(5, 0);
    cr_conv_params params = conv(3, 3, 1, 1);
    int value;
    params.batch_norm = true;
    params.bn_name = "image.b";
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_OK);
    assert_int_equal(cr_net_add_dense(net, value, 2, false, "head.0", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    static const char *names[] = {"image.c.weight", "image.b.weight",       "image.b.bias",       "head.0.weight",
                                  "head.0.bias",    "image.b.running_mean", "image.b.running_var"};
    static const int64_t counts[] = {81, 3, 3, 150, 2, 3, 3}, offsets[] = {0, 96, 112, 128, 288, 304, 320};
    assert_int_equal(net->n_tensors, 7);
    assert_int_equal(net->n_param_tensors, 5);
    for (int t = 0; t < net->n_tensors; t++) {
        assert_string_equal(net->tensors[t].name, names[t]);
        assert_int_equal(net->tensors[t].count, counts[t]);
        assert_int_equal(net->tensors[t].offset, offsets[t]);
        assert_int_equal(cr_net_find_tensor(net, names[t]), t);
        assert_int_equal(net->tensors[t].is_backbone, strncmp(names[t], "image.", 6) == 0);
    }
    assert_int_equal(cr_net_find_tensor(net, "image.c"), -1);
    assert_int_equal(net->n_params, 304);
    assert_int_equal(net->n_stats, 32);
    assert_int_equal(net->n_classes, 2);
    assert_true(net->uses_image && !net->uses_metadata);
    const cr_layer *layer = &net->layers[0];
    assert_int_equal(net->tensors[layer->weight].role, CR_TENSOR_CONV_WEIGHT);
    assert_int_equal(net->tensors[layer->bn_weight].role, CR_TENSOR_BN_WEIGHT);
    assert_int_equal(net->tensors[layer->bn_bias].role, CR_TENSOR_BN_BIAS);
    assert_int_equal(net->tensors[layer->bn_mean].role, CR_TENSOR_BN_MEAN);
    assert_int_equal(net->tensors[layer->bn_var].role, CR_TENSOR_BN_VAR);
    assert_int_equal(layer->bias, -1);
    assert_int_equal(cr_net_forward_macs(net), 81 * 25 + 150);
    cr_net_destroy(&net);
    assert_null(net);
    cr_net_destroy(&net);
}

/* Each refusal leaves the net usable. */
static void test_refusals(void **state)
{
    (void)state;
    cr_net *net = NULL, *broken = NULL;
    int value = -7, kept;
    assert_int_equal(cr_net_create_empty(-1, 0, &broken), CR_BAD_CONFIG);
    assert_int_equal(cr_net_create_empty(70000, 0, &broken), CR_BAD_CONFIG);
    assert_int_equal(cr_net_create_empty(8, 70000, &broken), CR_BAD_CONFIG);
    assert_null(broken);
    net = empty(8, 0);
    cr_conv_params params = conv(4, 3, 1, 1);
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_METADATA, &params, &value), CR_BAD_CONFIG); /* absent input */
    assert_int_equal(cr_net_add_conv(net, 2, &params, &value), CR_BAD_CONFIG);
    assert_int_equal(cr_net_add_conv(net, -1, &params, &value), CR_BAD_CONFIG);
    params = conv(4, 9, 1, 0);
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_BAD_CONFIG); /* window over plane */
    params = conv(4, 3, 0, 1);
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_BAD_CONFIG);
    params = conv(0, 3, 1, 1);
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_BAD_CONFIG);
    params = conv(4, 3, 1, 1);
    params.batch_norm = true;
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_INTERNAL); /* no name for the norm */
    params.batch_norm = false;
    assert_int_equal(value, -7);
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &kept), CR_OK);
    params.name = "image.d";
    params.stride = 2;
    params.add = kept;
    assert_int_equal(cr_net_add_conv(net, CR_VALUE_IMAGE, &params, &value), CR_BAD_CONFIG); /* adds another shape */
    assert_int_equal(cr_net_add_max_pool(net, kept, 2, 2, 2, &value), CR_BAD_CONFIG);
    assert_int_equal(cr_net_add_dropout(net, kept, 1.0, "d", &value), CR_BAD_CONFIG);
    assert_int_equal(cr_net_add_concat(net, kept, kept, &value), CR_BAD_CONFIG); /* planes */
    assert_int_equal(cr_net_finish(net), CR_BAD_CONFIG);                         /* ends in planes */
    assert_int_equal(cr_net_add_dense(net, kept, 2, false, "image.c", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_BAD_CONFIG); /* two tensors of one name */
    cr_net_destroy(&net);
}

static void test_finished(void **state)
{
    (void)state;
    cr_net *net = empty(0, 4);
    int value;
    assert_int_equal(cr_net_finish(net), CR_BAD_CONFIG); /* empty */
    assert_int_equal(cr_net_add_dense(net, CR_VALUE_METADATA, 3, false, "head.0", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_INTERNAL);
    assert_int_equal(cr_net_add_dense(net, value, 3, false, "head.1", &value), CR_INTERNAL);
    assert_true(net->uses_metadata && !net->uses_image);
    cr_net_destroy(&net);
}

/* A tensor whose size would not fit is refused before anything is allocated. */
static void test_huge(void **state)
{
    (void)state;
    cr_net *net = empty(65536, 0);
    int value;
    assert_int_equal(cr_net_add_dense(net, CR_VALUE_IMAGE, 65536, false, "head.0", &value), CR_BAD_CONFIG);
    cr_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_layout),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_finished),
                                       cmocka_unit_test(test_huge)};
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
