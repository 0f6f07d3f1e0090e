#include "fusion_case.h"
#include "suite_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    STRANGERS = 3, /* images that are none of the batch's */
    N_QUEUED = 4   /* micro-batches at once: more than a device has slots */
};

static void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

/* The case's images in the backend's memory, the last one first, strangers between them; its places. */
static float *keep_images(const cr_backend *backend, const suite_case *c, int64_t *places)
{
    size_t bytes = (size_t)(c->net->image_size * c->net->image_size) * 3;
    int64_t n = c->n + STRANGERS, n_floats = (n * (int64_t)bytes + 3) / 4;
    float *kept = NULL, *host = aligned_floats(n_floats);
    memset(host, 0xa5, (size_t)n_floats * sizeof *host);
    for (int64_t i = 0; i < c->n; i++) {
        places[i] = n - 1 - i - (i > 0 ? STRANGERS : 0);
        memcpy((uint8_t *)host + (size_t)places[i] * bytes, c->images + (size_t)i * bytes, bytes);
    }
    expect_ok(cr_memory_allocate(cr_backend_memory(backend), n_floats, "kept images", &kept));
    expect_ok(cr_memory_write(cr_backend_memory(backend), host, n_floats, kept));
    free(host);
    return kept;
}

static void check_kept(cr_backend *backend, const suite_target *target, suite_case *c)
{
    suite_result sent, kept;
    cr_program *training = NULL, *evaluation = NULL;
    int64_t *places = calloc((size_t)c->n, sizeof *places);
    suite_result_make(c, &sent);
    suite_result_make(c, &kept);
    float *native = suite_array(backend, c);
    assert_non_null(places);
    size_t bytes = (size_t)(c->net->image_size * c->net->image_size) * 3;
    bool twins = c->n > 1; /* two samples of one image */
    if (twins)
        memcpy(c->images + bytes, c->images, bytes);
    float *images = keep_images(backend, c, places);
    if (twins)
        places[1] = places[0];
    expect_ok(cr_backend_state_import(backend, c->net, c->state, native));
    expect_ok(suite_program(backend, target, c, true, &training));
    expect_ok(suite_program(backend, target, c, false, &evaluation));
    for (int turn = 0; turn < 2; turn++) { /* the same programs take both, one after the other */
        c->batch.images = c->images;
        c->batch.places = NULL;
        expect_ok(suite_train(training, c, native, &sent));
        expect_ok(cr_program_evaluate(evaluation, native, &c->batch, sent.evaluated));
        c->batch.images = (const uint8_t *)images;
        c->batch.places = places;
        expect_ok(suite_train(training, c, native, &kept));
        expect_ok(cr_program_evaluate(evaluation, native, &c->batch, kept.evaluated));
        assert_true(suite_result_equal(c, &sent, &kept));
    }
    cr_program_destroy(&training);
    cr_program_destroy(&evaluation);
    cr_memory_release(cr_backend_memory(backend), &images);
    suite_array_free(backend, native);
    suite_result_free(&sent);
    suite_result_free(&kept);
    free(places);
}

/* Two batches in turn: evaluated; trained with, all queued before any is waited for, and overwritten before anything
 * else is asked of the device. */
static void run_pinned(cr_program *training, cr_program *evaluation, suite_case *c, float *const pinned[2],
                       const float *native, suite_result results[N_QUEUED])
{
    float *gradients[N_QUEUED];
    cr_backend *backend = training->backend;
    c->batch.images_pinned = true;
    for (int i = 0; i < N_QUEUED; i++) {
        gradients[i] = suite_array(backend, c);
        c->batch.images = (const uint8_t *)pinned[i % 2];
        expect_ok(cr_program_evaluate(evaluation, native, &c->batch, results[i].evaluated));
    }
    for (int i = 0; i < N_QUEUED; i++) {
        cr_batch_result result = {results[i].logits, results[i].losses};
        c->batch.images = (const uint8_t *)pinned[i % 2];
        expect_ok(cr_program_train(training, native, &c->batch, gradients[i], &result));
    }
    expect_ok(cr_program_wait(training));
    for (int b = 0; b < 2; b++)
        memset(pinned[b], 0xa5, (size_t)(c->n * c->net->image_size * c->net->image_size) * 3);
    for (int i = 0; i < N_QUEUED; i++) {
        expect_ok(cr_backend_state_export(backend, c->net, gradients[i], results[i].gradient));
        suite_array_free(backend, gradients[i]);
    }
}

static void check_pinned(cr_backend *backend, const suite_target *target, suite_case *c)
{
    size_t bytes = (size_t)(c->n * c->net->image_size * c->net->image_size) * 3;
    const cr_memory *memory = cr_backend_memory(backend);
    suite_result sent[2], results[N_QUEUED];
    cr_program *training = NULL, *evaluation = NULL;
    float *pinned[2], *native = suite_array(backend, c);
    expect_ok(cr_backend_state_import(backend, c->net, c->state, native));
    expect_ok(suite_program(backend, target, c, true, &training));
    expect_ok(suite_program(backend, target, c, false, &evaluation));
    for (int b = 0; b < 2; b++) {
        for (size_t k = 0; b == 1 && k < bytes; k++)
            c->images[k] ^= 0x55;
        suite_result_make(c, &sent[b]);
        expect_ok(suite_train(training, c, native, &sent[b]));
        expect_ok(cr_program_evaluate(evaluation, native, &c->batch, sent[b].evaluated));
        expect_ok(cr_memory_allocate_pinned(memory, (int64_t)(bytes + 3) / 4, "images", &pinned[b]));
        memcpy(pinned[b], c->images, bytes);
    }
    for (int i = 0; i < N_QUEUED; i++)
        suite_result_make(c, &results[i]);
    run_pinned(training, evaluation, c, pinned, native, results);
    for (int i = 0; i < N_QUEUED; i++) {
        assert_true(suite_result_equal(c, &sent[i % 2], &results[i]));
        suite_result_free(&results[i]);
    }
    assert_false(suite_result_equal(c, &sent[0], &sent[1]));
    cr_program_destroy(&training);
    cr_program_destroy(&evaluation);
    for (int b = 0; b < 2; b++) {
        cr_memory_release_pinned(memory, &pinned[b]);
        suite_result_free(&sent[b]);
    }
    suite_array_free(backend, native);
}

static void check_refusal(cr_backend *backend, const suite_target *target)
{
    suite_case c;
    cr_program *evaluation = NULL;
    const int64_t place = 0;
    suite_case_open(0, 1, false, &c);
    float *logits = aligned_floats(c.n * c.net->n_classes);
    expect_ok(suite_program(backend, target, &c, false, &evaluation));
    c.batch.places = &place;
    assert_int_equal(cr_program_evaluate(evaluation, c.state, &c.batch, logits), CR_INTERNAL);
    cr_program_destroy(&evaluation);
    free(logits);
    suite_case_close(&c);
}

void suite_check_images(cr_backend *backend, const suite_target *target)
{
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c;
        suite_case_open(i, 1, false, &c);
        if (c.net->uses_image)
            check_pinned(backend, target, &c);
        suite_case_close(&c);
    }
    for (int i = 0; i < suite_n_nets() * SUITE_N_VARIANTS && cr_backend_keeps_images(backend); i++) {
        suite_case c;
        suite_case_open(i / SUITE_N_VARIANTS, 1, false, &c);
        suite_case_vary(&c, (suite_variant)(i % SUITE_N_VARIANTS));
        if (c.net->uses_image)
            check_kept(backend, target, &c);
        suite_case_close(&c);
    }
    if (!cr_backend_keeps_images(backend))
        check_refusal(backend, target);
}
