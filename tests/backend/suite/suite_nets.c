#include "suite_nets.h"

#include "crisol/rng.h"
#include "formula.h"
#include "fusion_case.h"
#include "reference_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct builder {
    cr_net *net;
    bool smooth;
    int at; /* value of the last layer */
} builder;

static void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

static void start(builder *b, int64_t image_size, int64_t n_features)
{
    expect_ok(cr_net_create_empty(image_size, n_features, &b->net));
    b->at = image_size ? CR_VALUE_IMAGE : CR_VALUE_METADATA;
}

typedef enum conv_end {
    PLAIN,
    RELU
} conv_end;

/* Convolution + batch norm from value src, padded so that stride 1 keeps the size. */
static int conv_bn(builder *b, int src, int64_t channels, int64_t kernel, int64_t stride, int add, conv_end end)
{
    char name[64], bn_name[64];
    snprintf(name, sizeof name, "image.c%d", b->net->n_layers);
    snprintf(bn_name, sizeof bn_name, "image.b%d", b->net->n_layers);
    cr_conv_params params = {channels,
                             kernel,
                             stride,
                             kernel / 2,
                             .batch_norm = true,
                             .relu = end == RELU && !b->smooth,
                             .add = add,
                             .name = name,
                             .bn_name = bn_name};
    expect_ok(cr_net_add_conv(b->net, src, &params, &b->at));
    return b->at;
}

static int conv_bias(builder *b, int src, int64_t channels, int64_t kernel, int64_t padding, bool bias, conv_end end)
{
    char name[64];
    snprintf(name, sizeof name, "image.c%d", b->net->n_layers);
    cr_conv_params params = {channels,  kernel,      1, padding, .bias = bias, .relu = end == RELU && !b->smooth,
                             .add = -1, .name = name};
    expect_ok(cr_net_add_conv(b->net, src, &params, &b->at));
    return b->at;
}

/* In a smooth net a convolution of the same shape stands in. */
static int max_pool(builder *b, int src, int64_t kernel, int64_t stride, int64_t padding)
{
    if (b->smooth)
        return conv_bn(b, src, b->net->values[src].channels, kernel | 1, stride, -1, PLAIN);
    expect_ok(cr_net_add_max_pool(b->net, src, kernel, stride, padding, &b->at));
    return b->at;
}

static int average_pool(builder *b)
{
    expect_ok(cr_net_add_global_average_pool(b->net, b->at, &b->at));
    return b->at;
}

static int dense(builder *b, int src, int64_t out, conv_end end)
{
    char name[64];
    snprintf(name, sizeof name, "head.%d", b->net->n_layers);
    expect_ok(cr_net_add_dense(b->net, src, out, end == RELU && !b->smooth, name, &b->at));
    return b->at;
}

static int dropout(builder *b, double probability)
{
    char name[64];
    snprintf(name, sizeof name, "head.%d", b->net->n_layers);
    expect_ok(cr_net_add_dropout(b->net, b->at, probability, name, &b->at));
    return b->at;
}

static void build_stem(builder *b)
{
    start(b, 19, 0);
    conv_bn(b, b->at, 5, 7, 2, -1, RELU);
    max_pool(b, b->at, 3, 2, 1);
    conv_bn(b, b->at, 7, 3, 1, -1, RELU);
    average_pool(b);
    dense(b, b->at, 3, PLAIN);
}

static void build_basic_block(builder *b)
{
    start(b, 9, 0);
    int x = conv_bn(b, b->at, 16, 3, 1, -1, RELU);
    int inner = conv_bn(b, x, 16, 3, 1, -1, RELU);
    conv_bn(b, inner, 16, 3, 1, x, RELU);
    average_pool(b);
    dense(b, b->at, 4, PLAIN);
}

