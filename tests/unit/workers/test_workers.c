#include "crisol/workers.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    MOST = 9,
    ROUNDS = 2000
};

typedef struct probe {
    pthread_t thread[MOST]; /* of each worker's first call */
    int n_calls[MOST];
    atomic_int moved; /* calls from another thread than the first */
    int fails;        /* bit w: worker w fails */
} probe;

static cr_status visit(void *context, int worker)
{
    probe *p = context;
    if (p->n_calls[worker]++ == 0)
        p->thread[worker] = pthread_self();
    else if (!pthread_equal(p->thread[worker], pthread_self()))
        p->moved++;
    if (p->fails >> worker & 1)
        return cr_fail(CR_BAD_DATA, "worker %d met a damaged sample", worker);
    return CR_OK;
}

static void every_worker_runs_once_a_round_on_its_own_thread(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n += 2) {
        cr_workers *workers = NULL;
        assert_int_equal(cr_workers_create(n, &workers), CR_OK);
        assert_int_equal(cr_workers_count(workers), n);
        probe p = {0};
        for (int round = 0; round < ROUNDS; round++)
            assert_int_equal(cr_workers_run(workers, visit, &p), CR_OK);
        assert_int_equal(p.moved, 0);
        for (int w = 0; w < n; w++) {
            assert_int_equal(p.n_calls[w], ROUNDS);
            assert_false(pthread_equal(p.thread[w], pthread_self()));
            for (int v = 0; v < w; v++)
                assert_false(pthread_equal(p.thread[w], p.thread[v]));
        }
        cr_workers_destroy(&workers);
        assert_null(workers);
    }
}

static void first_failure_by_number_reaches_the_caller_and_all_ran(void **state)
{
    (void)state;
    cr_workers *workers = NULL;
    assert_int_equal(cr_workers_create(5, &workers), CR_OK);
    probe p = {.fails = 1 << 4 | 1 << 2};
    assert_int_equal(cr_workers_run(workers, visit, &p), CR_BAD_DATA);
    assert_string_equal(cr_error_message(), "worker 2 met a damaged sample");
    for (int w = 0; w < 5; w++)
        assert_int_equal(p.n_calls[w], 1);
    p.fails = 0; /* a failed round leaves nothing behind */
    assert_int_equal(cr_workers_run(workers, visit, &p), CR_OK);
    cr_workers_destroy(&workers);
}

static void impossible_counts_are_refused(void **state)
{
    (void)state;
    cr_workers *workers = NULL;
    assert_int_equal(cr_workers_create(0, &workers), CR_BAD_CONFIG);
    assert_null(workers);
    assert_int_equal(cr_workers_create(1 << 20, &workers), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "1048576 workers"));
    cr_workers_destroy(&workers);
    cr_workers_destroy(NULL);
}

static void cores_follow_the_affinity_mask(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cr_cores_available(), CPU_COUNT(&before));
    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cr_cores_available(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_runs_once_a_round_on_its_own_thread),
        cmocka_unit_test(first_failure_by_number_reaches_the_caller_and_all_ran),
        cmocka_unit_test(impossible_counts_are_refused),
        cmocka_unit_test(cores_follow_the_affinity_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
