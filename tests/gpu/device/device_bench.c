/* Images a second of one worker on ResNet-18 + metadata, from random pixels in memory: what the arithmetic alone costs.
 * Training: augmentation, forward, loss, backward, AdamW; one micro-batch a step, so that no gradient tree is in it.
 * One line of JSON. */
#include "crisol/backend.h"
#include "crisol/clock.h"
#include "crisol/optim.h"
#include "crisol/rng.h"
#include "crisol/workers.h"

#include "open_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLASSES = 8,
    FEATURES = 3,
    SIZE = 224,
    MAX_STEPS = 10000
};

typedef struct bench {
    const char *device;
    char label[160];
    cr_program_params params;
    bool augmented;
    int n_steps, n_warmup;
    cr_backend *backend;
    const cr_memory *memory;
    cr_workers *workers; /* of the update, where the backend leaves it to the host */
    cr_net *net;
    cr_program *program;
    float *state, *gradient, *moments[CR_OPTIMIZER_MAX_MOMENTS];
    float *logits, *metadata;
    double *losses;
    uint8_t *images;
    int32_t *labels;
    int64_t *samples;
    cr_augment *augments;
    uint64_t version;
} bench;

static int usage(void)
{
    fprintf(stderr, "usage: device_bench [train|eval] [--device cpu|cuda] [--precision f32|bf16] [--micro-batch 64]\n"
                    "       [--threads 1] [--steps 30] [--warmup 10] [--augment] [--profile]\n");
    return CR_USAGE;
}

static bool parse_value(bench *b, const char *key, const char *value)
{
    int number = atoi(value);
    if (strcmp(key, "--device") == 0)
        b->device = value;
    else if (strcmp(key, "--precision") == 0)
        b->params.precision = strcmp(value, "bf16") == 0 ? CR_PRECISION_BF16 : CR_PRECISION_F32;
    else if (strcmp(key, "--micro-batch") == 0)
        b->params.micro_batch = number;
    else if (strcmp(key, "--threads") == 0)
        b->params.n_threads = number;
    else if (strcmp(key, "--steps") == 0)
        b->n_steps = number;
    else if (strcmp(key, "--warmup") == 0)
        b->n_warmup = number;
    else
        return false;
    return true;
}

static bool parse(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "train") == 0 || strcmp(argv[i], "eval") == 0)
            b->params.training = argv[i][0] == 't';
        else if (strcmp(argv[i], "--augment") == 0)
            b->augmented = true;
        else if (strcmp(argv[i], "--profile") == 0)
            b->params.profile = true;
        else if (i + 1 == argc || !parse_value(b, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return b->params.micro_batch > 0 && b->params.n_threads > 0 && b->n_steps > 0 && b->n_steps <= MAX_STEPS &&
           b->n_warmup >= 0;
}

/* The host's arrays of one micro-batch. */
static cr_status make_batch(bench *b)
{
    size_t n = (size_t)b->params.micro_batch, pixels = n * SIZE * SIZE * 3;
    b->images = malloc(pixels);
    b->metadata = malloc(n * FEATURES * sizeof *b->metadata);
    b->labels = malloc(n * sizeof *b->labels);
    b->samples = malloc(n * sizeof *b->samples);
    b->augments = malloc(n * sizeof *b->augments);
    b->logits = malloc(n * CLASSES * sizeof *b->logits);
    b->losses = malloc(n * sizeof *b->losses);
    if (!b->images || !b->metadata || !b->labels || !b->samples || !b->augments || !b->logits || !b->losses)
        return cr_fail_memory("a micro-batch", pixels);
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (size_t i = 0; i < pixels; i++)
        b->images[i] = (uint8_t)(cr_rng_u32(&rng) >> 24);
    for (size_t i = 0; i < n * FEATURES; i++)
        b->metadata[i] = cr_rng_uniform(&rng) - 0.5f;
    for (size_t i = 0; i < n; i++) {
        b->samples[i] = (int64_t)i;
        b->labels[i] = (int32_t)(i % CLASSES);
    }
    return CR_OK;
}

static cr_status make_state(bench *b)
{
    cr_status status = CR_OK;
    int64_t n = b->net->n_params + b->net->n_stats;
    float *canonical = NULL;
    CR_TRY(cr_memory_allocate(cr_memory_host(), n, "the first weights", &canonical));
    cr_net_init_state(b->net, 1, canonical);
    CR_TRY(cr_memory_allocate(b->memory, n, "weights", &b->state));
    CR_TRY(cr_backend_state_import(b->backend, b->net, canonical, b->state));
    CR_TRY(cr_memory_allocate(b->memory, n, "a gradient", &b->gradient));
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++) {
        CR_TRY(cr_memory_allocate(b->memory, n, "moments", &b->moments[m]));
        CR_TRY(cr_memory_clear(b->memory, n, b->moments[m]));
    }
done:
    cr_memory_release(cr_memory_host(), &canonical);
    return status;
}

