/* Images a second on ResNet-18 + metadata, from random pixels in memory: the host's, pinned for the device as the
 * loader's are or with --pageable ordinary, or with --kept the device's. What the arithmetic alone costs. Training:
 * augmentation, forward, loss, backward, gradient tree (of one leaf unless --batch is more than a micro-batch), AdamW.
 * One line of JSON. */
#include "crisol/backend.h"
#include "crisol/clock.h"
#include "crisol/comm.h"
#include "crisol/optim.h"
#include "crisol/reduce.h"
#include "crisol/rng.h"
#include "crisol/workers.h"

#include "open_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    CLASSES = 8,
    FEATURES = 3,
    MAX_STEPS = 10000
};

typedef struct bench {
    const char *device;
    char label[160];
    cr_program_params params;
    int64_t batch, size; /* samples a step; pixels */
    bool augmented, kept, pageable, measures;
    int n_workers, n_steps, n_warmup;
    cr_backend *backend;
    const cr_memory *memory;
    cr_comm *comm;
    cr_workers *workers;
    cr_reducer *reducer;
    cr_plans plans; /* empty where the fixed rule chooses the engines */
    cr_net *net;
    cr_program **programs; /* [n_workers] */
    float *state, *moments[CR_OPTIMIZER_MAX_MOMENTS];
    float *logits, *metadata;
    double *losses;
    float *images;      /* bytes */
    float *kept_images; /* the same, in the device's memory */
    int32_t *labels;
    int64_t *samples; /* numbers of the samples, and their places there */
    cr_augment *augments;
    cr_loss loss;
    uint64_t version;
    double update_s; /* of the latest step: gradient tree and update */
} bench;

static int usage(void)
{
    fprintf(stderr,
            "usage: device_bench [train|eval] [--device cpu|cuda] [--precision f32|bf16] [--micro-batch 64]\n"
            "       [--batch MICRO_BATCH] [--workers 1] [--threads 1] [--convolution auto|direct] [--size 224]\n"
            "       [--steps 30] [--warmup 10] [--augment] [--kept|--pageable] [--profile] [--plans rule|measure]\n");
    return CR_USAGE;
}

