/* The fused model's tensors carry torchvision's and nn.Sequential's names and shapes. */
#include "crisol/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const cr_fusion_params two_hidden = {.backbone = "resnet18",
                                            .inputs = CR_INPUTS_BOTH,
                                            .image_size = 224,
                                            .n_features = 14,
                                            .n_classes = 2,
                                            .metadata_hidden = {128, 64},
                                            .n_metadata_hidden = 2,
                                            .metadata_dropout = 0.2,
                                            .head_hidden = {128},
                                            .n_head_hidden = 1,
                                            .head_dropout = 0.5};

static cr_net *create(const cr_fusion_params *params)
{
    cr_net *net = NULL;
    if (cr_net_create_fusion(params, &net) != CR_OK)
        fail_msg("%s", cr_error_message());
    return net;
}

static void expect_tensor(const cr_net *net, const char *name, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int t = cr_net_find_tensor(net, name);
    if (t < 0)
        fail_msg("no tensor %s", name);
    const int64_t shape[4] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        assert_int_equal(i < net->tensors[t].rank ? net->tensors[t].shape[i] : 0, shape[i]);
}

static int count_layers(const cr_net *net, cr_layer_kind kind)
{
    int n = 0;
    for (int l = 0; l < net->n_layers; l++)
        n += net->layers[l].kind == kind;
    return n;
}

static void test_names(void **state)
{
    (void)state;
    cr_net *net = create(&two_hidden);
    expect_tensor(net, "image.conv1.weight", 64, 3, 7, 7);
    expect_tensor(net, "image.bn1.running_var", 64, 0, 0, 0);
    expect_tensor(net, "image.layer1.0.conv1.weight", 64, 64, 3, 3);
    expect_tensor(net, "image.layer2.0.conv1.weight", 128, 64, 3, 3);
    expect_tensor(net, "image.layer2.0.downsample.0.weight", 128, 64, 1, 1);
    expect_tensor(net, "image.layer2.0.downsample.1.running_mean", 128, 0, 0, 0);
    expect_tensor(net, "image.layer4.1.bn2.bias", 512, 0, 0, 0);
    expect_tensor(net, "metadata.0.weight", 128, 14, 0, 0);
    expect_tensor(net, "metadata.3.weight", 64, 128, 0, 0);
    expect_tensor(net, "head.0.weight", 128, 576, 0, 0);
    expect_tensor(net, "head.3.weight", 2, 128, 0, 0);
    expect_tensor(net, "head.3.bias", 2, 0, 0, 0);
    assert_int_equal(cr_net_find_tensor(net, "image.layer1.0.downsample.0.weight"), -1);
    assert_int_equal(cr_net_find_tensor(net, "image.fc.weight"), -1);
    /* torchvision's resnet18: 11,689,512 parameters less fc's 513,000, in 20 convolutions */
    int64_t backbone = 0;
    for (int t = 0; t < net->n_param_tensors; t++)
        backbone += net->tensors[t].is_backbone ? net->tensors[t].count : 0;
    assert_int_equal(backbone, 11689512 - 513000);
    assert_int_equal(count_layers(net, CR_LAYER_CONV), 20);
    assert_int_equal(count_layers(net, CR_LAYER_DROPOUT), 2); /* between the table's layers, and in the head */
    assert_int_equal(net->n_tensors - net->n_param_tensors, 40);
    /* 1,814,073,344 with fc: Σ weights · output pixels over the modules of torchvision's resnet18 */
    assert_int_equal(cr_net_forward_macs(net), 1814073344 - 512000 + 128 * 14 + 64 * 128 + 128 * 576 + 2 * 128);
    cr_net_destroy(&net);
}

/* A residual exists before the layer that adds it, and every layer reads what an earlier one wrote. */
static void test_order(void **state)
{
    (void)state;
    cr_net *net = create(&two_hidden);
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        assert_int_equal(layer->dst, l + 2);
        assert_true(layer->src < layer->dst && layer->src2 < layer->dst);
        if (layer->kind == CR_LAYER_CONV && layer->src2 >= 0)
            assert_memory_equal(&net->values[layer->src2], &net->values[layer->dst], sizeof(cr_shape));
    }
    cr_net_destroy(&net);
}

static void test_one_input(void **state)
{
    (void)state;
    cr_fusion_params params = two_hidden;
    params.inputs = CR_INPUTS_IMAGE;
    cr_net *net = create(&params);
    expect_tensor(net, "head.0.weight", 128, 512, 0, 0);
    assert_int_equal(cr_net_find_tensor(net, "metadata.0.weight"), -1);
    assert_int_equal(count_layers(net, CR_LAYER_CONCAT), 0);
    assert_true(net->uses_image && !net->uses_metadata);
    cr_net_destroy(&net);
    params.inputs = CR_INPUTS_METADATA;
    net = create(&params);
    expect_tensor(net, "head.0.weight", 128, 64, 0, 0);
    assert_int_equal(count_layers(net, CR_LAYER_CONV), 0);
    assert_true(!net->uses_image && net->uses_metadata);
    cr_net_destroy(&net);
}

/* Dropout of 0 leaves no layer and moves no number; without hidden layers the head is one Linear. */
static void test_numbering(void **state)
{
    (void)state;
    cr_fusion_params params = two_hidden;
    params.metadata_dropout = params.head_dropout = 0;
    params.n_metadata_hidden = 1;
    cr_net *net = create(&params);
    assert_int_equal(count_layers(net, CR_LAYER_DROPOUT), 0);
    expect_tensor(net, "head.3.weight", 2, 128, 0, 0);
    expect_tensor(net, "head.0.weight", 128, 640, 0, 0);
    cr_net_destroy(&net);
    params.n_metadata_hidden = params.n_head_hidden = 0;
    net = create(&params);
    expect_tensor(net, "head.0.weight", 2, 526, 0, 0); /* 512 and the 14 columns as they are */
    cr_net_destroy(&net);
}

static void expect_refused(cr_fusion_params params)
{
    cr_net *net = NULL;
    assert_int_equal(cr_net_create_fusion(&params, &net), CR_BAD_CONFIG);
    assert_null(net);
}

static void test_refusals(void **state)
{
    (void)state;
    cr_fusion_params params = two_hidden;
    params.backbone = "resnet19";
    expect_refused(params);
    params = two_hidden;
    params.n_features = 0;
    expect_refused(params);
    params = two_hidden;
    params.n_classes = 1;
    expect_refused(params);
    params = two_hidden;
    params.head_hidden[0] = 0;
    expect_refused(params);
    params = two_hidden;
    params.n_head_hidden = CR_NET_MAX_HIDDEN + 1;
    expect_refused(params);
    params = two_hidden;
    params.head_dropout = 1;
    expect_refused(params);
    params = two_hidden;
    params.image_size = 16;
    expect_refused(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_one_input), cmocka_unit_test(test_numbering),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("fusion_net", tests, NULL, NULL);
}
