/* The loss before each of the first steps on 32 real eyes, against PyTorch in float64: pixels, model, loss, gradients,
 * statistics and AdamW together. Skips without the data set. */
#include "fusion_step.h"
#include "image.h"
#include "parity.h"
#include "sha256.h"

#include "formula.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const double norm_bound = 1e-3; /* README of the references, section 9 */

typedef struct fixture {
    json_t *tolerances;
    fusion_case source;
} fixture;

/* The middle 224 × 224 pixels of a picture, as torchvision's CenterCrop cuts them. */
static void read_picture(const char *file, uint8_t *pixels)
{
    char path[4352];
    cr_image_buffer content = {0};
    cr_image image = {0};
    size_t bytes;
    const char *reason = NULL;
    snprintf(path, sizeof path, "%s/odir5k/preprocessed_images/%s", data_dir(), file);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        fail_msg("cannot open %s", path);
    if (cr_image_read_file(descriptor, &cr_image_default_limits, &content, &bytes, &reason) != CR_OK ||
        cr_image_decode(content.data, bytes, &cr_image_default_limits, false, &image, &reason) != CR_OK)
        fail_msg("%s: %s", path, cr_error_message());
    close(descriptor);
    assert_true(image.width >= FUSION_IMAGE_SIZE && image.height >= FUSION_IMAGE_SIZE);
    size_t top = (size_t)(image.height - FUSION_IMAGE_SIZE) / 2, left = (size_t)(image.width - FUSION_IMAGE_SIZE) / 2;
    for (size_t row = 0; row < FUSION_IMAGE_SIZE; row++)
        memcpy(pixels + row * FUSION_IMAGE_SIZE * 3, image.buffer.data + ((top + row) * (size_t)image.width + left) * 3,
               FUSION_IMAGE_SIZE * 3);
    cr_image_clear(&image);
    cr_image_buffer_clear(&content);
}

/* Model a of the fused references, as wide as this table and as many classes as it has weights. */
static cr_net *make_net(json_t *curve)
{
    json_t *fusion = parity_json("fusion_a.json"), *model = parity_get(fusion, "model");
    json_object_set_new(model, "features",
                        json_integer((json_int_t)json_array_size(parity_get(curve, "metadata_float32.0"))));
    json_object_set_new(model, "classes",
                        json_integer((json_int_t)json_array_size(parity_get(curve, "class_weights"))));
    cr_net *net = fusion_net(model);
    json_decref(fusion);
    return net;
}

static void load_batch(fusion_case *source)
{
    json_t *files = parity_get(source->root, "files"), *rows = parity_get(source->root, "metadata_float32");
    int64_t n_features = source->net->n_features;
    size_t image_bytes = (size_t)FUSION_IMAGE_SIZE * FUSION_IMAGE_SIZE * 3;
    for (int64_t i = 0; i < source->batch; i++) {
        read_picture(json_string_value(json_array_get(files, (size_t)i)), source->images + (size_t)i * image_bytes);
        for (int64_t f = 0; f < n_features; f++)
            source->metadata[i * n_features + f] =
                (float)parity_value(json_array_get(json_array_get(rows, (size_t)i), (size_t)f));
        source->labels[i] = (int32_t)json_integer_value(json_array_get(parity_get(source->root, "labels"), (size_t)i));
        source->samples[i] = i;
    }
    for (int64_t c = 0; c < source->net->n_classes; c++)
        source->class_weights[c] =
            (float)parity_value(json_array_get(parity_get(source->root, "class_weights"), (size_t)c));
    for (int64_t i = 0; i < source->batch; i++)
        source->weight_sum += (double)source->class_weights[source->labels[i]];
    char text[SHA256_TEXT];
    sha256_text(source->images, (size_t)source->batch * image_bytes, text);
    assert_string_equal(text, json_string_value(parity_get(source->root, "images_sha256")));
}