static bool parse_value(bench *b, const char *key, const char *value)
{
    int number = atoi(value);
    if (strcmp(key, "--device") == 0)
        b->device = value;
    else if (strcmp(key, "--precision") == 0)
        b->params.precision = strcmp(value, "bf16") == 0 ? CR_PRECISION_BF16 : CR_PRECISION_F32;
    else if (strcmp(key, "--convolution") == 0)
        b->params.convolution = strcmp(value, "direct") == 0 ? CR_CONVOLUTION_DIRECT : CR_CONVOLUTION_AUTO;
    else if (strcmp(key, "--micro-batch") == 0)
        b->params.micro_batch = number;
    else if (strcmp(key, "--batch") == 0)
        b->batch = number;
    else if (strcmp(key, "--size") == 0)
        b->size = number;
    else if (strcmp(key, "--workers") == 0)
        b->n_workers = number;
    else if (strcmp(key, "--threads") == 0)
        b->params.n_threads = number;
    else if (strcmp(key, "--plans") == 0)
        b->measures = strcmp(value, "measure") == 0;
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
        else if (strcmp(argv[i], "--kept") == 0)
            b->kept = true;
        else if (strcmp(argv[i], "--pageable") == 0)
            b->pageable = true;
        else if (strcmp(argv[i], "--profile") == 0)
            b->params.profile = true;
        else if (i + 1 == argc || !parse_value(b, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    if (b->batch == 0)
        b->batch = b->params.micro_batch;
    return b->params.micro_batch > 0 && b->batch > 0 && b->batch % b->params.micro_batch == 0 && b->n_workers > 0 &&
           b->params.n_threads > 0 && b->n_steps > 0 && b->n_steps <= MAX_STEPS && b->n_warmup >= 0;
}

/* The host's arrays of one step. */
static cr_status make_batch(bench *b)
{
    size_t n = (size_t)b->batch, pixels = n * (size_t)(b->size * b->size * 3);
    const cr_memory *memory = b->pageable ? cr_memory_host() : b->memory;
    cr_status status = cr_memory_allocate_pinned(memory, (int64_t)(pixels + 3) / 4, "images", &b->images);
    if (status != CR_OK)
        return status;
    b->metadata = malloc(n * FEATURES * sizeof *b->metadata);
    b->labels = malloc(n * sizeof *b->labels);
    b->samples = malloc(n * sizeof *b->samples);
    b->augments = malloc(n * sizeof *b->augments);
    b->logits = malloc(n * CLASSES * sizeof *b->logits);
    b->losses = malloc(n * sizeof *b->losses);
    if (!b->metadata || !b->labels || !b->samples || !b->augments || !b->logits || !b->losses)
        return cr_fail_memory("a batch", pixels);
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (size_t i = 0; i < pixels; i++)
        ((uint8_t *)b->images)[i] = (uint8_t)(cr_rng_u32(&rng) >> 24);
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
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS && b->params.training; m++) {
        CR_TRY(cr_memory_allocate(b->memory, n, "moments", &b->moments[m]));
        CR_TRY(cr_memory_clear(b->memory, n, b->moments[m]));
    }
done:
    cr_memory_release(cr_memory_host(), &canonical);
    return status;
}

static cr_status create(void *context, int worker)
{
    bench *b = context;
    return cr_program_create(b->backend, b->net, &b->params, &b->programs[worker]);
}

static cr_status destroy(void *context, int worker)
{
    bench *b = context;
    cr_program_destroy(&b->programs[worker]);
    return CR_OK;
}

static cr_status keep_images(bench *b)
{
    cr_status status = CR_OK;
    int64_t n = b->batch * b->size * b->size * 3 / (int64_t)sizeof(float);
    if (!cr_backend_keeps_images(b->backend))
        return cr_fail(CR_USAGE, "--kept: %s keeps no images", b->label);
    CR_TRY(cr_memory_allocate(b->memory, n, "images", &b->kept_images));
    CR_TRY(cr_memory_write(b->memory, b->images, n, b->kept_images));
done:
    return status;
}

static cr_status make(bench *b)
{
    cr_status status = CR_OK;
    cr_fusion_params fusion = {.backbone = "resnet18",
                               .inputs = CR_INPUTS_BOTH,
                               .image_size = b->size,
                               .n_features = FEATURES,
                               .n_classes = CLASSES,
                               .metadata_hidden = {32},
                               .n_metadata_hidden = 1,
                               .head_hidden = {256},
                               .n_head_hidden = 1,
                               .head_dropout = 0.5};
    CR_TRY(open_device(b->device, &b->backend, b->label));
    b->memory = cr_backend_memory(b->backend);
    b->loss = (cr_loss){.label_smoothing = 0.05, .weight_sum = (double)b->batch};
    CR_TRY(cr_comm_open_serial(&b->comm));
    CR_TRY(cr_net_create_fusion(&fusion, &b->net));
    CR_TRY(make_batch(b));
    if (b->kept)
        CR_TRY(keep_images(b));
    CR_TRY(make_state(b));
    if (b->measures)
        cr_backend_use_plans(b->backend, &b->plans, true);
    cr_reducer_params reduce = {.n = b->net->n_params + b->net->n_stats,
                                .n_leaves = b->batch / b->params.micro_batch,
                                .n_workers = b->n_workers,
                                .memory = b->memory};
    if (b->params.training)
        CR_TRY(cr_reducer_create(b->comm, &reduce, &b->reducer));
    b->programs = calloc((size_t)b->n_workers, sizeof(cr_program *));
    if (!b->programs)
        return cr_fail_memory("programs", (size_t)b->n_workers * sizeof(cr_program *));
    CR_TRY(cr_workers_create(b->n_workers, &b->workers));
    CR_TRY(cr_workers_run(b->workers, create, b));
done:
    return status;
}

static cr_status update(bench *b, const float *gradient)
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
        .n_micro = b->batch / b->params.micro_batch,
        .gradient = gradient,
        .weights = b->state};
    memcpy(update.moments, b->moments, sizeof update.moments);
    return cr_backend_update(b->backend, b->workers, &update);
}

