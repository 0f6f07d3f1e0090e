/* One training step of ResNet-18 with a table on 64 x 64 pixels, by formula, and whether it comes out right. */
#include "doctor.h"

#include "crisol/clock.h"
#include "crisol/net.h"
#include "crisol/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 64, /* the last stage has 2 x 2 pixels: its batch norms see 4 x BATCH numbers */
    BATCH = 6,
    FEATURES = 3,
    CLASSES = 4,
    IMAGE = SIDE * SIDE * 3
};

/* What another order of sums, Winograd or bf16 may change. A wrong kernel is off by its own size.
 *
 * Measured with oneDNN 2.6 (Zen 4): float32 by 2e-7, 3e-7 and 2e-6; bf16, whose numbers have 8 bits, by 1e-3, 5e-3 and
 * 0.33. The last is the relative error of the whole gradient, which 20 batch norms over few numbers and ReLUs that fall
 * on the other side of their kink make 40 to 80 times as large as that of a number (6e-8, 4e-3), in both. float32 has
 * three orders of magnitude left for kernels that order otherwise; in bf16 the gradient's direction says little, its
 * length and the loss say enough. */
typedef struct tolerance {
    double loss, norm, projection; /* relative; the projection to the norm */
} tolerance;
static const tolerance tolerance_f32 = {1e-3, 1e-3, 1e-3}, tolerance_bf16 = {0.02, 0.1, 1};

typedef struct work {
    cr_net *net;
    cr_program *program;
    float *canonical, *native, *gradient;
    uint8_t images[BATCH * IMAGE];
    float metadata[BATCH * FEATURES], logits[BATCH * CLASSES];
    double losses[BATCH];
    int32_t labels[BATCH];
    int64_t samples[BATCH];
} work;

static void fill(work *w)
{
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < BATCH * IMAGE; i++)
        w->images[i] = (uint8_t)(cr_rng_u32(&rng) >> 24);
    for (int i = 0; i < BATCH * FEATURES; i++)
        w->metadata[i] = cr_rng_uniform(&rng) - 0.5f;
    for (int i = 0; i < BATCH; i++) {
        w->labels[i] = i % CLASSES;
        w->samples[i] = i;
    }
}

static cr_status make_net(const cr_memory *memory, work *w)
{
    cr_fusion_params params = {.backbone = "resnet18",
                               .inputs = CR_INPUTS_BOTH,
                               .image_size = SIDE,
                               .n_features = FEATURES,
                               .n_classes = CLASSES,
                               .metadata_hidden = {8},
                               .n_metadata_hidden = 1,
                               .head_hidden = {16},
                               .n_head_hidden = 1};
    cr_status status = CR_OK;
    CR_TRY(cr_net_create_fusion(&params, &w->net));
    int64_t n = w->net->n_params + w->net->n_stats;
    CR_TRY(cr_memory_allocate(cr_memory_host(), n, "a small network", &w->canonical));
    CR_TRY(cr_memory_allocate(memory, n, "a small network", &w->native));
    CR_TRY(cr_memory_allocate(memory, n, "a small network's gradient", &w->gradient));
    cr_net_init_state(w->net, 1, w->canonical);
done:
    return status;
}

static void sum_up(const work *w, cr_doctor_numbers *numbers)
{
    double squares = 0;
    *numbers = (cr_doctor_numbers){0, 0, 0};
    for (int i = 0; i < BATCH; i++)
        numbers->loss += w->losses[i] / BATCH;
    for (int64_t i = 0; i < w->net->n_params; i++) {
        double g = (double)w->canonical[i];
        uint64_t mixed = (uint64_t)i * 0x9E3779B97F4A7C15u;
        squares += g * g;
        numbers->projection += mixed >> 63 ? g : -g;
    }
    numbers->norm = sqrt(squares);
}

