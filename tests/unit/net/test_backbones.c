/* Each backbone has the tensors of torchvision's model, by name and shape: golden/NAME.txt lists its state_dict. */
#include "crisol/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cr_net *create(const char *backbone)
{
    cr_fusion_params params = {.backbone = backbone, .inputs = CR_INPUTS_IMAGE, .image_size = 224, .n_classes = 2};
    cr_net *net = NULL;
    if (cr_net_create_fusion(&params, &net) != CR_OK)
        fail_msg("%s", cr_error_message());
    return net;
}

static void expect_tensor(const cr_net *net, const char *plain, const int64_t *shape, int rank)
{
    char name[CR_NET_NAME_MAX];
    snprintf(name, sizeof name, "image.%s", plain);
    int t = cr_net_find_tensor(net, name);
    if (t < 0)
        fail_msg("no tensor %s", name);
    const cr_tensor *tensor = &net->tensors[t];
    if (tensor->rank != rank || memcmp(tensor->shape, shape, (size_t)rank * sizeof *shape) != 0)
        fail_msg("%s has another shape than torchvision's", name);
    assert_true(tensor->is_backbone);
}

/* Compares with the golden list; returns the features that the head reads. */
static int64_t compare(const char *backbone)
{
    char path[1024], line[256];
    snprintf(path, sizeof path, "%s/%s.txt", GOLDEN, backbone);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("no %s", path);
    cr_net *net = create(backbone);
    long long expected = 0, n_found = 0, n_backbone = 0, n_params = 0;
    assert_int_equal(fscanf(file, "parameters %lld\n", &expected), 1);
    while (fgets(line, sizeof line, file)) {
        char *rest = NULL, *name = strtok_r(line, " \n", &rest);
        int64_t shape[4];
        int rank = 0;
        for (char *word = strtok_r(NULL, " \n", &rest); word && rank < 4; word = strtok_r(NULL, " \n", &rest))
            shape[rank++] = strtoll(word, NULL, 10);
        if (!name || strstr(name, "num_batches_tracked"))
            continue;
        expect_tensor(net, name, shape, rank);
        n_found++;
    }
    assert_int_equal(fclose(file), 0);
    for (int t = 0; t < net->n_tensors; t++) {
        n_backbone += net->tensors[t].is_backbone;
        if (t < net->n_param_tensors && net->tensors[t].is_backbone)
            n_params += net->tensors[t].count;
    }
    assert_int_equal(n_backbone, n_found); /* no tensor that torchvision lacks */
    assert_int_equal(n_params, expected);
    int64_t features = net->tensors[cr_net_find_tensor(net, "head.0.weight")].shape[1];
    cr_net_destroy(&net);
    return features;
}

static void test_resnet18(void **state)
{
    (void)state;
    assert_int_equal(compare("resnet18"), 512);
}

static void test_resnet34(void **state)
{
    (void)state;
    assert_int_equal(compare("resnet34"), 512);
}

/* Also multiply-adds: 4,089,184,256 with fc in torchvision's table of models (4.09 GFLOPS), which has the stride in the
 * 3 × 3 convolution; with it in the 1 × 1 there would be 6 % fewer. */
static void test_resnet50(void **state)
{
    (void)state;
    assert_int_equal(compare("resnet50"), 2048);
    cr_net *net = create("resnet50");
    assert_int_equal(cr_net_forward_macs(net), 4089184256 - 2048 * 1000 + 2048 * 2);
    cr_net_destroy(&net);
}

static void test_every_name_is_a_net(void **state)
{
    (void)state;
    int n = 0;
    for (; cr_net_backbone_name(n); n++) {
        cr_net *net = create(cr_net_backbone_name(n));
        cr_net_destroy(&net);
    }
    assert_int_equal(n, 3);
    assert_null(cr_net_backbone_name(-1));
    cr_fusion_params params = {.backbone = "resnet51", .inputs = CR_INPUTS_IMAGE, .image_size = 224, .n_classes = 2};
    cr_net *net = NULL;
    assert_int_equal(cr_net_create_fusion(&params, &net), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "resnet18, resnet34, resnet50"));
}

/* They cover the state without a gap, begin at tensors, and all but the last hold an eighth at least. */
static void test_buckets(void **state)
{
    (void)state;
    for (int i = 0; cr_net_backbone_name(i); i++) {
        cr_net *net = create(cr_net_backbone_name(i));
        cr_buckets buckets;
        cr_net_buckets(net, &buckets);
        int64_t n = net->n_params + net->n_stats;
        assert_in_range(buckets.n, 4, CR_MAX_BUCKETS);
        assert_int_equal(buckets.begin[buckets.n - 1], 0);
        for (int b = 0, n_found = 0; b < buckets.n; b++) {
            int64_t begin = buckets.begin[b], end = cr_bucket_end(&buckets, b, n);
            assert_true(begin < end && begin % 16 == 0);
            assert_true(b == buckets.n - 1 || end - begin >= n / CR_MAX_BUCKETS);
            for (int t = 0; t < net->n_param_tensors; t++)
                n_found += net->tensors[t].offset == begin;
            assert_int_equal(n_found, b + 1);
            printf("%s: bucket %d of %.1f MB\n", cr_net_backbone_name(i), b, (double)(end - begin) * 4e-6);
        }
        cr_net_destroy(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resnet18), cmocka_unit_test(test_resnet34),
                                       cmocka_unit_test(test_resnet50), cmocka_unit_test(test_every_name_is_a_net),
                                       cmocka_unit_test(test_buckets)};
    return cmocka_run_group_tests_name("backbones", tests, NULL, NULL);
}
