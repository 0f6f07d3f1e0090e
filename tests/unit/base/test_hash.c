#include "crisol/hash.h"
#include "scratch_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* xxHash 0.8's own answers for the empty input and seed 0 (xxhsum -H3, -H2). */
static void empty_input_has_the_published_hash(void **state)
{
    (void)state;
    char text[CR_HASH_TEXT];
    assert_true(cr_hash64("", 0) == 0x2d06800538d394c2);
    cr_hash128("", 0, text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
}

static void pieces_hash_like_the_whole(void **state)
{
    (void)state;
    enum {
        BYTES = 100000
    };
    static unsigned char data[BYTES];
    char whole[CR_HASH_TEXT], pieces[CR_HASH_TEXT];
    for (int i = 0; i < BYTES; i++)
        data[i] = (unsigned char)(i * 7 >> 3);
    cr_hash128(data, BYTES, whole);
    for (size_t size = 1; size < BYTES; size = size * 3 + 1) {
        cr_hasher *hasher = NULL;
        assert_int_equal(cr_hasher_create(&hasher), CR_OK);
        for (size_t at = 0; at < BYTES; at += size)
            cr_hasher_update(hasher, data + at, at + size <= BYTES ? size : BYTES - at);
        cr_hasher_update(hasher, NULL, 0);
        cr_hasher_finish(hasher, pieces);
        assert_string_equal(pieces, whole);
        cr_hasher_destroy(&hasher);
        assert_null(hasher);
        cr_hasher_destroy(&hasher);
    }
    data[BYTES / 2] ^= 1;
    cr_hash128(data, BYTES, pieces);
    assert_string_not_equal(pieces, whole);
}

static void a_file_hashes_like_its_bytes(void **state)
{
    (void)state;
    enum {
        BYTES = (1 << 20) + 12345 /* more than one block */
    };
    char *data = malloc(BYTES), expected[CR_HASH_TEXT], text[CR_HASH_TEXT];
    uint64_t bytes;
    assert_non_null(data);
    for (int i = 0; i < BYTES; i++)
        data[i] = (char)(i >> 5);
    cr_hash128(data, BYTES, expected);
    assert_int_equal(cr_hash_file(scratch_file("data", data, BYTES), &bytes, text), CR_OK);
    assert_true(bytes == BYTES);
    assert_string_equal(text, expected);
    assert_int_equal(cr_hash_file(scratch_file("empty", "", 0), &bytes, text), CR_OK);
    assert_true(bytes == 0);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    free(data);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    char text[CR_HASH_TEXT];
    uint64_t bytes;
    assert_int_equal(cr_hash_file(scratch_path("absent"), &bytes, text), CR_MISSING);
    assert_non_null(strstr(cr_error_message(), "absent"));
    assert_int_equal(cr_hash_file(scratch_folder(), &bytes, text), CR_IO);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(cr_hash_file(scratch_path("fifo"), &bytes, text), CR_IO); /* and does not wait for a writer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_input_has_the_published_hash),
        cmocka_unit_test(pieces_hash_like_the_whole),
        cmocka_unit_test_setup_teardown(a_file_hashes_like_its_bytes, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