static void build_downsample(builder *b)
{
    start(b, 10, 0);
    int x = conv_bn(b, b->at, 16, 3, 1, -1, RELU);
    int inner = conv_bn(b, x, 32, 3, 2, -1, RELU);
    int skip = conv_bn(b, x, 32, 1, 2, -1, PLAIN);
    conv_bn(b, inner, 32, 3, 1, skip, RELU);
    average_pool(b);
    dense(b, b->at, 2, PLAIN);
}

static void build_odd_channels(builder *b)
{
    start(b, 11, 0);
    int x = conv_bn(b, b->at, 17, 3, 1, -1, RELU);
    int inner = conv_bn(b, x, 19, 1, 1, -1, RELU);
    inner = conv_bn(b, inner, 17, 3, 2, -1, RELU);
    int skip = conv_bn(b, x, 17, 1, 2, -1, PLAIN);
    conv_bn(b, inner, 17, 3, 1, skip, PLAIN);
    average_pool(b);
    dense(b, b->at, 5, PLAIN);
}

static void build_bias(builder *b)
{
    start(b, 8, 0);
    conv_bias(b, b->at, 6, 3, 0, true, RELU);
    conv_bias(b, b->at, 16, 3, 1, false, RELU);
    conv_bias(b, b->at, 16, 5, 2, true, PLAIN);
    max_pool(b, b->at, 2, 2, 0);
    dense(b, b->at, 3, PLAIN); /* reads planes: flattened as channel, row, column */
}

/* One value with four readers, among them two convolutions and an addition. */
static void build_fan_out(builder *b)
{
    start(b, 7, 0);
    int x = conv_bn(b, b->at, 8, 3, 1, -1, RELU);
    int one = conv_bn(b, x, 8, 1, 1, x, RELU);
    int two = conv_bn(b, x, 8, 3, 1, one, RELU);
    conv_bn(b, two, 8, 3, 1, x, PLAIN);
    average_pool(b);
    dense(b, b->at, 2, PLAIN);
}

static void build_wide(builder *b)
{
    start(b, 13, 0);
    int x = conv_bn(b, b->at, 32, 3, 2, -1, RELU);
    int inner = conv_bn(b, x, 64, 3, 1, -1, RELU);
    conv_bn(b, inner, 32, 3, 1, x, RELU);
    average_pool(b);
    dense(b, b->at, 6, PLAIN);
}

static void build_metadata(builder *b)
{
    start(b, 0, 9);
    dense(b, b->at, 20, RELU);
    dropout(b, 0.3);
    dense(b, b->at, 33, RELU);
    dropout(b, 0.5);
    dense(b, b->at, 4, PLAIN);
}

static void build_fusion(builder *b)
{
    start(b, 12, 5);
    conv_bn(b, CR_VALUE_IMAGE, 16, 7, 2, -1, RELU);
    max_pool(b, b->at, 3, 2, 1);
    conv_bn(b, b->at, 24, 3, 1, -1, RELU);
    int image = average_pool(b);
    int table = dense(b, CR_VALUE_METADATA, 7, RELU);
    expect_ok(cr_net_add_concat(b->net, image, table, &b->at));
    dense(b, b->at, 18, RELU);
    dropout(b, 0.25);
    dense(b, b->at, 5, PLAIN);
}

/* The table's columns go into the concat as they are, behind a dropout of the image branch. */
static void build_raw_table(builder *b)
{
    start(b, 5, 3);
    conv_bn(b, CR_VALUE_IMAGE, 4, 3, 1, -1, RELU);
    average_pool(b);
    int image = dropout(b, 0.5);
    expect_ok(cr_net_add_concat(b->net, image, CR_VALUE_METADATA, &b->at));
    dense(b, b->at, 2, PLAIN);
}

/* Stems over an even number of pixels, which a backend may take in blocks; both read one image. */
static void build_two_stems(builder *b, int64_t first_kernel)
{
    start(b, 14, 0);
    int one = conv_bn(b, CR_VALUE_IMAGE, 6, first_kernel, 2, -1, RELU);
    int two = conv_bn(b, CR_VALUE_IMAGE, 6, 5, 2, one, RELU);
    conv_bn(b, two, 10, 3, 1, -1, RELU);
    average_pool(b);
    dense(b, b->at, 3, PLAIN);
}

