#include "crisol/status.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void messages_grow_from_the_inside(void **state)
{
    (void)state;
    assert_int_equal(cr_fail(CR_BAD_DATA, "row %d", 7), CR_BAD_DATA);
    assert_int_equal(cr_fail_context(CR_BAD_DATA, "table %s", "t"), CR_BAD_DATA);
    assert_string_equal(cr_error_message(), "table t: row 7");
    assert_int_equal(cr_fail(CR_IO, "again: %s", cr_error_message()), CR_IO);
    assert_string_equal(cr_error_message(), "again: table t: row 7");
}

static void a_message_stays_one_plain_line(void **state)
{
    (void)state;
    assert_int_equal(cr_fail(CR_BAD_DATA, "a cell says \"%s\"", "x\nrank 0: done\t\x1b[2J\x7f\r\xc3\xa9"), CR_BAD_DATA);
    assert_string_equal(cr_error_message(), "a cell says \"x rank 0: done ?[2J??\xc3\xa9\"");
}

static void errno_chooses_the_code(void **state)
{
    (void)state;
    static const struct {
        int error;
        cr_status status;
    } cases[] = {{ENOENT, CR_MISSING},   {ENOTDIR, CR_MISSING}, {EACCES, CR_PERMISSION}, {EPERM, CR_PERMISSION},
                 {EROFS, CR_PERMISSION}, {EIO, CR_IO},          {ENOSPC, CR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        errno = cases[i].error;
        assert_int_equal(cr_fail_errno("file %d", 1), cases[i].status);
        assert_int_equal(strncmp(cr_error_message(), "file 1: ", 8), 0);
        assert_string_equal(cr_error_message() + 8, strerror(cases[i].error));
    }
    assert_int_equal(cr_fail_memory("images", 12), CR_INTERNAL);
    assert_non_null(strstr(cr_error_message(), "12 bytes for images"));
}

static void *fail_elsewhere(void *argument)
{
    (void)argument;
    (void)cr_fail(CR_IO, "elsewhere");
    return NULL;
}

static void a_message_belongs_to_its_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(cr_fail(CR_IO, "here"), CR_IO);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(cr_error_message(), "here");
}

static void every_code_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(cr_status_text(CR_OK), "done");
    assert_string_equal(cr_status_text(CR_BAD_CONFIG), "bad configuration");
    assert_string_equal(cr_status_text((cr_status)5), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_grow_from_the_inside), cmocka_unit_test(a_message_stays_one_plain_line),
        cmocka_unit_test(errno_chooses_the_code),        cmocka_unit_test(a_message_belongs_to_its_thread),
        cmocka_unit_test(every_code_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
