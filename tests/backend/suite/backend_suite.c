#include "backend_suite.h"

#include "fusion_case.h"
#include "parity.h"
#include "reference_backend.h"
#include "suite_run.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The tests' shared state: cmocka hands one pointer to each. */
typedef struct suite {
    const suite_target *target;
    cr_backend *backend, *reference;
} suite;

static const suite_target reference_target = {.name = "reference", .precision = CR_PRECISION_F32};

static void expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

static void open_case(const suite *s, int index, suite_variant variant, suite_case *c)
{
    if (s->target->margin > 0) {
        suite_case_open_sharp(index, variant, s->target->margin, c);
    } else {
        suite_case_open(index, 1, true, c);
        suite_case_vary(c, variant);
    }
}

/* Largest |a - b| over scale; NaN when a is not finite. */
static double gap_over(const float *a, const float *b, int64_t n, double scale)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double gap = fabs((double)a[i] - (double)b[i]) / scale;
        if (!(gap <= worst))
            worst = gap;
    }
    return worst;
}

static double largest(const float *values, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)values[i]));
    return most;
}

/* What an error in tensor t of a gradient is measured by: the tensor's largest number, but no less than a thousandth of
 * the largest gradient; for the bias of a norm also the largest of its weight, for the next norm may take such a bias
 * away, and what is left of its gradient is cancellation. */
static double scale_of(const suite_case *c, const float *gradient, int t)
{
    const cr_tensor *tensor = &c->net->tensors[t];
    double scale = largest(gradient + tensor->offset, tensor->count);
    if (t < c->net->n_param_tensors)
        scale = fmax(scale, 1e-3 * largest(gradient, c->net->n_params));
    if (tensor->role == CR_TENSOR_BN_BIAS) /* its weight is the tensor before */
        scale = fmax(scale, largest(gradient + tensor[-1].offset, tensor->count));
    return scale > 0 ? scale : 1;
}

/* Worst tensor of a gradient among tensors [first, end). */
static double worst_tensor(const suite_case *c, const float *a, const float *b, int first, int end, const char **name)
{
    double worst = 0;
    *name = "";
    for (int t = first; t < end; t++) {
        const cr_tensor *tensor = &c->net->tensors[t];
        double gap = gap_over(a + tensor->offset, b + tensor->offset, tensor->count, scale_of(c, b, t));
        if (gap <= worst)
            continue;
        worst = gap;
        *name = tensor->name;
    }
    return worst;
}

static bool line(const suite *s, const suite_case *c, const char *quantity, const char *where, double measured)
{
    char what[256];
    snprintf(what, sizeof what, "%s, %s: %s %s", s->target->name, c->name, quantity, where);
    return parity_line(what, measured, s->target->tolerance * c->n_weighted);
}

static bool compare(const suite *s, const suite_case *c, const suite_result *got, const suite_result *want)
{
    const cr_net *net = c->net;
    int64_t n_logits = c->n * net->n_classes;
    const char *where;
    bool good = line(s, c, "training logits", "",
                     gap_over(got->logits, want->logits, n_logits, largest(want->logits, n_logits)));
    double losses = 0;
    for (int64_t i = 0; i < c->n; i++)
        losses = fmax(losses, fabs(got->losses[i] - want->losses[i]) / fmax(fabs(want->losses[i]), 1));
    good &= line(s, c, "losses", "", losses);
    double gap = worst_tensor(c, got->gradient, want->gradient, 0, net->n_param_tensors, &where);
    good &= line(s, c, "gradients", where, gap);
    gap = worst_tensor(c, got->gradient, want->gradient, net->n_param_tensors, net->n_tensors, &where);
    good &= line(s, c, "statistics", where, gap);
    return good & line(s, c, "evaluation", "",
                       gap_over(got->evaluated, want->evaluated, n_logits, largest(want->evaluated, n_logits)));
}

