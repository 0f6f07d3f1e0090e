/* Times whole steps of ResNet-18 + metadata on the CPU backend, on random pixels in memory: what the arithmetic alone
 * costs. Training: forward, backward, gradient tree, AdamW. Each worker is a thread with its own program. */
#include "crisol/backend.h"
#include "crisol/clock.h"
#include "crisol/comm.h"
#include "crisol/optim.h"
#include "crisol/reduce.h"
#include "crisol/rng.h"
#include "crisol/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    CLASSES = 8,
    FEATURES = 3,
    MAX_STEPS = 1000
};

typedef struct bench {
    cr_program_params params;
    int64_t batch, size;
    int n_workers, n_steps;
    bool describe;
    cr_backend *backend;
    cr_net *net;
    cr_comm *comm;
    cr_reducer *reducer;
    cr_workers *workers;
    cr_program **programs;
    float *state, *moments[CR_OPTIMIZER_MAX_MOMENTS], *logits, *metadata;
    double *losses;
    uint8_t *images;
    int32_t *labels;
    int64_t *samples;
    uint64_t version;
    const float *gradient;
} bench;

static int usage(void)
{
    fprintf(stderr, "usage: step_bench [train|eval] [--precision f32|bf16] [--convolution auto|direct] [--batch 32]\n"
                    "       [--micro-batch 8] [--workers 2] [--threads 1] [--size 224] [--steps 9] [--profile] "
                    "[--describe]\n");
    return 64;
}

static bool parse(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(key, "train") == 0 || strcmp(key, "eval") == 0) {
            b->params.training = *key == 't';
            continue;
        }
        if (strcmp(key, "--profile") == 0) {
            b->params.profile = true;
            continue;
        }
        if (strcmp(key, "--describe") == 0) {
            b->describe = true;
            continue;
        }
        int number = atoi(value);
        if (strcmp(key, "--precision") == 0)
            b->params.precision = strcmp(value, "bf16") == 0 ? CR_PRECISION_BF16 : CR_PRECISION_F32;
        else if (strcmp(key, "--convolution") == 0)
            b->params.convolution = strcmp(value, "direct") == 0 ? CR_CONVOLUTION_DIRECT : CR_CONVOLUTION_AUTO;
        else if (strcmp(key, "--batch") == 0)
            b->batch = number;
        else if (strcmp(key, "--micro-batch") == 0)
            b->params.micro_batch = number;
        else if (strcmp(key, "--workers") == 0)
            b->n_workers = number;
        else if (strcmp(key, "--threads") == 0)
            b->params.n_threads = number;
        else if (strcmp(key, "--size") == 0)
            b->size = number;
        else if (strcmp(key, "--steps") == 0)
            b->n_steps = number;
        else
            return false;
        i++;
    }
    return b->batch > 0 && b->params.micro_batch > 0 && b->batch % b->params.micro_batch == 0 && b->n_workers > 0 &&
           b->n_steps > 0 && b->n_steps <= MAX_STEPS && b->params.n_threads > 0;
}

static void *room(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(70);
    }
    memset(memory, 0, bytes);
    return memory;
}

static cr_status fill(bench *b)
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
    CR_TRY(cr_net_create_fusion(&fusion, &b->net));
    CR_TRY(cr_backend_open_cpu(&b->backend));
    size_t n_state = (size_t)(b->net->n_params + b->net->n_stats), batch = (size_t)b->batch;
    size_t pixels = batch * (size_t)(b->size * b->size * 3);
    b->state = room(n_state * sizeof(float));
    float *canonical = room(n_state * sizeof(float));
    cr_net_init_state(b->net, 1, canonical);
    status = cr_backend_state_import(b->backend, b->net, canonical, b->state);
    free(canonical);
    if (status != CR_OK)
        return status;
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS && b->params.training; m++)
        b->moments[m] = room(n_state * sizeof(float));
    b->images = room(pixels);
    b->metadata = room(batch * FEATURES * sizeof(float));
    b->labels = room(batch * sizeof *b->labels);
    b->samples = room(batch * sizeof *b->samples);
    b->logits = room(batch * CLASSES * sizeof(float));
    b->losses = room(batch * sizeof(double));
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (size_t i = 0; i < pixels; i++)
        b->images[i] = (uint8_t)(cr_rng_u32(&rng) >> 24);
    for (size_t i = 0; i < batch * FEATURES; i++)
        b->metadata[i] = cr_rng_uniform(&rng) - 0.5f;
    for (int64_t i = 0; i < b->batch; i++) {
        b->samples[i] = i;
        b->labels[i] = (int32_t)(i % CLASSES);
    }
done:
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

