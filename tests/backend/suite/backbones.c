/* The last stage has one pixel here, so that a batch norm divides by the deviation of six numbers, over and over:
 * rounding grows to 3e-4 in the deepest net. A net wired wrongly is off by its own size. */
#include "backbones.h"
#include "formula.h"
#include "fusion_case.h"
#include "parity.h"
#include "reference_backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SIDE = 32,
    BATCH = 6,
    FEATURES = 3,
    CLASSES = 4
};

typedef struct outcome {
    float *gradient, *trained, *evaluated;
} outcome;

static void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

static void compute(cr_status (*open)(cr_backend **), const cr_net *net, const float *state, const cr_batch *batch,
                    outcome *result)
{
    cr_backend *backend = NULL;
    cr_program *program = NULL;
    int64_t n = net->n_params + net->n_stats;
    double losses[BATCH];
    float *native = NULL, *gradient = NULL;
    *result = (outcome){aligned_floats(n), aligned_floats(BATCH * CLASSES), aligned_floats(BATCH * CLASSES)};
    cr_program_params params = {
        .micro_batch = BATCH, .training = true, .convolution = CR_CONVOLUTION_DIRECT, .n_threads = 1};
    expect_ok(open(&backend));
    const cr_memory *memory = cr_backend_memory(backend);
    expect_ok(cr_memory_allocate(memory, n, "a state", &native));
    expect_ok(cr_memory_allocate(memory, n, "a gradient", &gradient));
    expect_ok(cr_backend_state_import(backend, net, state, native));
    expect_ok(cr_program_create(backend, net, &params, &program));
    for (int turn = 0; turn < 2; turn++) /* a device may record the second run, to play it back later */
        expect_ok(cr_program_train(program, native, batch, gradient, &(cr_batch_result){result->trained, losses}));
    expect_ok(cr_program_wait(program));
    cr_program_destroy(&program);
    expect_ok(cr_backend_state_export(backend, net, gradient, result->gradient));
    params.training = false;
    expect_ok(cr_program_create(backend, net, &params, &program));
    expect_ok(cr_program_evaluate(program, native, batch, result->evaluated));
    cr_program_destroy(&program);
    cr_memory_release(memory, &native);
    cr_memory_release(memory, &gradient);
    cr_backend_close(&backend);
}

static void free_outcome(outcome *result)
{
    free(result->gradient);
    free(result->trained);
    free(result->evaluated);
}

/* |a - b| / |b|, Euclidean */
static double distance(const float *a, const float *b, int64_t n)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    assert_true(size > 0 && isfinite(difference));
    return sqrt(difference / size);
}

static cr_status (*open_judged)(cr_backend **backend); /* cmocka hands a test no arguments of its own */

static void judge(const char *backbone)
{
    cr_fusion_params params = {.backbone = backbone,
                               .image_size = SIDE,
                               .n_features = FEATURES,
                               .n_classes = CLASSES,
                               .metadata_hidden = {5},
                               .n_metadata_hidden = 1,
                               .head_hidden = {16},
                               .n_head_hidden = 1,
                               .head_dropout = 0.5};
    cr_net *net = NULL;
    expect_ok(cr_net_create_fusion(&params, &net));
    uint8_t *images = malloc((size_t)BATCH * SIDE * SIDE * 3);
    float *metadata = aligned_floats(BATCH * FEATURES), *state = aligned_floats(net->n_params + net->n_stats);
    int32_t labels[BATCH];
    int64_t samples[BATCH] = {0, 1, 2, 3, 4, 5};
    assert_non_null(images);
    formula_images(BATCH, SIDE, 1, images);
    formula_metadata(BATCH, FEATURES, 1, metadata);
    formula_labels(BATCH, CLASSES, 1, labels);
    formula_state(net, 1, state);
    cr_loss loss = {.label_smoothing = 0.05, .weight_sum = BATCH};
    cr_batch batch = {.images = images,
                      .metadata = metadata,
                      .labels = labels,
                      .samples = samples,
                      .seed = 1,
                      .state_version = 1,
                      .loss = &loss};
    outcome judged, reference;
    compute(open_judged, net, state, &batch, &judged);
    compute(reference_backend_open, net, state, &batch, &reference);
    bool good =
        parity_line("logits, evaluation", distance(judged.evaluated, reference.evaluated, BATCH * CLASSES), 1e-4);
    good &= parity_line("logits, training", distance(judged.trained, reference.trained, BATCH * CLASSES), 5e-3);
    good &= parity_line("gradient", distance(judged.gradient, reference.gradient, net->n_params), 1e-1);
    good &=
        parity_line("batch-norm statistics",
                    distance(judged.gradient + net->n_params, reference.gradient + net->n_params, net->n_stats), 1e-3);
    free_outcome(&judged);
    free_outcome(&reference);
    free(images);
    free(metadata);
    free(state);
    cr_net_destroy(&net);
    assert_true(good);
}

static void test_resnet18(void **state)
{
    (void)state;
    judge("resnet18");
}

static void test_resnet34(void **state)
{
    (void)state;
    judge("resnet34");
}

static void test_resnet50(void **state)
{
    (void)state;
    judge("resnet50");
}

int backbones_run(const char *name, cr_status (*open)(cr_backend **backend))
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resnet18), cmocka_unit_test(test_resnet34),
                                       cmocka_unit_test(test_resnet50)};
    open_judged = open;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