static void build_like_stems(builder *b)
{
    build_two_stems(b, 5);
}

static void build_unlike_stems(builder *b)
{
    build_two_stems(b, 3);
}

static const struct {
    const char *name;
    void (*build)(builder *b);
    int64_t n; /* micro-batch */
} nets[] = {{"7x7 stride 2, pool", build_stem, 3},
            {"basic block", build_basic_block, 2},
            {"downsample block", build_downsample, 4},
            {"channels no multiple of 16", build_odd_channels, 3},
            {"bias, no norm, flattened planes", build_bias, 1},
            {"a value with four readers", build_fan_out, 5},
            {"wide, one sample", build_wide, 1},
            {"table only, dropout", build_metadata, 5},
            {"image and table", build_fusion, 4},
            {"raw table columns", build_raw_table, 2},
            {"two stems alike", build_like_stems, 3},
            {"two stems unlike", build_unlike_stems, 3}};

int suite_n_nets(void)
{
    return (int)(sizeof nets / sizeof *nets);
}

/* Statistics other than 0 and 1, or evaluation would not show whether they are used. */
static void draw_statistics(cr_rng *rng, const cr_net *net, float *state)
{
    for (int t = net->n_param_tensors; t < net->n_tensors; t++)
        for (int64_t i = 0; i < net->tensors[t].count; i++) {
            float u = cr_rng_uniform(rng);
            state[net->tensors[t].offset + i] = net->tensors[t].role == CR_TENSOR_BN_MEAN ? 0.6F * u - 0.3F : 0.5F + u;
        }
}

static void draw_inputs(cr_rng *rng, suite_case *c)
{
    const cr_net *net = c->net;
    int64_t n_bytes = c->n * net->image_size * net->image_size * 3;
    c->images = calloc((size_t)n_bytes + 1, 1);
    c->metadata = aligned_floats(c->n * net->n_features);
    c->labels = calloc((size_t)c->n, sizeof *c->labels);
    c->samples = calloc((size_t)c->n, sizeof *c->samples);
    c->augments = calloc((size_t)c->n, sizeof *c->augments);
    c->class_weights = aligned_floats(net->n_classes);
    assert_true(c->images && c->labels && c->samples && c->augments);
    for (int64_t i = 0; i < n_bytes; i++)
        c->images[i] = (uint8_t)cr_rng_below(rng, 256);
    for (int64_t i = 0; i < c->n * net->n_features; i++)
        c->metadata[i] = 4 * cr_rng_uniform(rng) - 2;
    for (int64_t i = 0; i < net->n_classes; i++)
        c->class_weights[i] = 0.25F + 2 * cr_rng_uniform(rng);
    double weight_sum = 0.7; /* of other micro-batches of the global batch */
    for (int64_t i = 0; i < c->n; i++) {
        c->labels[i] = (int32_t)cr_rng_below(rng, (uint64_t)net->n_classes);
        c->samples[i] = (int64_t)cr_rng_below(rng, 100000);
        c->augments[i].hflip = cr_rng_below(rng, 2);
        weight_sum += (double)c->class_weights[c->labels[i]];
    }
    c->loss = (cr_loss){.class_weights = c->class_weights, .label_smoothing = 0.1, .weight_sum = weight_sum};
}