static int open_fixture(void **state)
{
    static fixture f;
    *state = NULL;
    if (!parity_dir() || !data_dir())
        return 0;
    json_t *root = parity_json("curve.json");
    fusion_case *source = &f.source;
    *source = (fusion_case){.root = root,
                            .net = make_net(root),
                            .batch = (int64_t)json_array_size(parity_get(root, "files")),
                            .n_micro = 1,
                            .seed = (uint64_t)json_integer_value(parity_get(root, "seed")),
                            .smoothing = parity_real(root, "smoothing")};
    size_t n = (size_t)source->batch;
    source->images = malloc(n * FUSION_IMAGE_SIZE * FUSION_IMAGE_SIZE * 3);
    source->metadata = malloc(n * (size_t)source->net->n_features * sizeof(float));
    source->labels = malloc(n * sizeof(int32_t));
    source->samples = malloc(n * sizeof(int64_t));
    source->class_weights = malloc((size_t)source->net->n_classes * sizeof(float));
    source->state = aligned_floats(source->net->n_params + source->net->n_stats);
    assert_true(source->images && source->metadata && source->labels && source->samples && source->class_weights);
    formula_state(source->net, source->seed, source->state);
    load_batch(source);
    f.tolerances = parity_json("tolerances.json");
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    if (!f)
        return 0;
    json_decref(f->tolerances);
    fusion_case_close(&f->source);
    return 0;
}

/* Worst |‖p‖/‖p_ref‖ - 1| over the parameters after the last step. */
static double worst_norm(const fusion_run *run, json_t *norms)
{
    const cr_net *net = run->source->net;
    float *state = aligned_floats(net->n_params + net->n_stats);
    double worst = 0;
    assert_int_equal(cr_backend_state_export(run->backend, net, run->state, state), CR_OK);
    assert_int_equal(json_object_size(norms), net->n_param_tensors);
    for (int t = 0; t < net->n_param_tensors; t++) {
        json_t *norm = json_object_get(norms, net->tensors[t].name);
        assert_non_null(norm);
        double squares = 0;
        for (int64_t i = 0; i < net->tensors[t].count; i++) {
            double value = (double)state[net->tensors[t].offset + i];
            squares += value * value;
        }
        worst = fmax(worst, fabs(sqrt(squares) / parity_value(norm) - 1));
    }
    free(state);
    return worst;
}

/* `name`: "batch_32", …; `factor`: times the file's bounds. */
static void judge(fixture *f, const char *name, cr_convolution convolution, double factor)
{
    parity_require();
    if (!f)
        skip();
    json_t *curve = parity_get(f->source.root, name), *losses = parity_get(curve, "loss_float64");
    json_t *bounds = parity_get(parity_get(f->tolerances, "curve.rel_per_step"), name);
    const cr_optimizer_params adamw = {.kind = CR_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    const char *kind = convolution == CR_CONVOLUTION_AUTO ? "auto" : "direct";
    char what[128];
    bool good = true;
    cr_backend *backend = NULL;
    fusion_run run;
    f->source.n_micro = json_integer_value(parity_get(curve, "n_micro"));
    assert_int_equal(cr_backend_open_cpu(&backend), CR_OK);
    cr_program_params params = {.precision = CR_PRECISION_F32, .convolution = convolution, .n_threads = 1};
    if (fusion_run_open(&f->source, backend, params, &run) != CR_OK)
        fail_msg("%s", cr_error_message());
    for (size_t step = 0; step < json_array_size(losses); step++) {
        double expected = parity_value(json_array_get(losses, step));
        fusion_run_gradient(&run);
        snprintf(what, sizeof what, "curve %s f32 %s loss before step %zu", name, kind, step + 1);
        good &= parity_line(what, fabs(run.loss / expected - 1), factor * parity_value(json_array_get(bounds, step)));
        fusion_run_update(&run, &adamw, parity_real(f->source.root, "lr"), parity_real(f->source.root, "weight_decay"));
    }
    snprintf(what, sizeof what, "curve %s f32 %s parameter norms at the end", name, kind);
    good &=
        parity_line(what, worst_norm(&run, parity_get(curve, "final_parameter_norms_float64")), factor * norm_bound);
    fusion_run_close(&run);
    cr_backend_close(&backend);
    assert_true(good);
}

static void test_batch_32(void **state)
{
    judge(*state, "batch_32", CR_CONVOLUTION_DIRECT, 1);
}

static void test_micro_4x8(void **state)
{
    judge(*state, "micro_4x8", CR_CONVOLUTION_DIRECT, 1);
}

/* Winograd rounds four to five times more coarsely. */
static void test_micro_4x8_winograd(void **state)
{
    judge(*state, "micro_4x8", CR_CONVOLUTION_AUTO, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batch_32), cmocka_unit_test(test_micro_4x8),
                                       cmocka_unit_test(test_micro_4x8_winograd)};
    return cmocka_run_group_tests_name("curve", tests, open_fixture, close_fixture);
}
