/* One shard: repeatable bytes, places of the arrays, and refusal of every file that is built otherwise. */
#include "pack_case.h"
#include "shard_hdf5.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const classes[] = {"no", "sí, mucho"};
static const char *const features[] = {"age", "tags=Historia", "tags=Ocio"};

static cr_shard_info info_for(int64_t n_samples, int64_t n_features)
{
    return (cr_shard_info){.split = CR_SPLIT_VAL,
                           .index = 2,
                           .count = 5,
                           .n_samples = n_samples,
                           .n_features = n_features,
                           .n_classes = 2,
                           .class_names = classes,
                           .feature_names = features};
}

static int setup(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "/tmp/crisol-shard-XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    pack_case_remove(*state);
    return 0;
}

static cr_status check(const char *path, const cr_shard_info *info, const cr_shard_offsets *offsets)
{
    int descriptor = open(path, O_RDONLY);
    assert_true(descriptor >= 0);
    cr_status status = cr_shard_check(descriptor, path, info, offsets);
    close(descriptor);
    return status;
}

static void test_repeatable(void **state)
{
    static const int64_t sizes[][2] = {{1, 0}, {1, 1}, {7, 3}, {300, 3}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cr_shard_info info = info_for(sizes[i][0], sizes[i][1]);
        cr_shard_offsets a, b;
        uint64_t bytes_a, bytes_b;
        size_t n_a, n_b;
        const char *first = pack_case_path(*state, "a.h5"), *second = pack_case_path(*state, "b.h5");
        assert_int_equal(cr_shard_create(first, &info, &a, &bytes_a), CR_OK);
        sleep(i == 0); /* a time stamp, if there were one, would differ */
        assert_int_equal(cr_shard_create(second, &info, &b, &bytes_b), CR_OK);
        uint8_t *data_a = pack_case_read(first, &n_a), *data_b = pack_case_read(second, &n_b);
        assert_int_equal(n_a, bytes_a);
        assert_int_equal(n_a, n_b);
        assert_memory_equal(data_a, data_b, n_a);
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(a.images % 4096, 0);
        assert_int_equal(check(first, &info, &a), CR_OK);
        assert_int_equal(cr_shard_create(first, &info, &a, &bytes_a), CR_IO); /* never over an existing file */
        free(data_a);
        free(data_b);
        unlink(first);
        unlink(second);
    }
}

static void test_tables_round_trip(void **state)
{
    cr_shard_info info = info_for(9, 3);
    cr_shard_offsets offsets;
    cr_shard_tables out, in;
    uint64_t bytes;
    const char *path = pack_case_path(*state, "tables.h5");
    assert_int_equal(cr_shard_create(path, &info, &offsets, &bytes), CR_OK);
    assert_int_equal(cr_shard_tables_create(9, 3, &out), CR_OK);
    assert_int_equal(cr_shard_tables_create(9, 3, &in), CR_OK);
    for (int i = 0; i < 9; i++) {
        out.labels[i] = i * 3 - 7;
        out.groups[i] = (int64_t)i << 40;
        out.checksums[i] = UINT64_MAX - (uint64_t)i;
        memset(out.ids + i * CR_PACK_ID_BYTES, 'a' + i, (size_t)(60 + i % 5)); /* also all 64 bytes */
        for (int f = 0; f < 3; f++)
            out.metadata[3 * i + f] = (float)(i - f) / 3;
    }
    int descriptor = open(path, O_RDWR);
    assert_int_equal(cr_shard_tables_write(descriptor, path, 9, 3, &offsets, &out), CR_OK);
    assert_int_equal(cr_shard_tables_read(descriptor, path, 9, 3, &offsets, &in), CR_OK);
    assert_memory_equal(in.metadata, out.metadata, 9 * 3 * sizeof(float));
    assert_memory_equal(in.labels, out.labels, 9 * sizeof(int32_t));
    assert_memory_equal(in.ids, out.ids, 9 * CR_PACK_ID_BYTES);
    assert_memory_equal(in.groups, out.groups, 9 * sizeof(int64_t));
    assert_memory_equal(in.checksums, out.checksums, 9 * sizeof(uint64_t));
    struct stat file;
    assert_int_equal(fstat(descriptor, &file), 0);
    assert_int_equal(file.st_size, bytes); /* nothing was written behind the end */
    close(descriptor);
    assert_int_equal(check(path, &info, &offsets), CR_OK);
    cr_shard_tables_clear(&in);
    cr_shard_tables_clear(&out);
}

