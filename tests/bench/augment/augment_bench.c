/* Times a config's augmentation of images in memory, drawing included: uint8 [224, 224, 3] → normalised float32
 * [3, 224, 224], as before the first convolution. Each worker takes images of its own. One JSON line. */
#include "crisol/augment.h"
#include "crisol/clock.h"
#include "crisol/config.h"
#include "crisol/pack.h"
#include "crisol/rng.h"
#include "crisol/train.h"
#include "crisol/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIDE = CR_PACK_IMAGE_SIZE,
    PIXELS = SIDE * SIDE * 3,
    DISTINCT = 64, /* images; they stay in no core's cache */
    MAX_ROUNDS = 100
};

typedef struct bench {
    const char *config;
    cr_augment_options options;
    uint64_t seed, epoch;
    int n_workers, n_images, n_rounds;
    cr_workers *workers;
    uint8_t *images; /* [DISTINCT, SIDE, SIDE, 3] */
    float *out;      /* [n_workers, 3, SIDE, SIDE] */
} bench;

static bool parse(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int number = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        if (argv[i][0] != '-')
            b->config = argv[i];
        else if (strcmp(argv[i], "--workers") == 0)
            b->n_workers = number, i++;
        else if (strcmp(argv[i], "--images") == 0)
            b->n_images = number, i++;
        else if (strcmp(argv[i], "--rounds") == 0)
            b->n_rounds = number, i++;
        else
            return false;
    }
    return b->config && b->n_workers > 0 && b->n_images > 0 && b->n_rounds > 0 && b->n_rounds <= MAX_ROUNDS;
}

static cr_status fill(bench *b)
{
    cr_config *config = NULL;
    cr_mix_options mix;
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(&config));
    CR_TRY(cr_config_read(config, b->config));
    CR_TRY(cr_train_augmentation(config, &b->options, &mix));
    b->seed = config->train.seed;
    b->images = malloc((size_t)DISTINCT * PIXELS);
    b->out = malloc((size_t)b->n_workers * PIXELS * sizeof *b->out);
    if (!b->images || !b->out) {
        status = cr_fail_memory("images", (size_t)DISTINCT * PIXELS);
        goto done;
    }
    cr_rng rng = cr_rng_make(1, CR_RNG_SYNTH, 0, 0);
    for (size_t i = 0; i < (size_t)DISTINCT * PIXELS; i++)
        b->images[i] = (uint8_t)(cr_rng_u32(&rng) >> 24);
    CR_TRY(cr_workers_create(b->n_workers, &b->workers));
done:
    cr_config_destroy(&config);
    return status;
}

static cr_status work(void *context, int worker)
{
    bench *b = context;
    float *out = b->out + (size_t)worker * PIXELS;
    for (int i = worker; i < b->n_images; i += b->n_workers) {
        cr_augment augment = cr_augment_draw(&b->options, b->seed, b->epoch, (uint64_t)i);
        cr_augment_apply(b->images + (size_t)(i % DISTINCT) * PIXELS, SIDE, &augment, out);
    }
    return CR_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static cr_status measure(bench *b)
{
    cr_status status = CR_OK;
    double seconds[MAX_ROUNDS];
    CR_TRY(cr_workers_run(b->workers, work, b)); /* pages and caches */
    clock_t begin = clock();
    for (int r = 0; r < b->n_rounds; r++) {
        b->epoch++;
        double start = cr_clock_s();
        CR_TRY(cr_workers_run(b->workers, work, b));
        seconds[r] = cr_clock_s() - start;
    }
    qsort(seconds, (size_t)b->n_rounds, sizeof *seconds, by_value);
    double cpu_s = (double)(clock() - begin) / CLOCKS_PER_SEC; /* of all threads */
    printf("{\"program\": \"crisol\", \"workers\": %d, \"images_s\": %.1f, \"cpu_ms\": %.3f}\n", b->n_workers,
           b->n_images / seconds[b->n_rounds / 2], 1e3 * cpu_s / b->n_images / b->n_rounds);
done:
    return status;
}

int main(int argc, char **argv)
{
    bench b = {.n_workers = cr_cores_available(), .n_images = 512, .n_rounds = 5};
    if (!parse(&b, argc, argv)) {
        fprintf(stderr, "usage: augment_bench CONFIG.yaml [--workers 2] [--images 512] [--rounds 5]\n");
        return CR_USAGE;
    }
    cr_status status = fill(&b);
    if (status == CR_OK)
        status = measure(&b);
    if (status != CR_OK)
        fprintf(stderr, "augment_bench: %s\n", cr_error_message());
    cr_workers_destroy(&b.workers);
    free(b.images);
    free(b.out);
    return (int)status;
}
