/* A .npz file's members, as libzip and the .npy format say they must be. */
#include "npz_file.h"

#include "crisol/atomic_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include <cmocka.h>

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/npz-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/arrays.npz", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static const int32_t whole[3] = {1, -2, 3};
static const double real[2][2] = {{0.5, 1e300}, {-1, 0}};
static const char *const texts[3] = {"a", "ñandú", "\xff!"};
static const cr_npz_array arrays[] = {{"whole", CR_NPZ_I32, 1, {3, 0}, whole},
                                      {"real", CR_NPZ_F64, 2, {2, 2}, real},
                                      {"texts", CR_NPZ_TEXT, 1, {3, 0}, texts},
                                      {"none", CR_NPZ_F32, 2, {0, 5}, NULL}};

/* The member's bytes behind its header, which must have the given text. */
static size_t read_member(const char *name, const char *expected, unsigned char *data, size_t room)
{
    int error = 0;
    zip_t *archive = zip_open(path, ZIP_CHECKCONS | ZIP_RDONLY, &error);
    assert_non_null(archive);
    zip_stat_t info;
    assert_int_equal(zip_stat(archive, name, 0, &info), 0);
    assert_int_equal(info.comp_method, ZIP_CM_STORE);
    unsigned char bytes[1024];
    assert_true(info.size <= sizeof bytes);
    zip_file_t *file = zip_fopen(archive, name, 0);
    assert_non_null(file);
    assert_int_equal(zip_fread(file, bytes, info.size), info.size);
    zip_fclose(file);
    zip_close(archive);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
    size_t header = 10 + (size_t)bytes[8] + 256 * (size_t)bytes[9];
    assert_int_equal(header % 64, 0);
    assert_int_equal(bytes[header - 1], '\n');
    assert_memory_equal(bytes + 10, expected, strlen(expected));
    for (size_t i = 10 + strlen(expected); i < header - 1; i++)
        assert_int_equal(bytes[i], ' ');
    size_t n = info.size - header;
    assert_true(n <= room);
    memcpy(data, bytes + header, n);
    return n;
}

static void test_members(void **state)
{
    (void)state;
    unsigned char data[256];
    assert_int_equal(cr_npz_save(path, arrays, 4), CR_OK);
    assert_int_equal(read_member("whole.npy", "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", data, 256),
                     12);
    assert_memory_equal(data, whole, sizeof whole);
    assert_int_equal(read_member("real.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", data, 256),
                     32);
    assert_memory_equal(data, real, sizeof real);
    assert_int_equal(read_member("none.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }", data, 256),
                     0);
    static const uint32_t points[3][5] = {{'a'}, {0xF1, 'a', 'n', 'd', 0xFA}, {0xFFFD, '!'}};
    assert_int_equal(read_member("texts.npy", "{'descr': '<U5', 'fortran_order': False, 'shape': (3,), }", data, 256),
                     sizeof points);
    assert_memory_equal(data, points, sizeof points);
}

/* Neither the clock nor the time zone leaves a trace. */
static void test_same_bytes(void **state)
{
    (void)state;
    char *first = NULL, *second = NULL;
    size_t n_first, n_second;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    assert_int_equal(cr_npz_save(path, arrays, 4), CR_OK);
    assert_int_equal(cr_read_file(path, 1 << 20, &first, &n_first), CR_OK);
    assert_int_equal(setenv("TZ", "Asia/Kathmandu", 1), 0);
    usleep(2100000); /* zip's dates count in steps of two seconds */
    assert_int_equal(cr_npz_save(path, arrays, 4), CR_OK);
    assert_int_equal(cr_read_file(path, 1 << 20, &second, &n_second), CR_OK);
    assert_int_equal(n_first, n_second);
    assert_memory_equal(first, second, n_first);
    free(first);
    free(second);
}

static void test_no_folder(void **state)
{
    (void)state;
    assert_int_equal(cr_npz_save("/nowhere/at/all.npz", arrays, 1), CR_MISSING);
    assert_non_null(strstr(cr_error_message(), "/nowhere/at/all.npz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_members), cmocka_unit_test(test_same_bytes),
                                       cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests_name("npz file", tests, make_folder, remove_folder);
}
