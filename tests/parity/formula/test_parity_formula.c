/* The generator of weights and inputs from which the fused references start, bit for bit. Its model is fusion_a's. */
#include "formula.h"
#include "fusion_case.h"
#include "parity.h"
#include "sha256.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    json_t *formula;
    json_t *fusion;
    uint64_t seed;
    cr_net *net;
    float *state;
} fixture;

static int open_fixture(void **state)
{
    static fixture opened;
    *state = NULL;
    if (!parity_dir())
        return 0;
    opened.formula = parity_json("formula.json");
    opened.fusion = parity_json("fusion_a.json");
    opened.seed = (uint64_t)json_integer_value(parity_get(opened.formula, "seed"));
    opened.net = fusion_net(parity_get(opened.fusion, "model"));
    opened.state = aligned_floats(opened.net->n_params + opened.net->n_stats);
    formula_state(opened.net, opened.seed, opened.state);
    *state = &opened;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *opened = *state;
    if (!opened)
        return 0;
    json_decref(opened->formula);
    json_decref(opened->fusion);
    cr_net_destroy(&opened->net);
    free(opened->state);
    return 0;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t hex(const json_t *text)
{
    assert_true(json_is_string(text));
    return strtoull(json_string_value(text), NULL, 16);
}

/* Prints how many of the numbers differ and asserts none. */
static void expect_none(const char *what, int64_t different)
{
    assert_true(parity_line(what, (double)different, 0));
}

static void test_mix(void **state)
{
    parity_require();
    fixture *f = *state;
    const char *key;
    json_t *value;
    int64_t different = 0;
    json_object_foreach(parity_get(f->formula, "splitmix64"), key, value) different +=
        formula_mix(strtoull(key, NULL, 16)) != hex(value);
    expect_none("formula splitmix64: different values", different);
}

static void test_first_numbers(void **state)
{
    parity_require();
    fixture *f = *state;
    const char *name;
    json_t *entry;
    int64_t different = 0;
    json_object_foreach(parity_get(f->formula, "first_8"), name, entry)
    {
        int t = cr_net_find_tensor(f->net, name);
        assert_true(t >= 0);
        const cr_tensor *tensor = &f->net->tensors[t];
        json_t *shape = json_object_get(entry, "shape"), *k = json_object_get(entry, "k");
        json_t *bits = json_object_get(entry, "float32_bits");
        assert_int_equal(json_array_size(shape), tensor->rank);
        for (int i = 0; i < tensor->rank; i++)
            assert_int_equal(json_integer_value(json_array_get(shape, (size_t)i)), tensor->shape[i]);
        different += formula_fnv1a(name) != hex(json_object_get(entry, "fnv1a64"));
        for (size_t i = 0; i < json_array_size(k); i++) {
            different += formula_draw(name, f->seed, (int64_t)i) != json_integer_value(json_array_get(k, i));
            different += float_bits(f->state[tensor->offset + (int64_t)i]) != hex(json_array_get(bits, i));
        }
    }
    expect_none("formula first numbers of tensors: different values", different);
}

static void test_every_tensor(void **state)
{
    parity_require();
    fixture *f = *state;
    json_t *hashes = parity_get(f->formula, "sha256_of_float32_little_endian");
    int64_t different = 0;
    assert_int_equal(json_object_size(hashes), f->net->n_param_tensors);
    for (int t = 0; t < f->net->n_param_tensors; t++) {
        const cr_tensor *tensor = &f->net->tensors[t];
        char text[SHA256_TEXT];
        sha256_text(f->state + tensor->offset, (size_t)tensor->count * sizeof(float), text);
        const char *expected = json_string_value(json_object_get(hashes, tensor->name));
        different += !expected || strcmp(text, expected) != 0;
    }
    expect_none("formula SHA-256 of every parameter: different tensors", different);
}

static void test_images(void **state)
{
    parity_require();
    fixture *f = *state;
    json_t *inputs = parity_get(f->formula, "inputs");
    int64_t n = json_integer_value(parity_get(inputs, "n"));
    size_t side = FUSION_IMAGE_SIZE, bytes = (size_t)n * side * side * 3;
    uint8_t *images = malloc(bytes);
    assert_non_null(images);
    formula_images(n, FUSION_IMAGE_SIZE, f->seed, images);
    int64_t different = 0;
    json_t *first = parity_get(inputs, "image_first_24_bytes"), *phases = parity_get(inputs, "image_phase");
    json_t *middle = parity_get(inputs, "image_last_sample_middle");
    for (size_t i = 0; i < json_array_size(first); i++)
        different += images[i] != json_integer_value(json_array_get(first, i));
    for (size_t i = 0; i < json_array_size(phases); i++)
        different += (formula_draw("input.image.phase", f->seed, (int64_t)i) & 511) !=
                     json_integer_value(json_array_get(phases, i));
    const uint8_t *last = images + (((size_t)n - 1) * side * side + side / 2 * side + side / 2) * 3;
    for (size_t i = 0; i < json_array_size(middle); i++)
        different += last[i] != json_integer_value(json_array_get(middle, i));
    char text[SHA256_TEXT];
    sha256_text(images, bytes, text);
    different += strcmp(text, json_string_value(parity_get(inputs, "image_sha256"))) != 0;
    free(images);
    expect_none("formula images: different values and hashes", different);
}

static void test_table(void **state)
{
    parity_require();
    fixture *f = *state;
    json_t *inputs = parity_get(f->formula, "inputs");
    int64_t n = json_integer_value(parity_get(inputs, "n"));
    int64_t n_features = json_integer_value(parity_get(inputs, "features"));
    int64_t n_classes = json_integer_value(parity_get(inputs, "classes"));
    float *metadata = aligned_floats(n * n_features), *weights = aligned_floats(n_classes);
    int32_t *labels = malloc((size_t)n * sizeof *labels);
    assert_non_null(labels);
    formula_metadata(n, n_features, f->seed, metadata);
    formula_labels(n, n_classes, f->seed, labels);
    formula_class_weights(n_classes, f->seed, weights);
    int64_t different = 0;
    json_t *bits = parity_get(inputs, "metadata_bits"), *expected = parity_get(inputs, "labels");
    json_t *weight_bits = parity_get(inputs, "class_weight_bits");
    for (size_t i = 0; i < json_array_size(bits); i++)
        different += float_bits(metadata[i]) != hex(json_array_get(bits, i));
    assert_int_equal(json_array_size(expected), n);
    for (size_t i = 0; i < (size_t)n; i++)
        different += labels[i] != json_integer_value(json_array_get(expected, i));
    for (size_t i = 0; i < json_array_size(weight_bits); i++)
        different += float_bits(weights[i]) != hex(json_array_get(weight_bits, i));
    free(metadata);
    free(weights);
    free(labels);
    expect_none("formula metadata, labels, class weights: different values", different);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mix), cmocka_unit_test(test_first_numbers),
                                       cmocka_unit_test(test_every_tensor), cmocka_unit_test(test_images),
                                       cmocka_unit_test(test_table)};
    return cmocka_run_group_tests_name("formula", tests, open_fixture, close_fixture);
}
