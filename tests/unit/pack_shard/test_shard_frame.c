/* Every byte of a shard outside its arrays, changed one by one: HDF5 must not be asked what it thinks of it. */
#include "shard.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The bytes of the data sets' header checksums are left to HDF5; version 1.10 forgets a block when it refuses one. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static bool in_arrays(const cr_shard_offsets *offsets, const cr_shard_info *info, uint64_t at)
{
    const uint64_t n = (uint64_t)info->n_samples;
    const uint64_t arrays[][2] = {
        {offsets->images, n * CR_IMAGE_BYTES},  {offsets->metadata, n * (uint64_t)info->n_features * sizeof(float)},
        {offsets->labels, n * sizeof(int32_t)}, {offsets->ids, n * CR_PACK_ID_BYTES},
        {offsets->groups, n * sizeof(int64_t)}, {offsets->checksums, n * sizeof(uint64_t)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (at >= arrays[i][0] && at - arrays[i][0] < arrays[i][1])
            return true;
    return false;
}

static void every_byte_is_checked(void **state)
{
    static const char *const classes[] = {"no", "OHDR, mucho"}, *const features[] = {"age", "tags=Ocio"};
    const cr_shard_info info = {.split = CR_SPLIT_TEST,
                                .index = 1,
                                .count = 2,
                                .n_samples = 2,
                                .n_features = 2,
                                .n_classes = 2,
                                .class_names = classes,
                                .feature_names = features};
    cr_shard_offsets offsets;
    uint64_t bytes;
    char folder[] = "/tmp/crisol-frame-XXXXXX", path[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/shard.h5", folder);
    assert_int_equal(cr_shard_create(path, &info, &offsets, &bytes), CR_OK);
    int descriptor = open(path, O_RDWR);
    assert_true(descriptor >= 0);
    assert_int_equal(cr_shard_check(descriptor, path, &info, &offsets), CR_OK);
    for (uint64_t at = 0; at < bytes; at++) {
        uint8_t was, spoilt;
        if (in_arrays(&offsets, &info, at)) {
            at += at == offsets.images ? 2 * (uint64_t)CR_IMAGE_BYTES - 1 : 0;
            continue;
        }
        assert_int_equal(cr_pread(descriptor, path, &was, 1, at), CR_OK);
        spoilt = was ^ 0x10;
        assert_int_equal(cr_pwrite(descriptor, path, &spoilt, 1, at), CR_OK);
        if (cr_shard_check(descriptor, path, &info, &offsets) != CR_BAD_DATA)
            fail_msg("byte %llu is not checked", (unsigned long long)at);
        assert_int_equal(cr_pwrite(descriptor, path, &was, 1, at), CR_OK);
    }
    assert_int_equal(cr_shard_check(descriptor, path, &info, &offsets), CR_OK);
    close(descriptor);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte_is_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