/* The samples from `first` on through a worker's program. */
static cr_status run_micro_batch(bench *b, int worker, int64_t first, float *gradient)
{
    const cr_augment_options options = {.size = b->size,
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
    const uint8_t *images = (const uint8_t *)(b->kept ? b->kept_images : b->images);
    cr_batch batch = {.images = b->kept ? images : images + first * b->size * b->size * 3,
                      .images_pinned = !b->pageable,
                      .places = b->kept ? b->samples + first : NULL,
                      .metadata = b->metadata + first * FEATURES,
                      .labels = b->labels + first,
                      .samples = b->samples + first,
                      .augments = b->augmented ? b->augments + first : NULL,
                      .seed = 1,
                      .state_version = b->version,
                      .loss = &b->loss};
    cr_batch_result result = {.logits = b->logits + first * CLASSES, .losses = b->losses + first};
    for (int64_t i = first; b->augmented && i < first + b->params.micro_batch; i++)
        b->augments[i] = cr_augment_draw(&options, 1, b->version, (uint64_t)i);
    if (!gradient)
        return cr_program_evaluate(b->programs[worker], b->state, &batch, result.logits);
    return cr_program_train(b->programs[worker], b->state, &batch, gradient, &result);
}

static cr_status work(void *context, int worker)
{
    bench *b = context;
    cr_status status = CR_OK;
    int64_t begin, end;
    cr_tree_stack *stack = b->params.training ? cr_reducer_stack(b->reducer, worker) : NULL;
    cr_share(b->batch / b->params.micro_batch, b->n_workers, worker, &begin, &end);
    if (stack)
        cr_tree_stack_reset(stack);
    for (int64_t m = begin; m < end; m++) {
        CR_TRY(run_micro_batch(b, worker, m * b->params.micro_batch, stack ? cr_tree_stack_leaf(stack) : NULL));
        if (stack)
            CR_TRY(cr_tree_stack_push(stack));
    }
    CR_TRY(cr_program_wait(b->programs[worker]));
done:
    return status;
}

static cr_status step(bench *b)
{
    cr_status status = CR_OK;
    const float *gradient;
    CR_TRY(cr_workers_run(b->workers, work, b));
    if (!b->params.training)
        goto done;
    double start = cr_clock_s();
    b->version++;
    CR_TRY(cr_reducer_sum(b->reducer, b->workers, &gradient));
    CR_TRY(update(b, gradient));
    b->update_s = cr_clock_s() - start;
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
    double n = (double)b->batch;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"what\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\", \"batch\": %d, \"micro_batch\": %d, "
           "\"workers\": %d, \"augmented\": %s, \"kept\": %s, \"pinned\": %s, \"plans\": \"%s\", \"steps\": %d, "
           "\"images_per_s_median\": %.1f, "
           "\"images_per_s_mean\": %.1f, \"images_per_s_best\": %.1f, \"update_ms\": %.2f, \"peak_mb\": %ld}\n",
           b->params.training ? "train" : "eval", b->label, b->params.precision == CR_PRECISION_BF16 ? "bf16" : "f32",
           (int)b->batch, (int)b->params.micro_batch, b->n_workers, b->augmented ? "true" : "false",
           b->kept ? "true" : "false", b->pageable || cr_memory_is_host(b->memory) ? "false" : "true",
           b->measures ? "measure" : "rule", b->n_steps, n / times[b->n_steps / 2], n / all, n / times[0],
           b->update_s * 1e3, usage.ru_maxrss / 1024);
    if (b->params.profile)
        cr_program_profile(b->programs[0]);
done:
    return status;
}

int main(int argc, char **argv)
{
    bench b = {.device = "cuda",
               .params = {.micro_batch = 64, .training = true, .precision = CR_PRECISION_F32, .n_threads = 1},
               .size = 224,
               .n_workers = 1,
               .n_steps = 30,
               .n_warmup = 10};
    if (!parse(&b, argc, argv))
        return usage();
    cr_status status = make(&b);
    if (status == CR_OK)
        status = measure(&b);
    int code = device_exit_code("device_bench", b.backend, status);
    if (b.workers && cr_workers_run(b.workers, destroy, &b) != CR_OK)
        fprintf(stderr, "device_bench: %s\n", cr_error_message());
    cr_reducer_destroy(&b.reducer);
    if (b.backend)
        cr_memory_release_pinned(b.pageable ? cr_memory_host() : b.memory, &b.images);
    float **arrays[] = {&b.state, &b.moments[0], &b.moments[1], &b.kept_images};
    for (size_t i = 0; b.backend && i < sizeof arrays / sizeof *arrays; i++)
        cr_memory_release(b.memory, arrays[i]);
    cr_workers_destroy(&b.workers);
    cr_comm_close(&b.comm);
    cr_net_destroy(&b.net);
    cr_backend_close(&b.backend);
    free(b.programs);
    cr_plans_clear(&b.plans);
    free(b.metadata);
    free(b.labels);
    free(b.samples);
    free(b.augments);
    free(b.logits);
    free(b.losses);
    return code;
}