/* Logits, losses, every gradient, statistics, evaluation: the same as the reference within the target's tolerance. */
static void test_agrees(void **state)
{
    const suite *s = *state;
    bool good = true;
    for (int i = 0; i < suite_n_nets() * SUITE_N_VARIANTS; i++) {
        suite_case c;
        suite_result got, want;
        open_case(s, i / SUITE_N_VARIANTS, (suite_variant)(i % SUITE_N_VARIANTS), &c);
        suite_result_make(&c, &got);
        suite_result_make(&c, &want);
        expect_ok(suite_compute(s->reference, &reference_target, &c, &want));
        expect_ok(suite_compute(s->backend, s->target, &c, &got));
        good &= compare(s, &c, &got, &want);
        suite_result_free(&got);
        suite_result_free(&want);
        suite_case_close(&c);
    }
    assert_true(good);
}

/* Elements between tensors stay 0, or an optimiser would move them and a hash would see them. */
static void test_padding_is_zero(void **state)
{
    const suite *s = *state;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c;
        suite_result got;
        suite_case_open(i, 1, false, &c);
        suite_result_make(&c, &got);
        expect_ok(suite_compute(s->backend, s->target, &c, &got));
        for (int t = 0; t < c.net->n_tensors; t++) {
            int64_t end = t + 1 < c.net->n_tensors ? c.net->tensors[t + 1].offset : c.net->n_params + c.net->n_stats;
            for (int64_t k = c.net->tensors[t].offset + c.net->tensors[t].count; k < end; k++)
                assert_true(got.gradient[k] == 0);
        }
        suite_result_free(&got);
        suite_case_close(&c);
    }
}

static void test_layout_round_trip(void **state)
{
    const suite *s = *state;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c;
        suite_case_open(i, 2, false, &c);
        int64_t n = c.net->n_params + c.net->n_stats;
        float *device = suite_array(s->backend, &c), *native = aligned_floats(n), *back = aligned_floats(n);
        expect_ok(cr_backend_state_import(s->backend, c.net, c.state, device));
        expect_ok(cr_backend_state_export(s->backend, c.net, device, back));
        expect_ok(cr_memory_read(cr_backend_memory(s->backend), device, n, native));
        assert_memory_equal(back, c.state, (size_t)n * sizeof *back);
        /* a layout only moves elements within a tensor */
        for (int t = 0; t < c.net->n_tensors; t++) {
            const cr_tensor *tensor = &c.net->tensors[t];
            double sum = 0;
            for (int64_t k = tensor->offset; k < tensor->offset + tensor->count; k++)
                sum += (double)native[k] - (double)c.state[k];
            assert_true(fabs(sum) < 1e-9);
        }
        suite_array_free(s->backend, device);
        free(native);
        free(back);
        suite_case_close(&c);
    }
}

/* The same program twice with other work in between, and a second program: the same bits. */
static void test_repeats(void **state)
{
    const suite *s = *state;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c, other;
        suite_result first, again;
        cr_program *one = NULL, *two = NULL;
        suite_case_open(i, 1, false, &c);
        suite_case_open(i, 2, false, &other);
        suite_result_make(&c, &first);
        suite_result_make(&c, &again);
        float *native = suite_array(s->backend, &c);
        expect_ok(cr_backend_state_import(s->backend, c.net, c.state, native));
        expect_ok(suite_program(s->backend, s->target, &c, true, &one));
        expect_ok(suite_program(s->backend, s->target, &c, true, &two));
        expect_ok(suite_train(one, &c, native, &first));
        other.batch.state_version = c.batch.state_version; /* another batch, the same state */
        expect_ok(suite_train(one, &other, native, &again));
        assert_false(suite_result_equal(&c, &first, &again));
        expect_ok(suite_train(one, &c, native, &again));
        assert_true(suite_result_equal(&c, &first, &again));
        expect_ok(suite_train(two, &c, native, &again));
        assert_true(suite_result_equal(&c, &first, &again));
        cr_program_destroy(&one);
        cr_program_destroy(&two);
        suite_array_free(s->backend, native);
        suite_result_free(&first);
        suite_result_free(&again);
        suite_case_close(&c);
        suite_case_close(&other);
    }
}

