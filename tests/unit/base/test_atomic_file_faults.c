/* Every system call of a save fails once, one after the other: the file is the old or the new one, an error is told,
 * nothing stays behind, and no fsync is tried again on a descriptor on which it failed. The linker puts the calls below
 * in front of the C library's (--wrap). */
#include "crisol/atomic_file.h"
#include "scratch_folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int __real_open(const char *path, int flags, int mode);
ssize_t __real_write(int descriptor, const void *data, size_t bytes);
int __real_fsync(int descriptor);
int __real_close(int descriptor);
int __real_rename(const char *from, const char *to);
int __wrap_open(const char *path, int flags, int mode);
ssize_t __wrap_write(int descriptor, const void *data, size_t bytes);
int __wrap_fsync(int descriptor);
int __wrap_close(int descriptor);
int __wrap_rename(const char *from, const char *to);

static int calls, failing_call, error_number; /* failing_call < 0: none */
static const char *failed_name;
static int failed_fsync; /* descriptor, or -1 */
static bool shortens;    /* writes give up after 3 bytes, and every other one is interrupted */
static bool fsync_was_retried;

static bool fails(const char *name)
{
    if (calls++ != failing_call)
        return false;
    failed_name = name;
    errno = error_number;
    return true;
}

int __wrap_open(const char *path, int flags, int mode)
{
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int descriptor, const void *data, size_t bytes)
{
    static bool interrupted;
    if (fails("write"))
        return -1;
    interrupted = !interrupted;
    if (shortens && interrupted) {
        errno = EINTR;
        return -1;
    }
    return __real_write(descriptor, data, shortens && bytes > 3 ? 3 : bytes);
}

int __wrap_fsync(int descriptor)
{
    fsync_was_retried = fsync_was_retried || descriptor == failed_fsync;
    if (fails("fsync")) {
        failed_fsync = descriptor;
        return -1;
    }
    return __real_fsync(descriptor);
}

int __wrap_close(int descriptor)
{
    if (descriptor == failed_fsync)
        failed_fsync = -1;
    bool failed = fails("close");
    int result = __real_close(descriptor); /* Linux frees the descriptor even when it reports an error */
    return failed ? -1 : result;
}

int __wrap_rename(const char *from, const char *to)
{
    return fails("rename") ? -1 : __real_rename(from, to);
}

static bool file_is(const char *path, const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    return bytes == strlen(expected) && !strcmp(text, expected);
}

/* Saves with call n failing, of `total` (n < 0: with none failing); returns how many calls were made. */
static int save_with_fault(int n, int total, int error)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s", scratch_file("out", "old", 3));
    calls = 0;
    failing_call = n;
    error_number = error;
    failed_name = NULL;
    failed_fsync = -1;
    cr_status status = cr_atomic_file_save(path, "the new text", 12);
    failing_call = -1;
    assert_false(fsync_was_retried);
    assert_int_equal(scratch_count(), 1); /* nothing but the file itself */
    bool is_new = file_is(path, "the new text");
    assert_true(is_new || file_is(path, "old"));
    if (!failed_name) {
        assert_int_equal(status, CR_OK);
        assert_true(is_new);
    } else if (n == total - 1) { /* gives the folder's descriptor back: nothing can be lost with it */
        assert_string_equal(failed_name, "close");
        assert_true(is_new);
    } else {
        assert_int_not_equal(status, CR_OK);
        assert_non_null(strstr(cr_error_message(), strerror(error)));
    }
    return calls;
}

static void each_call_may_fail(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        int total = save_with_fault(-1, 0, errors[e]);
        assert_true(total >= 8); /* open, write, fsync, close, rename; open, fsync, close of the folder */
        for (int n = 0; n < total; n++)
            save_with_fault(n, total, errors[e]);
    }
}

static void short_and_interrupted_writes_go_on(void **state)
{
    (void)state;
    shortens = true;
    int total = save_with_fault(-1, 0, EIO);
    shortens = false;
    assert_true(total >= 8 + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_may_fail, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(short_and_interrupted_writes_go_on, scratch_setup, scratch_teardown),
    };
    failing_call = -1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
