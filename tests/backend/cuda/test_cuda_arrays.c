/* Large arrays on the device: the gradient tree's additions, the sum of squares, a step's update. All of them are
 * elementwise or of a fixed order, so the bits are the host's. */
#include "cuda_case.h"

enum {
    N = 50000 + 16 * 3, /* parameters: neither whole chunks nor whole blocks */
    STATS = 72,
    WHOLE = N + STATS
};

static const cr_memory *memory(void)
{
    return cr_backend_memory(backend);
}

static float *put(const float *host, int64_t n)
{
    float *device = NULL;
    expect_ok(cr_memory_allocate(memory(), n, "a test", &device));
    expect_ok(cr_memory_write(memory(), host, n, device));
    return device;
}

static void expect_same(float *device, const float *want, int64_t n)
{
    float *got = random_floats(n, 99);
    expect_ok(cr_memory_read(memory(), device, n, got));
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("element %lld is %.9g instead of %.9g", (long long)i, (double)got[i], (double)want[i]);
    cr_memory_release(memory(), &device);
    free(got);
}

static void test_memory(void **state)
{
    (void)state;
    float *host = random_floats(N, 1), *zeros = calloc(N, sizeof *zeros);
    bool done = false;
    assert_non_null(zeros);
    float *a = put(host, N), *b = put(zeros, N);
    expect_ok(cr_memory_copy(memory(), a, N, b));
    expect_ok(cr_memory_clear(memory(), N, a));
    while (!done)
        expect_ok(cr_memory_poll(memory(), &done));
    expect_same(a, zeros, N);
    expect_same(b, host, N);
    free(host);
    free(zeros);
}

/* What does not fit is refused with a line, and leaves nothing behind that a later call would find. */
static void test_room(void **state)
{
    (void)state;
    float *host = random_floats(N, 2), *too_much = NULL;
    int64_t bytes = 0;
    expect_ok(cr_memory_room(memory(), &bytes));
    assert_true(bytes >= N * 4);
    assert_int_equal(cr_memory_allocate(memory(), bytes / 2, "twice the room", &too_much), CR_INTERNAL);
    assert_non_null(strstr(cr_error_message(), "left on the GPU for twice the room"));
    assert_null(too_much);
    expect_ok(cr_memory_room(cr_memory_host(), &bytes));
    assert_int_equal(bytes, 0); /* nobody counts */
    expect_same(put(host, N), host, N);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    free(host);
}

static void test_additions(void **state)
{
    (void)state;
    const cr_addition adds[] = {{0, 1}, {2, 3}, {0, 2}, {0, 4}};
    float *host[6], *device[6];
    for (int b = 0; b < 6; b++) {
        host[b] = random_floats(N, 10 + (uint64_t)b);
        device[b] = put(host[b], N);
    }
    expect_ok(cr_memory_add(memory(), NULL, adds, 4, device, device[5], N));
    expect_ok(cr_memory_add(cr_memory_host(), NULL, adds, 4, host, host[5], N));
    for (int b = 0; b < 6; b++) {
        expect_same(device[b], host[b], N);
        free(host[b]);
    }
}

static void test_sum_of_squares(void **state)
{
    (void)state;
    const int64_t counts[] = {0, 1, 15, 4095, 4096, 4097, 3 * 4096, 5 * 4096 + 7, N};
    float *host = random_floats(N, 2), *device = put(host, N);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double got = -1, want = cr_sum_of_squares(host, counts[i]);
        expect_ok(cr_backend_sum_of_squares(backend, device, counts[i], &got));
        if (memcmp(&got, &want, sizeof got) != 0)
            fail_msg("of %lld numbers: %.17g instead of %.17g", (long long)counts[i], got, want);
    }
    cr_memory_release(memory(), &device);
    free(host);
}

static void compare_update(cr_update host, const cr_update *device_template)
{
    cr_update device = *device_template;
    for (int64_t step = 1; step <= 3; step++) {
        host.step = device.step = step;
        cr_update_share(&host, 1, 0);
        expect_ok(cr_backend_update(backend, NULL, &device));
    }
}

static void judge_update(cr_optimizer_params optimizer, double decay)
{
    /* before the first span nothing learns; one of them starts later than the others; some end between the elements of
     * a thread */
    const cr_optimizer_span spans[] = {{160, 20000, 0.1, 0.05, 0}, {20000, 20013, 1, 0, 0}, {24001, N, 1, 0.01, -5}};
    float *arrays[5], *devices[5];
    for (int a = 0; a < 5; a++) {
        arrays[a] = random_floats(WHOLE, 20 + (uint64_t)a);
        if (a == 3) /* second moments are squares */
            for (int64_t i = 0; i < WHOLE; i++)
                arrays[a][i] *= arrays[a][i];
        devices[a] = put(arrays[a], WHOLE);
    }
    cr_update update = {.optimizer = optimizer,
                        .spans = spans,
                        .n_spans = 3,
                        .lr = 1e-2,
                        .n_params = N,
                        .n_stats = STATS,
                        .first_stat = 16,
                        .n_micro = 3,
                        .ema_decay = decay};
    cr_update host = update;
    host.gradient = arrays[0];
    host.weights = arrays[1];
    host.moments[0] = arrays[2];
    host.moments[1] = arrays[3];
    host.ema = decay > 0 ? arrays[4] : NULL;
    update.gradient = devices[0];
    update.weights = devices[1];
    update.moments[0] = devices[2];
    update.moments[1] = devices[3];
    update.ema = decay > 0 ? devices[4] : NULL;
    compare_update(host, &update);
    for (int a = 0; a < 5; a++) {
        expect_same(devices[a], arrays[a], WHOLE);
        free(arrays[a]);
    }
}

static void test_update(void **state)
{
    (void)state;
    cr_optimizer_params adamw = {.kind = CR_OPTIMIZER_ADAMW, .beta1 = .9, .beta2 = .999, .eps = 1e-8};
    cr_optimizer_params adam = {
        .kind = CR_OPTIMIZER_ADAM, .beta1 = .4, .beta2 = .99, .eps = 1e-6, .gradient_scale = .37};
    cr_optimizer_params sgd = {.kind = CR_OPTIMIZER_SGD};
    cr_optimizer_params momentum = {.kind = CR_OPTIMIZER_SGD, .momentum = .9, .nesterov = true, .gradient_scale = .37};
    judge_update(adamw, .99);
    judge_update(adam, 0);
    judge_update(sgd, .3);
    judge_update(momentum, 0);
    momentum.nesterov = false;
    judge_update(momentum, .999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_room),
                                       cmocka_unit_test(test_additions), cmocka_unit_test(test_sum_of_squares),
                                       cmocka_unit_test(test_update)};
    int opened = cuda_case_open();
    if (opened != 0)
        return opened;
    int failed = cmocka_run_group_tests_name("large arrays on the device", tests, NULL, NULL);
    cr_backend_close(&backend);
    return failed;
}