typedef struct worker {
    const suite *suite;
    const suite_case *c;
    suite_result result;
    cr_status status;
    char message[CR_ERROR_MAX];
} worker;

static void *work(void *context)
{
    worker *w = context;
    for (int turn = 0; turn < 3 && w->status == CR_OK; turn++)
        w->status = suite_compute(w->suite->backend, w->suite->target, w->c, &w->result);
    if (w->status != CR_OK)
        snprintf(w->message, sizeof w->message, "%s", cr_error_message());
    return NULL;
}

/* Programs in threads of their own, side by side: the same bits as in the main thread. A device has one worker. */
static void test_threads(void **state)
{
    const suite *s = *state;
    int n_threads = cr_memory_is_host(cr_backend_memory(s->backend)) ? 2 : 1;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c;
        suite_result alone;
        worker workers[2];
        pthread_t threads[2];
        suite_case_open(i, 1, false, &c);
        suite_result_make(&c, &alone);
        expect_ok(suite_compute(s->backend, s->target, &c, &alone));
        for (int w = 0; w < n_threads; w++) {
            workers[w] = (worker){.suite = s, .c = &c};
            suite_result_make(&c, &workers[w].result);
            assert_int_equal(pthread_create(&threads[w], NULL, work, &workers[w]), 0);
        }
        for (int w = 0; w < n_threads; w++)
            assert_int_equal(pthread_join(threads[w], NULL), 0);
        for (int w = 0; w < n_threads; w++) {
            if (workers[w].status != CR_OK)
                fail_msg("%s", workers[w].message);
            assert_true(suite_result_equal(&c, &alone, &workers[w].result));
            suite_result_free(&workers[w].result);
        }
        suite_result_free(&alone);
        suite_case_close(&c);
    }
}

/* A program may keep what it derived from the state, but not beyond a new state_version. */
static void test_new_state(void **state)
{
    const suite *s = *state;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c, later;
        suite_result fresh, got;
        cr_program *training = NULL, *evaluation = NULL;
        suite_case_open(i, 1, false, &c);
        suite_case_open(i, 2, false, &later);
        suite_result_make(&c, &fresh);
        suite_result_make(&c, &got);
        float *native = suite_array(s->backend, &c);
        expect_ok(suite_program(s->backend, s->target, &c, true, &training));
        expect_ok(suite_program(s->backend, s->target, &c, false, &evaluation));
        expect_ok(cr_backend_state_import(s->backend, c.net, c.state, native));
        expect_ok(suite_train(training, &c, native, &got));
        expect_ok(cr_program_evaluate(evaluation, native, &c.batch, got.evaluated));
        expect_ok(cr_backend_state_import(s->backend, c.net, later.state, native)); /* same array, new numbers */
        expect_ok(suite_train(training, &later, native, &got));
        expect_ok(cr_program_evaluate(evaluation, native, &later.batch, got.evaluated));
        expect_ok(suite_compute(s->backend, s->target, &later, &fresh));
        assert_true(suite_result_equal(&c, &fresh, &got));
        cr_program_destroy(&training);
        cr_program_destroy(&evaluation);
        suite_array_free(s->backend, native);
        suite_result_free(&fresh);
        suite_result_free(&got);
        suite_case_close(&c);
        suite_case_close(&later);
    }
}

