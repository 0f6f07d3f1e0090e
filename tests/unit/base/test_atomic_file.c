#include "crisol/atomic_file.h"
#include "scratch_folder.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_file_is(const char *path, const char *expected)
{
    char *data = NULL;
    size_t bytes = 0;
    assert_int_equal(cr_read_file(path, 1 << 20, &data, &bytes), CR_OK);
    assert_string_equal(data, expected);
    assert_int_equal(bytes, strlen(expected));
    free(data);
}

static void appears_only_when_committed(void **state)
{
    (void)state;
    const char *path = scratch_file("out", "old", 3);
    cr_atomic_file *file = NULL;
    assert_int_equal(cr_atomic_file_create(path, &file), CR_OK);
    assert_int_equal(cr_atomic_file_write(file, "new ", 4), CR_OK);
    assert_int_equal(cr_atomic_file_write(file, "text", 4), CR_OK);
    assert_file_is(path, "old");
    assert_int_equal(scratch_count(), 2);
    assert_int_equal(cr_atomic_file_commit(&file), CR_OK);
    assert_null(file);
    assert_file_is(path, "new text");
    assert_int_equal(scratch_count(), 1);
}

static void giving_up_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = scratch_file("out", "old", 3);
    cr_atomic_file *file = NULL;
    assert_int_equal(cr_atomic_file_create(path, &file), CR_OK);
    assert_int_equal(cr_atomic_file_write(file, "new", 3), CR_OK);
    cr_atomic_file_destroy(&file);
    assert_null(file);
    cr_atomic_file_destroy(&file);
    assert_file_is(path, "old");
    assert_int_equal(scratch_count(), 1);
}

static void works_beside_the_process(void **state)
{
    (void)state;
    char former[4096];
    assert_non_null(getcwd(former, sizeof former));
    assert_int_equal(chdir(scratch_folder()), 0);
    cr_status status = cr_atomic_file_save("bare-name", "x", 1);
    assert_int_equal(chdir(former), 0);
    assert_int_equal(status, CR_OK);
    assert_file_is(scratch_path("bare-name"), "x");
}

/* A killed process with our pid may have left files; someone may have put a link where ours would go. Neither is
 * touched. */
static void taken_names_are_stepped_over(void **state)
{
    (void)state;
    char victim[4200];
    snprintf(victim, sizeof victim, "%s", scratch_file("victim", "precious", 8));
    unsigned long next = 0;
    cr_atomic_file *probe = NULL; /* finds out where the counter stands */
    assert_int_equal(cr_atomic_file_create(scratch_path("probe"), &probe), CR_OK);
    char name[128];
    for (next = 0; next < 10000; next++) {
        snprintf(name, sizeof name, "probe.tmp-%ld-%lu", (long)getpid(), next);
        if (!access(scratch_path(name), F_OK))
            break;
    }
    cr_atomic_file_destroy(&probe);
    for (unsigned long i = 1; i <= 3; i++) {
        snprintf(name, sizeof name, "out.tmp-%ld-%lu", (long)getpid(), next + i);
        assert_int_equal(symlink(victim, scratch_path(name)), 0);
    }
    assert_int_equal(cr_atomic_file_save(scratch_path("out"), "new", 3), CR_OK);
    assert_file_is(scratch_path("out"), "new");
    assert_file_is(victim, "precious");
    assert_int_equal(scratch_count(), 5);
    for (unsigned long i = 5; i <= 4 + 64; i++) { /* and when all are taken, it says so */
        snprintf(name, sizeof name, "full.tmp-%ld-%lu", (long)getpid(), next + i);
        scratch_file(name, "", 0);
    }
    assert_int_equal(cr_atomic_file_save(scratch_path("full"), "new", 3), CR_IO);
    assert_non_null(strstr(cr_error_message(), "File exists"));
    assert_int_equal(scratch_count(), 5 + 64);
}

static void missing_and_impossible_places_are_errors(void **state)
{
    (void)state;
    assert_int_equal(cr_atomic_file_save(scratch_path("absent/out"), "x", 1), CR_MISSING);
    assert_non_null(strstr(cr_error_message(), "absent/out"));
    assert_int_equal(mkdir(scratch_path("taken"), 0700), 0);
    assert_int_equal(cr_atomic_file_save(scratch_path("taken"), "x", 1), CR_IO); /* a folder cannot be replaced */
    assert_int_equal(scratch_count(), 1);
    cr_atomic_file *file = NULL;
    assert_int_equal(cr_atomic_file_create("/proc/crisol-test", &file), CR_MISSING);
    assert_null(file);
}

