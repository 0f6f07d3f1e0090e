/* Paths that must not leave the image root: by the kernel's openat2 and by our own walk. */
#include "open_beneath.h"
#include "sample_table.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/crisol-beneath-XXXXXX";
static int root = -1;

static void write_file(int folder, const char *name, const char *text)
{
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

/* top/outside.txt; top/root/ with files, links and odd things */
static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    int folder = open(top, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    write_file(folder, "outside.txt", "outside");
    assert_int_equal(mkdirat(folder, "root", 0700), 0);
    assert_int_equal(mkdirat(folder, "root/a", 0700), 0);
    assert_int_equal(mkdirat(folder, "root/a/b", 0700), 0);
    write_file(folder, "root/file.txt", "inside");
    write_file(folder, "root/a/b/deep.txt", "inside");
    assert_int_equal(mkfifoat(folder, "root/fifo", 0600), 0);
    static const char *const links[][2] = {
        {"file.txt", "root/link"},        {"../../file.txt", "root/a/b/up"}, {"a/./b//", "root/folder"},
        {"../outside.txt", "root/out"},   {"..", "root/a/parent"},           {"../..", "root/a/grandparent"},
        {"/etc/passwd", "root/absolute"}, {"loop2", "root/loop1"},           {"loop1", "root/loop2"},
        {"nowhere", "root/dangling"},     {"/proc/self/root", "root/magic"}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        assert_int_equal(symlinkat(links[i][0], folder, links[i][1]), 0);
    root = openat(folder, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(root >= 0);
    close(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    close(root);
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    return system(command);
}

static void expect_inside(int file)
{
    char text[16] = "";
    assert_true(file >= 0);
    assert_int_equal(read(file, text, sizeof text - 1), 6);
    assert_string_equal(text, "inside");
    assert_true((fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    close(file);
}

static const char *const good[] = {
    "file.txt",  "./file.txt",        "a//b/deep.txt",          "link", "a/b/up", "folder/deep.txt",
    "folder/up", "a/parent/file.txt", "a/parent/a/parent/link", NULL};
static const char *const escaping[] = {"out", "a/grandparent/outside.txt", "absolute", "magic/etc/passwd", "loop1",
                                       NULL};

static void test_opens_what_is_beneath(void **state)
{
    (void)state;
    for (int i = 0; good[i] != NULL; i++) {
        int file = -1;
        if (cr_open_beneath(root, good[i], &file) != CR_OK)
            fail_msg("%s", cr_error_message());
        expect_inside(file);
        expect_inside(cr_walk_beneath(root, good[i]));
    }
}

static void expect_refused(const char *path, cr_status expected, const char *says)
{
    int file = -1;
    cr_status status = cr_open_beneath(root, path, &file);
    if (status != expected || strstr(cr_error_message(), says) == NULL)
        fail_msg("\"%.60s\": status %d, \"%s\"", path, (int)status, cr_error_message());
    assert_int_equal(file, -1);
}

static void test_refuses_escapes(void **state)
{
    (void)state;
    for (int i = 0; escaping[i] != NULL; i++) {
        expect_refused(escaping[i], CR_BAD_DATA, "escapes the image root");
        errno = 0;
        assert_int_equal(cr_walk_beneath(root, escaping[i]), -1);
        assert_true(errno == EXDEV || errno == ELOOP);
    }
    /* "..", even where it would stay inside, and absolute paths are refused as texts */
    expect_refused("../outside.txt", CR_BAD_DATA, "escapes the image root");
    expect_refused("a/../file.txt", CR_BAD_DATA, "escapes the image root");
    expect_refused("a/..", CR_BAD_DATA, "escapes the image root");
    expect_refused("/etc/passwd", CR_BAD_DATA, "escapes the image root");
    assert_int_equal(cr_walk_beneath(root, "../outside.txt"), -1);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(cr_walk_beneath(root, "a/../../outside.txt"), -1);
    assert_int_equal(errno, EXDEV);
}

static void test_refuses_what_is_no_file(void **state)
{
    (void)state;
    expect_refused("fifo", CR_BAD_DATA, "not a regular file"); /* at once: nobody writes into it */
    expect_refused("a", CR_BAD_DATA, "not a regular file");
    expect_refused("", CR_MISSING, "");
    expect_refused("nowhere.txt", CR_MISSING, "nowhere.txt");
    expect_refused("dangling", CR_MISSING, "dangling");
    expect_refused("file.txt/x", CR_MISSING, "file.txt/x");
    int device = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), file = -1;
    assert_int_equal(cr_open_beneath(device, "zero", &file), CR_BAD_DATA);
    close(device);
    assert_int_equal(cr_walk_beneath(root, "nowhere.txt"), -1);
    assert_int_equal(errno, ENOENT);
}

static void test_refuses_a_socket(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/root/socket", top);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (const struct sockaddr *)&address, sizeof address), 0);
    expect_refused("socket", CR_BAD_DATA, "not a regular file");
    close(server);
}

static void test_refuses_long_names(void **state)
{
    (void)state;
    char path[5001];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    expect_refused(path, CR_BAD_DATA, "too long");
    assert_int_equal(cr_walk_beneath(root, path), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    path[300] = '\0'; /* one component over NAME_MAX */
    expect_refused(path, CR_BAD_DATA, "too long");
    assert_int_equal(cr_walk_beneath(root, path), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_what_is_beneath),   cmocka_unit_test(test_refuses_escapes),
        cmocka_unit_test(test_refuses_what_is_no_file), cmocka_unit_test(test_refuses_a_socket),
        cmocka_unit_test(test_refuses_long_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
