#include "fusion_case.h"

#include "formula.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

float *aligned_floats(int64_t n)
{
    size_t bytes = ((size_t)n * sizeof(float) + 63) / 64 * 64;
    float *values = aligned_alloc(64, bytes ? bytes : 64);
    assert_non_null(values);
    memset(values, 0, bytes);
    return values;
}

static int64_t whole(json_t *root, const char *path)
{
    json_t *value = parity_get(root, path);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

cr_net *fusion_net(json_t *model)
{
    cr_fusion_params params = {.backbone = "resnet18",
                               .inputs = CR_INPUTS_BOTH,
                               .image_size = FUSION_IMAGE_SIZE,
                               .n_features = whole(model, "features"),
                               .n_classes = whole(model, "classes"),
                               .head_hidden = {whole(model, "head")},
                               .n_head_hidden = 1};
    json_t *hidden = parity_get(model, "hidden");
    params.n_metadata_hidden = (int)json_array_size(hidden);
    assert_in_range(params.n_metadata_hidden, 0, CR_NET_MAX_HIDDEN);
    for (int i = 0; i < params.n_metadata_hidden; i++)
        params.metadata_hidden[i] = json_integer_value(json_array_get(hidden, (size_t)i));
    cr_net *net = NULL;
    if (cr_net_create_fusion(&params, &net) != CR_OK)
        fail_msg("%s", cr_error_message());
    return net;
}

static void check_inputs(const fusion_case *opened)
{
    json_t *labels = parity_get(opened->root, "labels"), *weights = parity_get(opened->root, "class_weights");
    assert_int_equal(json_array_size(labels), opened->batch);
    assert_int_equal(json_array_size(weights), opened->net->n_classes);
    double sum = 0;
    for (int64_t i = 0; i < opened->batch; i++) {
        assert_int_equal(json_integer_value(json_array_get(labels, (size_t)i)), opened->labels[i]);
        sum += (double)opened->class_weights[opened->labels[i]];
    }
    for (int64_t c = 0; c < opened->net->n_classes; c++)
        assert_true(parity_value(json_array_get(weights, (size_t)c)) == (double)opened->class_weights[c]);
    assert_true(fabs(sum - opened->weight_sum) <= 1e-12 * sum);
}

/* Biases that keep the arguments of every ReLU away from 0 in the first forward pass. */
static void load_biases(const char *name, const cr_net *net, float *state)
{
    char file[256];
    snprintf(file, sizeof file, "%s_biases.safetensors", name);
    cr_safetensors *tensors = parity_tensors(file);
    for (int64_t i = 0; i < cr_safetensors_count(tensors); i++) {
        const cr_tensor_view *view = cr_safetensors_at(tensors, i);
        int t = cr_net_find_tensor(net, view->name);
        assert_true(t >= 0);
        assert_int_equal(view->dtype, CR_DTYPE_F32);
        assert_int_equal(view->bytes, (size_t)net->tensors[t].count * sizeof(float));
        memcpy(state + net->tensors[t].offset, view->data, view->bytes);
    }
    cr_safetensors_close(&tensors);
}

void fusion_case_open(const char *name, fusion_case *opened)
{
    char file[256];
    snprintf(file, sizeof file, "%s.json", name);
    json_t *root = parity_json(file);
    *opened = (fusion_case){.root = root,
                            .net = fusion_net(parity_get(root, "model")),
                            .batch = whole(root, "batch"),
                            .n_micro = whole(root, "n_micro"),
                            .seed = (uint64_t)whole(root, "seed"),
                            .smoothing = parity_real(root, "smoothing"),
                            .weight_sum = parity_real(root, "sum_of_target_weights")};
    assert_in_range(opened->batch, 1, 4096);
    assert_in_range(opened->n_micro, 1, opened->batch);
    assert_int_equal(opened->batch % opened->n_micro, 0);
    const cr_net *net = opened->net;
    size_t n = (size_t)opened->batch;
    opened->images = malloc(n * FUSION_IMAGE_SIZE * FUSION_IMAGE_SIZE * 3);
    opened->metadata = malloc(n * (size_t)net->n_features * sizeof(float));
    opened->labels = malloc(n * sizeof(int32_t));
    opened->samples = malloc(n * sizeof(int64_t));
    opened->class_weights = malloc((size_t)net->n_classes * sizeof(float));
    opened->state = aligned_floats(net->n_params + net->n_stats);
    assert_true(opened->images && opened->metadata && opened->labels && opened->samples && opened->class_weights);
    formula_images(opened->batch, FUSION_IMAGE_SIZE, opened->seed, opened->images);
    formula_metadata(opened->batch, net->n_features, opened->seed, opened->metadata);
    formula_labels(opened->batch, net->n_classes, opened->seed, opened->labels);
    formula_class_weights(net->n_classes, opened->seed, opened->class_weights);
    formula_state(net, opened->seed, opened->state);
    for (int64_t i = 0; i < opened->batch; i++)
        opened->samples[i] = i;
    check_inputs(opened);
    if (parity_find(root, "least_distance_of_a_relu_argument_from_0"))
        load_biases(name, net, opened->state);
}

void fusion_case_close(fusion_case *opened)
{
    json_decref(opened->root);
    cr_net_destroy(&opened->net);
    free(opened->images);
    free(opened->metadata);
    free(opened->labels);
    free(opened->samples);
    free(opened->class_weights);
    free(opened->state);
    *opened = (fusion_case){0};
}