cr_status cr_doctor_step(cr_backend *backend, cr_precision precision, cr_doctor_numbers *numbers)
{
    cr_status status = CR_OK;
    work *w = calloc(1, sizeof *w);
    if (!w)
        return cr_fail_memory("a small batch", sizeof *w);
    const cr_memory *memory = cr_backend_memory(backend);
    fill(w);
    CR_TRY(make_net(memory, w));
    cr_program_params params = {.micro_batch = BATCH, .training = true, .precision = precision, .n_threads = 1};
    cr_loss loss = {.label_smoothing = 0.05, .weight_sum = BATCH};
    cr_batch batch = {.images = w->images,
                      .metadata = w->metadata,
                      .labels = w->labels,
                      .samples = w->samples,
                      .seed = 1,
                      .state_version = 1,
                      .loss = &loss};
    cr_batch_result result = {w->logits, w->losses};
    CR_TRY(cr_backend_state_import(backend, w->net, w->canonical, w->native));
    CR_TRY(cr_program_create(backend, w->net, &params, &w->program));
    CR_TRY(cr_program_train(w->program, w->native, &batch, w->gradient, &result));
    CR_TRY(cr_program_wait(w->program));
    CR_TRY(cr_backend_state_export(backend, w->net, w->gradient, w->canonical));
    sum_up(w, numbers);
done:
    cr_program_destroy(&w->program);
    cr_net_destroy(&w->net);
    cr_memory_release(cr_memory_host(), &w->canonical);
    cr_memory_release(memory, &w->native);
    cr_memory_release(memory, &w->gradient);
    free(w);
    return status;
}

const cr_doctor_numbers cr_doctor_expected = {.loss = 1.35216921, .norm = 13.012001, .projection = -14.1302346};

/* 1: as far from the reference as is allowed. */
static double distance(const cr_doctor_numbers *found, const tolerance *allowed)
{
    const cr_doctor_numbers *right = &cr_doctor_expected;
    if (!isfinite(found->loss + found->norm + found->projection))
        return INFINITY; /* fmax() passes NaN over */
    double loss = fabs(found->loss - right->loss) / right->loss;
    double norm = fabs(found->norm - right->norm) / right->norm;
    double projection = fabs(found->projection - right->projection) / right->norm;
    return fmax(loss / allowed->loss, fmax(norm / allowed->norm, projection / allowed->projection));
}

static void try_precision(cr_doctor *doctor, const char *name, cr_backend *backend, cr_precision precision)
{
    char what[32];
    cr_doctor_numbers numbers;
    bool is_bf16 = precision == CR_PRECISION_BF16;
    double start = cr_clock_s();
    cr_status status = cr_doctor_step(backend, precision, &numbers);
    double off = status == CR_OK ? distance(&numbers, is_bf16 ? &tolerance_bf16 : &tolerance_f32) : 0;
    snprintf(what, sizeof what, "%s %s", name, is_bf16 ? "bf16" : "f32");
    if (status == CR_BAD_CONFIG)
        cr_doctor_say(doctor, what, CR_HEALTH_ABSENT, NULL, "%s", cr_error_message());
    else if (status != CR_OK)
        cr_doctor_say(doctor, what, CR_HEALTH_FAILED, "look at the libraries that 'crisol --version' names", "%s",
                      cr_error_message());
    else if (!(off <= 1))
        cr_doctor_say(doctor, what, CR_HEALTH_FAILED,
                      "the library computes wrongly here: install another version of it, and run 'ctest -L unit'",
                      "a training step is %.2g times as far off as rounding may bring it", off);
    else
        cr_doctor_say(doctor, what, CR_HEALTH_OK, NULL,
                      "a training step by %s: right, off by %.1g of what rounding may do (%.0f ms)",
                      cr_backend_library(backend), off, 1e3 * (cr_clock_s() - start));
}

void cr_doctor_backends(cr_doctor *doctor)
{
    int n;
    const cr_backend_kind *kinds = cr_backend_kinds(&n);
    bool has_cuda = false;
    for (int i = 0; i < n; i++) {
        cr_backend *backend = NULL;
        has_cuda = has_cuda || !strcmp(kinds[i].name, "cuda");
        if (kinds[i].open(&backend) != CR_OK) {
            cr_doctor_say(doctor, kinds[i].name, i == 0 ? CR_HEALTH_FAILED : CR_HEALTH_ABSENT, NULL, "%s",
                          cr_error_message());
            continue;
        }
        try_precision(doctor, kinds[i].name, backend, CR_PRECISION_F32);
        try_precision(doctor, kinds[i].name, backend, CR_PRECISION_BF16);
        cr_backend_close(&backend);
    }
    if (!has_cuda)
        cr_doctor_say(doctor, "cuda", CR_HEALTH_ABSENT, NULL, "this build has no GPU backend");
}
