/* The host's memory, and the fenced one that stands for a device's in other tests: the same operations, the same bits.
 */
#include "crisol/memory.h"
#include "fenced_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 5003, /* more than one block of additions, and a rest */
    BUFFERS = 5
};

static float value(int buffer, int64_t i)
{
    return (float)((i * 2654435761u + (uint64_t)buffer * 40503u) % 1000003u) * 0x1p-7f; /* sums of them round */
}

static void check_all(const cr_memory *memory, cr_workers *workers, bool with_out)
{
    static const cr_addition adds[] = {{0, 1}, {3, 4}, {0, 3}}; /* (0 + 1) + (3 + 4) */
    float host[N], *buffers[BUFFERS];
    bool done = false;
    for (int b = 0; b < BUFFERS; b++) {
        assert_int_equal(cr_memory_allocate(memory, N, "a buffer", &buffers[b]), CR_OK);
        assert_int_equal((uintptr_t)buffers[b] % 64, 0);
        for (int64_t i = 0; i < N; i++)
            host[i] = value(b, i);
        assert_int_equal(cr_memory_write(memory, host, N, buffers[b]), CR_OK);
        memset(host, 0, sizeof host); /* the caller's again */
    }
    assert_int_equal(cr_memory_add(memory, workers, adds, 3, buffers, with_out ? buffers[2] : NULL, N), CR_OK);
    assert_int_equal(cr_memory_poll(memory, &done), CR_OK);
    assert_true(done);
    assert_int_equal(cr_memory_read(memory, buffers[with_out ? 2 : 0], N, host), CR_OK);
    for (int64_t i = 0; i < N; i++) {
        float left = value(0, i) + value(1, i), right = value(3, i) + value(4, i), sum = left + right;
        assert_memory_equal(&host[i], &sum, sizeof sum);
    }
    assert_int_equal(cr_memory_copy(memory, buffers[1], N - 3, buffers[3]), CR_OK);
    assert_int_equal(cr_memory_clear(memory, 7, buffers[3] + 1), CR_OK); /* a part, by an offset */
    assert_int_equal(cr_memory_read(memory, buffers[3], N, host), CR_OK);
    for (int64_t i = 0; i < N - 3; i++)
        assert_true(host[i] == (i >= 1 && i < 8 ? 0 : value(1, i)));
    assert_true(host[N - 1] == value(3, N - 1) + value(4, N - 1)); /* an intermediate sum, where nothing was copied */
    for (int b = 0; b < BUFFERS; b++)
        cr_memory_release(memory, &buffers[b]);
    assert_null(buffers[0]);
    cr_memory_release(memory, &buffers[0]); /* once more is nothing */
}

static void operations_are_the_same_everywhere(void **state)
{
    (void)state;
    cr_workers *workers = NULL;
    fence *fenced = NULL;
    assert_int_equal(cr_workers_create(3, &workers), CR_OK);
    assert_int_equal(fence_create(&fenced), CR_OK);
    for (int with_out = 0; with_out < 2; with_out++) {
        check_all(cr_memory_host(), NULL, with_out);
        check_all(cr_memory_host(), workers, with_out);
        check_all(fence_memory(fenced), workers, with_out);
    }
    assert_true(cr_memory_is_host(cr_memory_host()));
    assert_false(cr_memory_is_host(fence_memory(fenced)));
    fence_destroy(&fenced);
    cr_workers_destroy(&workers);
}

static void nothing_is_no_operation(void **state)
{
    (void)state;
    static const cr_addition add = {0, 1};
    float *none[2] = {NULL, NULL};
    const cr_memory *host = cr_memory_host();
    assert_int_equal(cr_memory_add(host, NULL, &add, 1, none, NULL, 0), CR_OK);
    assert_int_equal(cr_memory_add(host, NULL, NULL, 0, none, NULL, 8), CR_OK);
    assert_int_equal(cr_memory_read(host, NULL, 0, NULL), CR_OK);
    assert_int_equal(cr_memory_write(host, NULL, 0, NULL), CR_OK);
}

/* Arrays for copies to and from a device are the host's. */
static void pinned_arrays_are_the_hosts(void **state)
{
    (void)state;
    fence *fenced = NULL;
    float *array = NULL;
    assert_int_equal(fence_create(&fenced), CR_OK);
    assert_int_equal(cr_memory_allocate_pinned(fence_memory(fenced), N, "a message", &array), CR_OK);
    for (int i = 0; i < N; i++)
        array[i] = 1;
    cr_memory_release_pinned(fence_memory(fenced), &array);
    assert_null(array);
    fence_destroy(&fenced);
}

static void more_than_there_is_is_an_error(void **state)
{
    (void)state;
#if CRISOL_SANITIZED /* it ends a program that asks for so much */
    skip();
#endif
    float *array = NULL;
    assert_int_equal(cr_memory_allocate(cr_memory_host(), INT64_MAX / 8, "too much", &array), CR_INTERNAL);
    assert_null(array);
    assert_non_null(strstr(cr_error_message(), "too much"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_the_same_everywhere), cmocka_unit_test(nothing_is_no_operation),
        cmocka_unit_test(pinned_arrays_are_the_hosts), cmocka_unit_test(more_than_there_is_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