/* A flip asked for is the flip of the pixels, to the bit. */
static void test_flip(void **state)
{
    const suite *s = *state;
    suite_case c;
    suite_result asked, done;
    suite_case_open(0, 1, false, &c);
    suite_result_make(&c, &asked);
    suite_result_make(&c, &done);
    for (int64_t i = 0; i < c.n; i++)
        c.augments[i].hflip = true;
    expect_ok(suite_compute(s->backend, s->target, &c, &asked));
    int64_t size = c.net->image_size;
    for (int64_t row = 0; row < c.n * size; row++)
        for (int64_t x = 0; x < size / 2; x++)
            for (int64_t k = 0; k < 3; k++) {
                uint8_t *left = &c.images[(row * size + x) * 3 + k],
                        *right = &c.images[(row * size + size - 1 - x) * 3 + k];
                uint8_t kept = *left;
                *left = *right;
                *right = kept;
            }
    c.batch.augments = NULL;
    expect_ok(suite_compute(s->backend, s->target, &c, &done));
    assert_true(suite_result_equal(&c, &asked, &done));
    suite_result_free(&asked);
    suite_result_free(&done);
    suite_case_close(&c);
}

static void test_images(void **state)
{
    const suite *s = *state;
    suite_check_images(s->backend, s->target);
}

/* What the dispatcher refuses for every backend. */
static void test_refusals(void **state)
{
    const suite *s = *state;
    suite_case c;
    suite_result got;
    cr_program *training = NULL;
    suite_case_open(0, 1, false, &c);
    suite_result_make(&c, &got);
    expect_ok(suite_program(s->backend, s->target, &c, true, &training));
    double weight_sum = c.loss.weight_sum;
    c.loss.weight_sum = 0; /* every target has class weight 0: PyTorch's loss is nan */
    assert_int_equal(suite_train(training, &c, c.state, &got), CR_BAD_DATA);
    c.loss.weight_sum = weight_sum;
    c.labels[c.n - 1] = (int32_t)c.net->n_classes;
    assert_int_equal(suite_train(training, &c, c.state, &got), CR_BAD_DATA);
    c.labels[c.n - 1] = 0;
    assert_int_equal(cr_program_evaluate(training, c.state, &c.batch, got.evaluated), CR_INTERNAL);
    assert_int_equal(suite_train(training, &c, c.state + 1, &got), CR_INTERNAL);
    c.batch.images = NULL;
    assert_int_equal(suite_train(training, &c, c.state, &got), CR_INTERNAL);
    cr_program_destroy(&training);
    suite_result_free(&got);
    suite_case_close(&c);
}

static bool can_run(const suite *s)
{
    suite_case c;
    cr_program *program = NULL;
    suite_case_open(0, 1, false, &c);
    cr_status status = suite_program(s->backend, s->target, &c, true, &program);
    cr_program_destroy(&program);
    suite_case_close(&c);
    if (status == CR_BAD_CONFIG)
        printf("skipped: %s: %s\n", s->target->name, cr_error_message());
    return status != CR_BAD_CONFIG;
}

int backend_suite_run(const suite_target *target)
{
    suite s = {.target = target};
    if (target->open(&s.backend) != CR_OK || reference_backend_open(&s.reference) != CR_OK) {
        printf("%s: %s\n", target->name, cr_error_message());
        return 1;
    }
    int failed = 0;
    if (can_run(&s)) {
        const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_agrees, &s),
                                           cmocka_unit_test_prestate(test_padding_is_zero, &s),
                                           cmocka_unit_test_prestate(test_layout_round_trip, &s),
                                           cmocka_unit_test_prestate(test_repeats, &s),
                                           cmocka_unit_test_prestate(test_threads, &s),
                                           cmocka_unit_test_prestate(test_new_state, &s),
                                           cmocka_unit_test_prestate(test_flip, &s),
                                           cmocka_unit_test_prestate(test_images, &s),
                                           cmocka_unit_test_prestate(test_refusals, &s)};
        failed = cmocka_run_group_tests_name(target->name, tests, NULL, NULL);
    }
    cr_backend_close(&s.backend);
    cr_backend_close(&s.reference);
    return failed;
}
