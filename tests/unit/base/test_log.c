#include "crisol/log.h"
#include "scratch_folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int former_error; /* the real standard error while a test listens */

static void start_listening(void)
{
    int file = open(scratch_path("stderr"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    former_error = dup(STDERR_FILENO);
    assert_true(file >= 0 && former_error >= 0 && dup2(file, STDERR_FILENO) >= 0);
    close(file);
}

static const char *stop_listening(void)
{
    static char heard[16384];
    ssize_t bytes = pread(STDERR_FILENO, heard, sizeof heard - 1, 0);
    dup2(former_error, STDERR_FILENO);
    close(former_error);
    heard[bytes > 0 ? bytes : 0] = 0;
    return heard;
}

static void say_everything(void)
{
    cr_log_info("info %d", 1);
    cr_log_warning("warn %d", 2);
    cr_log_error("err %d", 3);
}

static void rank_0_speaks_and_others_only_warn(void **state)
{
    (void)state;
    start_listening();
    say_everything();
    cr_log_set_rank(3, 4);
    say_everything();
    cr_log_progress(true, "progress");
    cr_log_set_rank(0, 4);
    cr_log_set_quiet(true);
    say_everything();
    cr_log_progress(true, "progress");
    cr_log_set_quiet(false);
    cr_log_set_rank(0, 1);
    assert_string_equal(stop_listening(), "info 1\nwarning: warn 2\nerror: err 3\n"
                                          "rank 3: warning: warn 2\nrank 3: error: err 3\n"
                                          "warning: warn 2\nerror: err 3\n");
}

/* Not a terminal: the first and the last, the others too soon. */
static void progress_is_sparse_in_a_file(void **state)
{
    (void)state;
    start_listening();
    for (int i = 0; i < 5; i++)
        cr_log_progress(false, "step %d", i);
    cr_log_progress(true, "step 5");
    assert_string_equal(stop_listening(), "step 0\nstep 5\n");
}

static void long_lines_are_cut_not_lost(void **state)
{
    (void)state;
    char *text = malloc(10001);
    assert_non_null(text);
    memset(text, 'x', 10000);
    text[10000] = 0;
    start_listening();
    cr_log_error("%s", text);
    cr_log_info("next");
    const char *heard = stop_listening();
    free(text);
    assert_int_equal(strncmp(heard, "error: xxx", 10), 0);
    assert_string_equal(strchr(heard, '\n'), "\nnext\n");
}

/* On a terminal a message first clears the progress line. */
static void a_terminal_shows_one_progress_line(void **state)
{
    (void)state;
    char heard[4096] = "", *expected = "\rstep 1\033[K\r\033[Kinfo 1\r\n\rstep 2\033[K\r\n";
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal))
        skip();
    int line = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (line < 0)
        skip();
    former_error = dup(STDERR_FILENO);
    assert_true(former_error >= 0 && dup2(line, STDERR_FILENO) >= 0);
    cr_log_progress(false, "step %d", 1);
    cr_log_info("info %d", 1);
    cr_log_progress(true, "step %d", 2);
    dup2(former_error, STDERR_FILENO);
    close(former_error);
    size_t used = 0;
    while (used < strlen(expected)) {
        ssize_t got = read(terminal, heard + used, sizeof heard - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(line);
    close(terminal);
    assert_string_equal(heard, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rank_0_speaks_and_others_only_warn, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(progress_is_sparse_in_a_file, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_cut_not_lost, scratch_setup, scratch_teardown),
        cmocka_unit_test(a_terminal_shows_one_progress_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