static cr_status make(bench *b)
{
    cr_status status = CR_OK;
    cr_fusion_params fusion = {.backbone = "resnet18",
                               .inputs = CR_INPUTS_BOTH,
                               .image_size = SIZE,
                               .n_features = FEATURES,
                               .n_classes = CLASSES,
                               .metadata_hidden = {32},
                               .n_metadata_hidden = 1,
                               .head_hidden = {256},
                               .n_head_hidden = 1,
                               .head_dropout = 0.5};
    CR_TRY(open_device(b->device, &b->backend, b->label));
    b->memory = cr_backend_memory(b->backend);
    CR_TRY(cr_workers_create(1, &b->workers));
    CR_TRY(cr_net_create_fusion(&fusion, &b->net));
    CR_TRY(make_batch(b));
    CR_TRY(make_state(b));
    CR_TRY(cr_program_create(b->backend, b->net, &b->params, &b->program));
done:
    return status;
}

static cr_status update(bench *b)
{
    const cr_optimizer_span span = {.begin = 0, .end = b->net->n_params, .lr_factor = 1.0, .weight_decay = 1e-4};
    cr_update update = {
        .optimizer = {.kind = CR_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .gradient_scale = 1.0},
        .spans = &span,
        .n_spans = 1,
        .step = (int64_t)b->version,
        .lr = 1e-5,
        .n_params = b->net->n_params,
        .n_stats = b->net->n_stats,
        .n_micro = 1,
        .gradient = b->gradient,
        .weights = b->state};
    memcpy(update.moments, b->moments, sizeof update.moments);
    return cr_backend_update(b->backend, b->workers, &update);
}

static cr_status step(bench *b)
{
    static const cr_augment_options options = {.size = SIZE,
                                               .hflip = 0.5,
                                               .rotate = 10,
                                               .translate = {0.02, 0.02},
                                               .scale = {0.95, 1.05},
                                               .brightness = 0.1,
                                               .contrast = 0.1,
                                               .saturation = 0.1,
                                               .hue = 0.02,
                                               .erase = 0.25,
                                               .erase_scale = {0.02, 0.2},
                                               .erase_ratio = {0.3, 3.3}};
    cr_status status = CR_OK;
    cr_loss loss = {.label_smoothing = 0.05, .weight_sum = (double)b->params.micro_batch};
    cr_batch batch = {.images = b->images,
                      .metadata = b->metadata,
                      .labels = b->labels,
                      .samples = b->samples,
                      .augments = b->augmented ? b->augments : NULL,
                      .seed = 1,
                      .state_version = b->version,
                      .loss = &loss};
    cr_batch_result result = {.logits = b->logits, .losses = b->losses};
    for (int64_t i = 0; b->augmented && i < b->params.micro_batch; i++)
        b->augments[i] = cr_augment_draw(&options, 1, b->version, (uint64_t)i);
    if (!b->params.training)
        return cr_program_evaluate(b->program, b->state, &batch, b->logits);
    CR_TRY(cr_program_train(b->program, b->state, &batch, b->gradient, &result));
    CR_TRY(cr_program_wait(b->program));
    b->version++;
    CR_TRY(update(b));
done:
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static cr_status measure(bench *b)
{
    cr_status status = CR_OK;
    static double times[MAX_STEPS];
    bool done = true;
    for (int s = 0; s < b->n_warmup; s++)
        CR_TRY(step(b));
    double all = cr_clock_s();
    for (int s = 0; s < b->n_steps; s++) {
        double start = cr_clock_s();
        CR_TRY(step(b));
        times[s] = cr_clock_s() - start;
    }
    do
        CR_TRY(cr_memory_poll(b->memory, &done)); /* the last update */
    while (!done);
    all = (cr_clock_s() - all) / b->n_steps;
    qsort(times, (size_t)b->n_steps, sizeof *times, by_value);
    double n = (double)b->params.micro_batch;
    printf("{\"what\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\", \"micro_batch\": %d, \"augmented\": %s, "
           "\"steps\": %d, \"images_per_s_median\": %.1f, \"images_per_s_mean\": %.1f, \"images_per_s_best\": %.1f}\n",
           b->params.training ? "train" : "eval", b->label, b->params.precision == CR_PRECISION_BF16 ? "bf16" : "f32",
           (int)b->params.micro_batch, b->augmented ? "true" : "false", b->n_steps, n / times[b->n_steps / 2], n / all,
           n / times[0]);
    if (b->params.profile)
        cr_program_profile(b->program);
done:
    return status;
}

int main(int argc, char **argv)
{
    bench b = {.device = "cuda",
               .params = {.micro_batch = 64, .training = true, .precision = CR_PRECISION_F32, .n_threads = 1},
               .n_steps = 30,
               .n_warmup = 10};
    if (!parse(&b, argc, argv))
        return usage();
    cr_status status = make(&b);
    if (status == CR_OK)
        status = measure(&b);
    int code = device_exit_code("device_bench", b.backend, status);
    cr_program_destroy(&b.program);
    float **arrays[] = {&b.state, &b.gradient, &b.moments[0], &b.moments[1]};
    for (size_t i = 0; b.backend && i < sizeof arrays / sizeof *arrays; i++)
        cr_memory_release(b.memory, arrays[i]);
    cr_workers_destroy(&b.workers);
    cr_net_destroy(&b.net);
    cr_backend_close(&b.backend);
    free(b.images);
    free(b.metadata);
    free(b.labels);
    free(b.samples);
    free(b.augments);
    free(b.logits);
    free(b.losses);
    return code;
}