static void test_other_shards_are_refused(void **state)
{
    static const char *const other_classes[] = {"no", "si, mucho"};
    static const char *const other_features[] = {"age", "tags=Historia", "tags=Oci"};
    const cr_shard_info right = info_for(4, 3);
    cr_shard_offsets offsets, shifted;
    uint64_t bytes;
    const char *path = pack_case_path(*state, "right.h5");
    assert_int_equal(cr_shard_create(path, &right, &offsets, &bytes), CR_OK);
    cr_shard_info wrong[8];
    for (int i = 0; i < 8; i++)
        wrong[i] = right;
    wrong[0].split = CR_SPLIT_TEST;
    wrong[1].index = 3;
    wrong[2].count = 6;
    wrong[3].n_samples = 5;
    wrong[4].n_features = 2;
    wrong[5].n_classes = 1;
    wrong[6].class_names = other_classes;
    wrong[7].feature_names = other_features;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(check(path, &wrong[i], &offsets), CR_BAD_DATA);
        assert_non_null(strstr(cr_error_message(), path));
    }
    shifted = offsets;
    shifted.labels += 4;
    assert_int_equal(check(path, &right, &shifted), CR_BAD_DATA);
    assert_int_equal(check(path, &right, &offsets), CR_OK);
}

/* Hostile variants: a good shard in which one object is replaced. */
typedef void (*spoil)(hid_t file, const char *folder);

