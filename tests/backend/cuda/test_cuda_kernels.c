/* Kernels against the host's functions of the same formulas: augmentation, mixing, dropout, loss. */
#include "cuda_case.h"
#include "kernels.h"
#include "parity.h"

enum {
    SIZE = 36,
    SAMPLES = 24,
    PIXELS = SIZE * SIZE
};

static cr_augment_options all_options(void)
{
    return (cr_augment_options){.size = SIZE,
                                .hflip = .5,
                                .vflip = .3,
                                .affine = 20,
                                .translate = {.1, .1},
                                .scale = {.8, 1.3},
                                .shear = {5, 5},
                                .crop = {.4, 1},
                                .crop_ratio = {.75, 1.33},
                                .brightness = .4,
                                .contrast = .4,
                                .saturation = .4,
                                .hue = .2,
                                .erase = .5,
                                .erase_scale = {.02, .3},
                                .erase_ratio = {.3, 3.3},
                                .erase_noise = true};
}

/* Options by sample: none, flips, colours, all; so that every way through the kernel is taken. */
static void draw(cr_augment *augments)
{
    cr_augment_options all = all_options(), flips = {.size = SIZE, .hflip = .5, .vflip = .5};
    cr_augment_options colours = {.size = SIZE, .hflip = .5, .contrast = .5, .hue = .1};
    const cr_augment_options none = {.size = SIZE};
    const cr_augment_options *options[] = {&none, &flips, &colours, &all};
    for (int i = 0; i < SAMPLES; i++)
        augments[i] = cr_augment_draw(options[i % 4], 7, 3, (uint64_t)i);
}

static void fill_images(uint8_t *images)
{
    cr_rng rng = cr_rng_make(3, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < SAMPLES * PIXELS * 3; i++)
        images[i] = (uint8_t)cr_rng_u32(&rng);
}

enum { /* blocks of two by two pixels, with blocks of zeros around them */
    BEFORE = 2,
    BEHIND = 1,
    SIDE = BEFORE + SIZE / 2 + BEHIND
};

/* What lies at number `at` of a sample: a plane's number, or padding, which is 0. */
static float wanted_at(const float *planes, int at, bool blocks)
{
    int x = at / 8 % SIZE, y = at / 8 / SIZE, c = at % 8;
    if (blocks) {
        int of_two = at / CR_BLOCK_PIXEL % 4, block = at / CR_BLOCK_CHANNELS;
        x = (block % SIDE - BEFORE) * 2 + of_two % 2;
        y = (block / SIDE - BEFORE) * 2 + of_two / 2;
        c = at % CR_BLOCK_PIXEL;
    }
    bool inside = x >= 0 && x < SIZE && y >= 0 && y < SIZE && c < 3;
    return inside ? planes[c * PIXELS + y * SIZE + x] : 0;
}

/* Largest difference between the device's [n, y, x, 8], or its blocks, and the host's planes. */
static double compare(const float *got, bool blocks, float *const *want)
{
    double worst = 0;
    const int numbers = blocks ? SIDE * SIDE * CR_BLOCK_CHANNELS : PIXELS * 8;
    for (int n = 0; n < SAMPLES; n++)
        for (int i = 0; i < numbers; i++) {
            double gap = fabs((double)got[(int64_t)n * numbers + i] - (double)wanted_at(want[n], i, blocks));
            worst = gap <= worst ? worst : gap; /* NaN is worst */
        }
    return worst;
}

/* `kept`: the images lie in another order, as places say. */
static void judge_augment(bool augmented, bool mixed, bool kept, bool blocks)
{
    static uint8_t images[SAMPLES * PIXELS * 3], moved[SAMPLES * PIXELS * 3];
    static float got[(int64_t)SAMPLES * PIXELS * 8];
    cr_augment augments[SAMPLES];
    cr_mix mixes[SAMPLES];
    const cr_mix_options mixing = {.size = SIZE, .mixup = .4, .cutmix = 1};
    float *planes[SAMPLES], *want[SAMPLES];
    cr_sample_plan plans[SAMPLES];
    int64_t places[SAMPLES];
    memset(plans, 0, sizeof plans);
    fill_images(images);
    draw(augments);
    for (int n = 0; n < SAMPLES; n++) {
        planes[n] = random_floats(3 * PIXELS, 1);
        want[n] = random_floats(3 * PIXELS, 1);
        mixes[n] = cr_mix_draw(&mixing, 7, 3, (uint64_t)n, n, SAMPLES);
        places[n] = SAMPLES - 1 - n;
        memcpy(moved + places[n] * PIXELS * 3, images + n * PIXELS * 3, PIXELS * 3);
        cr_augment_apply(images + n * PIXELS * 3, SIZE, augmented ? &augments[n] : NULL, planes[n]);
    }
    for (int n = 0; n < SAMPLES; n++)
        if (mixed)
            cr_mix_planes(&mixes[n], SIZE, planes[n], planes[mixes[n].partner], want[n]);
        else
            memcpy(want[n], planes[n], 3 * PIXELS * sizeof **want);
    cr_augment_job job = {.images = to_device(kept ? moved : images, sizeof images),
                          .places = kept ? to_device(places, sizeof places) : NULL,
                          .augments = augmented ? to_device(augments, sizeof augments) : NULL,
                          .mixes = mixed ? to_device(mixes, sizeof mixes) : NULL,
                          .plans = to_device(plans, sizeof plans),
                          .out = to_device(got, sizeof got),
                          .blocks = blocks,
                          .before = BEFORE,
                          .behind = BEHIND,
                          .n = SAMPLES,
                          .size = SIZE};
    memcpy(job.mean, cr_image_mean, sizeof job.mean);
    memcpy(job.deviation, cr_image_deviation, sizeof job.deviation);
    cr_kernel_augment(&job, cuda_case_stream());
    from_device(job.out, got, sizeof got);
    cudaFree((void *)job.images);
    cudaFree((void *)job.places);
    cudaFree((void *)job.augments);
    cudaFree((void *)job.mixes);
    cudaFree(job.plans);
    /* The mean grey is added up in another order, and a GPU's logarithm and cosine round differently; values reach 4,
     * where float32 rounds at 2e-7. A pixel step is 1/255 / 0.225 = 1.7e-2. */
    char what[64];
    snprintf(what, sizeof what, "pixels%s%s%s%s", augmented ? ", augmented" : "", mixed ? ", mixed" : "",
             kept ? ", kept" : "", blocks ? ", in blocks" : "");
    bool good = parity_line(what, compare(got, blocks, want), 2e-5);
    for (int n = 0; n < SAMPLES; n++) {
        free(planes[n]);
        free(want[n]);
    }
    assert_true(good);
}

