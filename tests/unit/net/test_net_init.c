/* The first state: distributions as torchvision and torch.nn draw them, the same numbers for the same seed. */
#include "crisol/net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct moments {
    double mean, deviation, largest;
} moments;

static moments measure(const cr_net *net, const float *state, const char *name)
{
    const cr_tensor *tensor = &net->tensors[cr_net_find_tensor(net, name)];
    const float *values = state + tensor->offset;
    moments m = {0};
    for (int64_t i = 0; i < tensor->count; i++) {
        m.mean += (double)values[i] / (double)tensor->count;
        m.largest = fmax(m.largest, fabs((double)values[i]));
    }
    for (int64_t i = 0; i < tensor->count; i++)
        m.deviation += ((double)values[i] - m.mean) * ((double)values[i] - m.mean) / (double)tensor->count;
    m.deviation = sqrt(m.deviation);
    return m;
}

static cr_net *create(void)
{
    const cr_fusion_params params = {.backbone = "resnet18",
                                     .image_size = 64,
                                     .n_features = 3,
                                     .n_classes = 4,
                                     .metadata_hidden = {32},
                                     .n_metadata_hidden = 1,
                                     .head_hidden = {256},
                                     .n_head_hidden = 1};
    cr_net *net = NULL;
    assert_int_equal(cr_net_create_fusion(&params, &net), CR_OK);
    return net;
}

static float *filled(const cr_net *net, uint64_t seed)
{
    float *state = malloc((size_t)(net->n_params + net->n_stats) * sizeof *state);
    assert_non_null(state);
    memset(state, 0xff, (size_t)(net->n_params + net->n_stats) * sizeof *state); /* NaN */
    cr_net_init_state(net, seed, state);
    return state;
}

/* Norms start as 1 and 0, everything else is filled, padding is 0. */
static void expect_constants(const cr_net *net, const float *values)
{
    for (int t = 0; t < net->n_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        int64_t end = t + 1 < net->n_tensors ? net->tensors[t + 1].offset : net->n_params + net->n_stats;
        for (int64_t i = 0; i < end - tensor->offset; i++) {
            float value = values[tensor->offset + i];
            if (i >= tensor->count || tensor->role == CR_TENSOR_BN_BIAS || tensor->role == CR_TENSOR_BN_MEAN)
                assert_true(value == 0);
            else if (tensor->role == CR_TENSOR_BN_WEIGHT || tensor->role == CR_TENSOR_BN_VAR)
                assert_true(value == 1);
            else
                assert_true(isfinite(value));
        }
    }
}

static void test_distributions(void **state)
{
    (void)state;
    cr_net *net = create();
    float *values = filled(net, 1);
    /* normal, deviation √(2/fan_out): six standard errors */
    moments m = measure(net, values, "image.layer3.0.conv2.weight");
    double expected = sqrt(2.0 / (256 * 9)), count = 256.0 * 256 * 9;
    assert_true(fabs(m.mean) < 6 * expected / sqrt(count));
    assert_true(fabs(m.deviation / expected - 1) < 6 / sqrt(2 * count));
    assert_true(m.largest > 4 * expected && m.largest < 7 * expected);
    /* uniform ± 1/√fan_in, deviation bound/√3 */
    static const char *uniform[] = {"head.0.weight", "head.0.bias"};
    for (int i = 0; i < 2; i++) {
        m = measure(net, values, uniform[i]);
        double bound = 1 / sqrt(544.0), n = i == 0 ? 544.0 * 256 : 256;
        assert_true(m.largest <= bound && m.largest > 0.97 * bound);
        assert_true(fabs(m.deviation * sqrt(3.0) / bound - 1) < 6 / sqrt(n));
    }
    expect_constants(net, values);
    free(values);
    cr_net_destroy(&net);
}

/* Two convolutions of one shape, so that tensors can be told apart too. */
static cr_net *create_twins(void)
{
    cr_net *net = NULL;
    int value = CR_VALUE_IMAGE;
    assert_int_equal(cr_net_create_empty(8, 0, &net), CR_OK);
    cr_conv_params params = {3, 3, 1, 1, .add = -1, .name = "image.c0"};
    assert_int_equal(cr_net_add_conv(net, value, &params, &value), CR_OK);
    params.name = "image.c1";
    assert_int_equal(cr_net_add_conv(net, value, &params, &value), CR_OK);
    assert_int_equal(cr_net_add_dense(net, value, 2, false, "head.0", &value), CR_OK);
    assert_int_equal(cr_net_finish(net), CR_OK);
    return net;
}

static void test_seeds(void **state)
{
    (void)state;
    cr_net *net = create_twins();
    size_t bytes = (size_t)(net->n_params + net->n_stats) * sizeof(float);
    float *one = filled(net, 1), *again = filled(net, 1), *two = filled(net, 2);
    assert_memory_equal(one, again, bytes);
    int first = cr_net_find_tensor(net, "image.c0.weight"), second = cr_net_find_tensor(net, "image.c1.weight");
    int64_t a = net->tensors[first].offset, b = net->tensors[second].offset, n = net->tensors[first].count;
    assert_int_equal(net->tensors[second].count, n);
    assert_memory_not_equal(one + a, two + a, (size_t)n * sizeof *one);
    assert_memory_not_equal(one + a, one + b, (size_t)n * sizeof *one);
    free(one);
    free(again);
    free(two);
    cr_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distributions), cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests_name("net_init", tests, NULL, NULL);
}