/* Root writes everywhere: the child becomes nobody first. */
static void unwritable_folder_is_a_permission_error(void **state)
{
    (void)state;
    const char *path = scratch_file("out", "old", 3);
    assert_int_equal(chmod(scratch_folder(), 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(1);
        _exit((int)cr_atomic_file_save(path, "new", 3));
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 1) /* a root that cannot become nobody: a container without that user */
        skip();
    assert_int_equal(WEXITSTATUS(result), CR_PERMISSION);
    assert_file_is(path, "old");
    assert_int_equal(scratch_count(), 1);
}

/* A disk that is full in the middle of a write, by way of the file size limit. */
static void a_failed_write_publishes_nothing(void **state)
{
    (void)state;
    const char *path = scratch_file("out", "old", 3);
    char *data = calloc(1, 1 << 20);
    assert_non_null(data);
    struct rlimit former, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    limit = (struct rlimit){.rlim_cur = 100000, .rlim_max = former.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_atomic_file *file = NULL;
    cr_status created = cr_atomic_file_create(path, &file);
    cr_status written = cr_atomic_file_write(file, data, 1 << 20);
    cr_status committed = cr_atomic_file_commit(&file);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
    signal(SIGXFSZ, handler);
    free(data);
    assert_int_equal(created, CR_OK);
    assert_int_equal(written, CR_IO);
    assert_int_equal(committed, CR_IO);
    assert_null(file);
    assert_file_is(path, "old");
    assert_int_equal(scratch_count(), 1);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(cr_make_folders(scratch_path("a/b//c/")), CR_OK);
    assert_int_equal(stat(scratch_path("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(cr_make_folders(scratch_path("a/b/c")), CR_OK);
    assert_int_equal(cr_make_folders("/"), CR_OK);
    assert_int_equal(cr_make_folders("."), CR_OK);
    scratch_file("file", "", 0);
    assert_int_equal(cr_make_folders(scratch_path("file/inner")), CR_IO);
    assert_int_equal(cr_make_folders(scratch_path("file")), CR_IO);
    assert_int_equal(cr_make_folders(""), CR_MISSING);
    assert_int_equal(cr_sync_folder(scratch_path("a")), CR_OK);
    assert_int_equal(cr_sync_folder(scratch_path("absent")), CR_MISSING);
}

static void reading_is_bounded(void **state)
{
    (void)state;
    char *data = NULL;
    size_t bytes = 0;
    const char *path = scratch_file("ten", "0123456789", 10);
    assert_int_equal(cr_read_file(path, 10, &data, &bytes), CR_OK);
    assert_int_equal(bytes, 10);
    assert_string_equal(data, "0123456789");
    free(data);
    assert_int_equal(cr_read_file(path, 9, &data, &bytes), CR_BAD_DATA);
    assert_null(data);
    assert_int_equal(cr_read_file(scratch_file("empty", "", 0), 0, &data, &bytes), CR_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(data, "");
    free(data);
    /* procfs states size 0: the bound must hold for what really comes */
    assert_int_equal(cr_read_file("/proc/self/status", 1 << 20, &data, &bytes), CR_OK);
    assert_true(bytes > 16);
    free(data);
    assert_int_equal(cr_read_file("/proc/self/status", 16, &data, &bytes), CR_BAD_DATA);
    assert_int_equal(cr_read_file(scratch_path("absent"), 16, &data, &bytes), CR_MISSING);
    assert_int_equal(cr_read_file(scratch_folder(), 16, &data, &bytes), CR_IO);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(cr_read_file(scratch_path("fifo"), 16, &data, &bytes), CR_IO);
}

static void paths_are_joined(void **state)
{
    (void)state;
    char *path = cr_path_join("a/b", "c");
    assert_string_equal(path, "a/b/c");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appears_only_when_committed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(giving_up_leaves_the_old_file, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(works_beside_the_process, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(taken_names_are_stepped_over, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(missing_and_impossible_places_are_errors, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(unwritable_folder_is_a_permission_error, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_publishes_nothing, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(reading_is_bounded, scratch_setup, scratch_teardown),
        cmocka_unit_test(paths_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