static void test_augment(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++)
        judge_augment(kind & 1, kind & 2, kind & 4, kind & 8);
}

static void test_dropout(void **state)
{
    (void)state;
    enum {
        WIDTH = 37,
        LAYER = 5
    };
    const double probability = 0.3;
    const cr_batch_head head = {.seed = 11, .epoch = 4};
    int64_t samples[SAMPLES];
    uint8_t got[SAMPLES * WIDTH], want[WIDTH];
    float *x = random_floats(SAMPLES * WIDTH, 1), *y = random_floats(SAMPLES * WIDTH, 2);
    memset(got, 9, sizeof got);
    for (int n = 0; n < SAMPLES; n++)
        samples[n] = 1000 + 17 * n;
    size_t bytes = SAMPLES * WIDTH * sizeof *x;
    cr_dropout_job job = {.x = to_device(x, bytes),
                          .y = to_device(y, bytes),
                          .keep = to_device(got, sizeof got),
                          .samples = to_device(samples, sizeof samples),
                          .head = to_device(&head, sizeof head),
                          .n = SAMPLES,
                          .width = WIDTH,
                          .layer = LAYER,
                          .probability = probability};
    cr_kernel_dropout_forward(&job, cuda_case_stream());
    from_device(job.keep, got, sizeof got);
    from_device(job.y, y, bytes);
    cudaFree((void *)job.x);
    cudaFree((void *)job.samples);
    cudaFree((void *)job.head);
    for (int n = 0; n < SAMPLES; n++) {
        cr_dropout_mask(head.seed, head.epoch, samples[n], LAYER, probability, WIDTH, want);
        assert_memory_equal(got + n * WIDTH, want, WIDTH);
        for (int k = 0; k < WIDTH; k++)
            assert_true(y[n * WIDTH + k] == (want[k] ? x[n * WIDTH + k] / (float)(1 - probability) : 0.0F));
    }
    free(x);
    free(y);
}

static void judge_loss(double gamma, bool soft)
{
    enum {
        CLASSES = 5
    };
    const float weights[CLASSES] = {1, .5F, 2, 0, 3};
    float *logits = random_floats(SAMPLES * CLASSES, 1), *targets = random_floats(SAMPLES * CLASSES, 2);
    float got[SAMPLES * CLASSES], want[SAMPLES * CLASSES];
    double losses[SAMPLES], wanted[SAMPLES];
    int32_t labels[SAMPLES];
    for (int i = 0; i < SAMPLES * CLASSES; i++)
        targets[i] = fabsf(targets[i]) / 4;
    for (int n = 0; n < SAMPLES; n++)
        labels[n] = n % CLASSES;
    cr_batch_head head = {
        .loss = {.class_weights = weights, .label_smoothing = .1, .weight_sum = 17, .focal_gamma = gamma}};
    cr_loss_evaluate(&head.loss, SAMPLES, CLASSES, logits, labels, soft ? targets : NULL, wanted, want);
    float *device_weights = to_device(weights, sizeof weights), *device_targets = to_device(targets, sizeof got);
    head.loss.class_weights = device_weights;
    head.targets = soft ? device_targets : NULL;
    cr_loss_job job = {.head = to_device(&head, sizeof head),
                       .logits = to_device(logits, sizeof got),
                       .labels = to_device(labels, sizeof labels),
                       .losses = to_device(wanted, sizeof losses),
                       .dlogits = to_device(logits, sizeof got),
                       .n = SAMPLES,
                       .n_classes = CLASSES};
    cr_kernel_loss(&job, cuda_case_stream());
    from_device(job.losses, losses, sizeof losses);
    from_device(job.dlogits, got, sizeof got);
    cudaFree((void *)job.head);
    cudaFree((void *)job.logits);
    cudaFree((void *)job.labels);
    cudaFree(device_weights);
    cudaFree(device_targets);
    double worst = 0;
    for (int n = 0; n < SAMPLES; n++)
        worst = fmax(worst, fabs(losses[n] - wanted[n]));
    for (int i = 0; i < SAMPLES * CLASSES; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    free(logits);
    free(targets);
    /* double, whose exponential may round differently on a GPU; gradients are rounded once to float32, below 1 */
    assert_true(parity_line(soft ? "loss of soft targets" : "loss of labels", worst, 1e-7));
}

static void test_loss(void **state)
{
    (void)state;
    judge_loss(0, false);
    judge_loss(2, false);
    judge_loss(0, true);
    judge_loss(2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_augment), cmocka_unit_test(test_dropout),
                                       cmocka_unit_test(test_loss)};
    int opened = cuda_case_open();
    if (opened != 0)
        return opened;
    int failed = cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
    cr_backend_close(&backend);
    return failed;
}