static void make_labels(hid_t file, hid_t type, const hsize_t *dims, const hsize_t *most, hid_t list)
{
    hid_t space = H5Screate_simple(1, dims, most);
    H5Ldelete(file, "labels", H5P_DEFAULT);
    hid_t set = H5Dcreate2(file, "labels", type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void spoil_by_chunks(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    (void)folder;
    H5Pset_chunk(list, 1, dims);
    make_labels(file, H5T_STD_I32LE, dims, NULL, list);
    H5Pclose(list);
}

static void spoil_by_a_filter(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    (void)folder;
    H5Pset_chunk(list, 1, dims);
    H5Pset_deflate(list, 9);
    make_labels(file, H5T_STD_I32LE, dims, NULL, list);
    H5Pclose(list);
}

static void spoil_by_compact_layout(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    (void)folder;
    H5Pset_layout(list, H5D_COMPACT);
    make_labels(file, H5T_STD_I32LE, dims, NULL, list);
    H5Pclose(list);
}

static void spoil_by_external_storage(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(list, pack_case_path(folder, "outside.bin"), 0, 16);
    make_labels(file, H5T_STD_I32LE, dims, NULL, list);
    H5Pclose(list);
}

static void spoil_by_a_virtual_set(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, dims, NULL);
    H5Pset_virtual(list, space, pack_case_path(folder, "other.h5"), "labels", space);
    make_labels(file, H5T_STD_I32LE, dims, NULL, list);
    H5Sclose(space);
    H5Pclose(list);
}

static void spoil_by_byte_order(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    (void)folder;
    make_labels(file, H5T_STD_I32BE, dims, NULL, H5P_DEFAULT);
}

static void spoil_by_type(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t type = H5Tcopy(H5T_C_S1);
    (void)folder;
    H5Tset_size(type, H5T_VARIABLE);
    make_labels(file, type, dims, NULL, H5P_DEFAULT);
    H5Tclose(type);
}

static void spoil_by_shape(hid_t file, const char *folder)
{
    hsize_t dims[1] = {5};
    (void)folder;
    make_labels(file, H5T_STD_I32LE, dims, NULL, H5P_DEFAULT);
}

static void spoil_by_place(hid_t file, const char *folder)
{
    hsize_t dims[1] = {4};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, dims, NULL);
    (void)folder;
    H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
    /* the new set is made while the old one still has its place, and takes over its name after that */
    H5Dclose(H5Dcreate2(file, "new", H5T_STD_I32LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Ldelete(file, "labels", H5P_DEFAULT);
    assert_true(H5Lmove(file, "new", file, "labels", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Sclose(space);
    H5Pclose(list);
}

static void spoil_by_a_soft_link(hid_t file, const char *folder)
{
    (void)folder;
    H5Ldelete(file, "labels", H5P_DEFAULT);
    assert_true(H5Lcreate_soft("/groups", file, "labels", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void spoil_by_an_external_link(hid_t file, const char *folder)
{
    H5Ldelete(file, "labels", H5P_DEFAULT);
    assert_true(H5Lcreate_external(pack_case_path(folder, "other.h5"), "/labels", file, "labels", H5P_DEFAULT,
                                   H5P_DEFAULT) >= 0);
}

static void spoil_by_a_group(hid_t file, const char *folder)
{
    (void)folder;
    H5Ldelete(file, "labels", H5P_DEFAULT);
    H5Gclose(H5Gcreate2(file, "labels", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void spoil_by_an_extra_object(hid_t file, const char *folder)
{
    (void)folder;
    H5Gclose(H5Gcreate2(file, "extra", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void spoil_by_a_missing_object(hid_t file, const char *folder)
{
    (void)folder;
    H5Ldelete(file, "groups", H5P_DEFAULT);
}

static void spoil_by_an_attribute(hid_t file, const char *folder)
{
    hsize_t dims[1] = {1000};
    hid_t space = H5Screate_simple(1, dims, NULL);
    (void)folder;
    H5Adelete(file, "version"); /* an array where one number is expected: reading it would overrun */
    H5Aclose(H5Acreate2(file, "version", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
}

static void spoil_by_a_missing_attribute(hid_t file, const char *folder)
{
    (void)folder;
    H5Adelete(file, "format");
}

static void test_hostile_structure(void **state)
{
    static const struct {
        spoil spoil;
        const char *said;
    } cases[] = {
        {spoil_by_chunks, "labels: not contiguous"},
        {spoil_by_a_filter, "labels: not contiguous"},
        {spoil_by_compact_layout, "labels: not contiguous"},
        {spoil_by_external_storage, "labels: stored in another file"},
        {spoil_by_a_virtual_set, "labels: not contiguous"},
        {spoil_by_byte_order, "labels: of another type"},
        {spoil_by_type, "labels: of another type"},
        {spoil_by_shape, "labels: of another shape"},
        {spoil_by_place, "labels: not where the manifest says"},
        {spoil_by_a_soft_link, "labels: missing, or a link elsewhere"},
        {spoil_by_an_external_link, "labels: missing, or a link elsewhere"},
        {spoil_by_a_group, "labels: no data set"},
        {spoil_by_an_extra_object, "/: other objects than a shard's"},
        {spoil_by_a_missing_object, "/: other objects than a shard's"},
        {spoil_by_an_attribute, "version: missing, or another value"},
        {spoil_by_a_missing_attribute, "format: missing, or another value"},
    };
    const cr_shard_info info = info_for(4, 3);
    char path[PACK_CASE_PATH];
    snprintf(path, sizeof path, "%s", pack_case_path(*state, "hostile.h5"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_shard_offsets offsets;
        uint64_t bytes;
        assert_int_equal(cr_shard_create(path, &info, &offsets, &bytes), CR_OK);
        hid_t access = cr_hdf5_access(), file = H5Fopen(path, H5F_ACC_RDWR, access);
        assert_true(file >= 0);
        cases[i].spoil(file, *state);
        H5Fclose(file);
        H5Pclose(access);
        cr_status frame = check(path, &info, &offsets); /* HDF5 would not even be asked; here it is */
        int descriptor = open(path, O_RDONLY);
        cr_status structure = cr_shard_check_structure(descriptor, path, &info, &offsets);
        close(descriptor);
        if (frame != CR_BAD_DATA || structure != CR_BAD_DATA)
            fail_msg("case %zu is taken for a good shard", i);
        if (!strstr(cr_error_message(), cases[i].said))
            fail_msg("case %zu: \"%s\" where \"%s\" is due", i, cr_error_message(), cases[i].said);
        unlink(path);
    }
}

static void test_offsets(void **state)
{
    const cr_shard_offsets good = {4096, 4096 + 2 * (uint64_t)CR_IMAGE_BYTES, 400000, 401000, 402000, 403000};
    (void)state;
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, 500000, &good), CR_OK);
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, 403015, &good), CR_BAD_DATA); /* one byte too few */
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, 403016, &good), CR_OK);
    assert_int_equal(cr_shard_check_offsets("a", 2, INT64_MAX, 500000, &good), CR_BAD_DATA); /* overflow */
    assert_int_equal(cr_shard_check_offsets("a", INT64_MAX / 2, 3, UINT64_MAX, &good), CR_BAD_DATA);
    cr_shard_offsets bad = good;
    bad.labels = UINT64_MAX - 3;
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, UINT64_MAX, &bad), CR_BAD_DATA);
    bad = good;
    bad.ids = 400004; /* over the labels */
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, 500000, &bad), CR_BAD_DATA);
    bad = good;
    bad.groups = 0;
    assert_int_equal(cr_shard_check_offsets("a", 2, 3, 500000, &bad), CR_BAD_DATA);
    bad = good;
    bad.metadata = 0; /* of no features: it has no place */
    assert_int_equal(cr_shard_check_offsets("a", 2, 0, 500000, &bad), CR_OK);
}

/* What the checksum covers, by changing each part. */
static void test_checksum_covers_all(void **state)
{
    static uint8_t image[CR_IMAGE_BYTES];
    float metadata[2] = {1, 2};
    char id[CR_PACK_ID_BYTES] = "one";
    (void)state;
    uint64_t base = cr_sample_checksum(image, metadata, 2, 3, id, 4);
    assert_true(base == cr_sample_checksum(image, metadata, 2, 3, id, 4));
    image[CR_IMAGE_BYTES - 1] = 1;
    assert_true(base != cr_sample_checksum(image, metadata, 2, 3, id, 4));
    image[CR_IMAGE_BYTES - 1] = 0;
    metadata[1] = 3;
    assert_true(base != cr_sample_checksum(image, metadata, 2, 3, id, 4));
    assert_true(base != cr_sample_checksum(image, metadata, 1, 3, id, 4));
    metadata[1] = 2;
    assert_true(base != cr_sample_checksum(image, metadata, 2, 2, id, 4));
    assert_true(base != cr_sample_checksum(image, metadata, 2, 3, id, 5));
    id[CR_PACK_ID_BYTES - 1] = 'x';
    assert_true(base != cr_sample_checksum(image, metadata, 2, 3, id, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeatable),        cmocka_unit_test(test_tables_round_trip),
        cmocka_unit_test(test_hostile_structure), cmocka_unit_test(test_other_shards_are_refused),

        cmocka_unit_test(test_offsets),           cmocka_unit_test(test_checksum_covers_all),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