void suite_case_open(int index, uint64_t seed, bool smooth, suite_case *opened)
{
    builder b = {.smooth = smooth};
    nets[index].build(&b);
    expect_ok(cr_net_finish(b.net));
    *opened = (suite_case){.net = b.net, .n = nets[index].n};
    snprintf(opened->name, sizeof opened->name, "%s%s", nets[index].name, smooth ? " (smooth)" : "");
    for (int l = 0; l < b.net->n_layers; l++)
        opened->n_weighted += b.net->layers[l].weight >= 0;
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 0, (uint64_t)index);
    opened->state = aligned_floats(b.net->n_params + b.net->n_stats);
    formula_state(b.net, seed, opened->state);
    draw_statistics(&rng, b.net, opened->state);
    draw_inputs(&rng, opened);
    opened->batch = (cr_batch){.images = b.net->uses_image ? opened->images : NULL,
                               .metadata = b.net->uses_metadata ? opened->metadata : NULL,
                               .augments = opened->augments,
                               .labels = opened->labels,
                               .samples = opened->samples,
                               .seed = seed,
                               .epoch = 3,
                               .state_version = seed + 1,
                               .loss = &opened->loss};
}

/* Halves mixed by a share, the others by a box; the last sample is left as it is. */
static void mix_case(suite_case *c)
{
    int64_t n_classes = c->net->n_classes;
    int32_t side = c->net->uses_image ? (int32_t)c->net->image_size : 3;
    c->mixes = calloc((size_t)c->n, sizeof *c->mixes);
    c->targets = calloc((size_t)(c->n * n_classes), sizeof *c->targets);
    assert_true(c->mixes && c->targets);
    for (int64_t i = 0; i < c->n; i++) {
        cr_mix *mix = &c->mixes[i];
        *mix = (cr_mix){.partner = (int32_t)((i + c->n - 1) % c->n), .share = i + 1 == c->n ? 1 : 0.3F};
        if (i % 2 == 1 && i + 1 < c->n)
            mix->box = (cr_box){1, 0, side - 1, (side + 1) / 2};
        c->targets[i * n_classes + c->labels[i]] += mix->share;
        c->targets[i * n_classes + c->labels[mix->partner]] += 1 - mix->share;
    }
    c->batch.mixes = c->mixes;
    c->batch.targets = c->targets;
    c->loss.focal_gamma = 1.5;
}

void suite_case_vary(suite_case *c, suite_variant variant)
{
    static const char *const names[SUITE_N_VARIANTS] = {"", ", frozen", ", mixed"};
    snprintf(c->name + strlen(c->name), sizeof c->name - strlen(c->name), "%s", names[variant]);
    if (variant == SUITE_FROZEN)
        c->frozen_layers = (c->net->n_layers + 1) / 2;
    if (variant == SUITE_MIXED)
        mix_case(c);
}

void suite_case_close(suite_case *opened)
{
    cr_net_destroy(&opened->net);
    free(opened->state);
    free(opened->images);
    free(opened->metadata);
    free(opened->labels);
    free(opened->samples);
    free(opened->augments);
    free(opened->class_weights);
    free(opened->targets);
    free(opened->mixes);
    *opened = (suite_case){0};
}

static double margin_of(suite_case *c)
{
    cr_backend *backend = NULL;
    cr_program *program = NULL;
    cr_program_params params = {
        .micro_batch = c->n, .training = true, .n_threads = 1, .frozen_layers = c->frozen_layers};
    float *gradient = aligned_floats(c->net->n_params + c->net->n_stats);
    float *logits = aligned_floats(c->n * c->net->n_classes);
    double *losses = calloc((size_t)c->n, sizeof *losses);
    assert_non_null(losses);
    expect_ok(reference_backend_open(&backend));
    expect_ok(cr_program_create(backend, c->net, &params, &program));
    expect_ok(cr_program_train(program, c->state, &c->batch, gradient, &(cr_batch_result){logits, losses}));
    double margin = reference_margin(program);
    cr_program_destroy(&program);
    cr_backend_close(&backend);
    free(gradient);
    free(logits);
    free(losses);
    return margin;
}

void suite_case_open_sharp(int index, suite_variant variant, double margin, suite_case *opened)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        suite_case_open(index, seed, false, opened);
        suite_case_vary(opened, variant);
        if (margin_of(opened) > margin)
            return;
        suite_case_close(opened);
    }
    fail_msg("no seed keeps net %s clear of every kink", nets[index].name);
}