static cr_status work(void *context, int worker)
{
    bench *b = context;
    cr_status status = CR_OK;
    int64_t n = b->params.micro_batch, begin, end, image = b->size * b->size * 3;
    cr_share(b->batch / n, b->n_workers, worker, &begin, &end);
    cr_loss loss = {.label_smoothing = 0.05, .weight_sum = (double)b->batch};
    cr_tree_stack *stack = b->params.training ? cr_reducer_stack(b->reducer, worker) : NULL;
    if (stack)
        cr_tree_stack_reset(stack);
    for (int64_t m = begin; m < end; m++) {
        cr_batch batch = {.images = b->images + m * n * image,
                          .metadata = b->metadata + m * n * FEATURES,
                          .labels = b->labels + m * n,
                          .samples = b->samples + m * n,
                          .seed = 1,
                          .state_version = b->version,
                          .loss = &loss};
        cr_batch_result result = {.logits = b->logits + m * n * CLASSES, .losses = b->losses + m * n};
        if (!stack) {
            CR_TRY(cr_program_evaluate(b->programs[worker], b->state, &batch, result.logits));
            continue;
        }
        CR_TRY(cr_program_train(b->programs[worker], b->state, &batch, cr_tree_stack_leaf(stack), &result));
        CR_TRY(cr_tree_stack_push(stack));
    }
done:
    return status;
}

static cr_status update(void *context, int worker)
{
    bench *b = context;
    cr_optimizer_params params = {.kind = CR_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    cr_optimizer_span span = {.begin = 0, .end = b->net->n_params, .lr_factor = 1.0, .weight_decay = 1e-4};
    int64_t begin, end;
    cr_share(b->net->n_params / 16, b->n_workers, worker, &begin, &end);
    cr_optimizer_step(&params, &span, 1, begin * 16, end * 16, (int64_t)b->version, 1e-5, b->gradient, b->state,
                      b->moments);
    return CR_OK;
}

static cr_status step(bench *b, double *update_s)
{
    cr_status status = CR_OK;
    if (b->params.training)
        b->version++;
    CR_TRY(cr_workers_run(b->workers, work, b));
    double start = cr_clock_s();
    if (b->params.training) {
        CR_TRY(cr_reducer_sum(b->reducer, b->workers, &b->gradient));
        CR_TRY(cr_workers_run(b->workers, update, b));
    }
    *update_s = cr_clock_s() - start;
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
    double update_s = 0.0;
    CR_TRY(step(b, &update_s)); /* pages and caches */
    for (int s = 0; s < b->n_steps; s++) {
        double start = cr_clock_s();
        CR_TRY(step(b, &update_s));
        times[s] = cr_clock_s() - start;
    }
    qsort(times, (size_t)b->n_steps, sizeof *times, by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double median = times[b->n_steps / 2], batch = (double)b->batch;
    printf("%s %s %s, batch %lld, micro-batch %lld, %d workers of %d threads: median %.1f img/s, best %.1f img/s, "
           "reduce + update %.1f ms, peak %ld MB\n",
           b->params.training ? "train" : "eval", b->params.precision == CR_PRECISION_BF16 ? "bf16" : "f32",
           b->params.convolution == CR_CONVOLUTION_DIRECT ? "direct" : "auto", (long long)b->batch,
           (long long)b->params.micro_batch, b->n_workers, b->params.n_threads, batch / median, batch / times[0],
           update_s * 1e3, usage.ru_maxrss / 1024);
done:
    return status;
}

static cr_status run(bench *b)
{
    cr_status status = CR_OK;
    CR_TRY(fill(b));
    CR_TRY(cr_comm_open_serial(&b->comm));
    CR_TRY(cr_workers_create(b->n_workers, &b->workers));
    b->programs = calloc((size_t)b->n_workers, sizeof *b->programs);
    if (!b->programs)
        return cr_fail_memory("programs", (size_t)b->n_workers * sizeof *b->programs);
    if (b->params.training) {
        cr_reducer_params reduce = {.n = b->net->n_params + b->net->n_stats,
                                    .n_leaves = b->batch / b->params.micro_batch,
                                    .n_workers = b->n_workers};
        CR_TRY(cr_reducer_create(b->comm, &reduce, &b->reducer));
    }
    CR_TRY(cr_workers_run(b->workers, create, b));
    CR_TRY(measure(b));
    if (b->params.profile)
        cr_program_profile(b->programs[0]);
done:
    if (b->workers && b->programs && cr_workers_run(b->workers, destroy, b) != CR_OK)
        fprintf(stderr, "step_bench: %s\n", cr_error_message());
    return status;
}

int main(int argc, char **argv)
{
    bench b = {.params = {.micro_batch = 8, .training = true, .n_threads = 1},
               .batch = 32,
               .size = 224,
               .n_workers = 2,
               .n_steps = 9};
    if (!parse(&b, argc, argv))
        return usage();
    cr_status status = run(&b);
    if (status != CR_OK)
        fprintf(stderr, "step_bench: %s\n", cr_error_message());
    else
        printf("%s\n", cr_backend_library(b.backend));
    cr_reducer_destroy(&b.reducer);
    cr_workers_destroy(&b.workers);
    cr_comm_close(&b.comm);
    cr_backend_close(&b.backend);
    cr_net_destroy(&b.net);
    free(b.programs);
    return (int)status;
}
