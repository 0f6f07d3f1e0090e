/* Packs with flipped bits, cut, swapped and missing files: nothing passes, and what is said is true. */
#include "image.h"
#include "manifest.h"
#include "pack_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Opens the pack and reads every sample: what training would do. */
static cr_status use_pack(const char *folder)
{
    static uint8_t image[CR_IMAGE_BYTES];
    cr_pack *pack = NULL;
    cr_status status = cr_pack_open(folder, &pack);
    for (int s = 0; status == CR_OK && s < CR_N_SPLITS; s++)
        for (int64_t i = 0; status == CR_OK && i < cr_pack_n_samples(pack, (cr_split)s); i++)
            status = cr_pack_read_image(pack, (cr_split)s, i, image);
    cr_pack_close(&pack);
    return status;
}

/* Writes one byte of a file in place. */
static void poke(const char *path, uint64_t offset, uint8_t value)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    assert_int_equal(fputc(value, file), value);
    assert_int_equal(fclose(file), 0);
}

/* The shard that is opened first, so that its many damages are found quickly. */
static cr_shard_entry first_shard(const pack_case *c)
{
    cr_manifest *m = NULL;
    assert_int_equal(cr_manifest_read(c->output, &m), CR_OK);
    cr_shard_entry entry = m->shards[0];
    cr_manifest_destroy(&m);
    return entry;
}

/* Whether a byte belongs to a sample's row: its damage is then that sample's. */
static bool in_a_row(const cr_shard_entry *e, uint64_t byte)
{
    const uint64_t n = (uint64_t)e->n_samples;
    const cr_shard_offsets *o = &e->offsets;
    return byte - o->metadata < n * 5 * sizeof(float) || byte - o->labels < n * sizeof(int32_t) ||
           byte - o->ids < n * CR_PACK_ID_BYTES || byte - o->groups < n * sizeof(int64_t) ||
           byte - o->checksums < n * sizeof(uint64_t);
}

/* Where the last array ends: what is cut off behind it is no sample's. */
static uint64_t arrays_end(const cr_shard_entry *e)
{
    uint64_t end = e->offsets.images + (uint64_t)e->n_samples * CR_IMAGE_BYTES;
    for (uint64_t byte = end; byte < e->bytes; byte++)
        if (in_a_row(e, byte))
            end = byte + 1;
    return end;
}

/* Every byte outside the images, one bit each: opening refuses, verify names the file. */
static void test_every_byte_of_tables(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_damage damage;
    size_t bytes;
    int64_t n_flips = 0, n_as_samples = 0;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    cr_shard_entry e = first_shard(&c);
    uint64_t images_end = e.offsets.images + (uint64_t)e.n_samples * CR_IMAGE_BYTES;
    const char *name = pack_case_path(c.output, e.name);
    char path[PACK_CASE_PATH];
    snprintf(path, sizeof path, "%s", name);
    uint8_t *data = pack_case_read(path, &bytes);
    for (uint64_t i = 0; i < bytes; i = i + 1 == e.offsets.images ? images_end : i + 1) {
        poke(path, i, data[i] ^ (uint8_t)(1 << i % 8));
        assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
        assert_non_null(strstr(cr_error_message(), e.name));
        if (i % 64 == 0 || (in_a_row(&e, i) && i % 5 == 0)) { /* verify reads everything, so not for every byte */
            assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
            assert_int_equal(damage.n_files, 1);
            assert_int_equal(damage.n_samples, in_a_row(&e, i) ? 1 : 0);
            assert_memory_equal(damage.first, e.name, strlen(e.name));
            n_as_samples += damage.n_samples;
        }
        poke(path, i, data[i]);
        n_flips++;
    }
    printf("%lld bytes flipped, %lld of them seen as a sample's by verify\n", (long long)n_flips,
           (long long)n_as_samples);
    assert_true(n_as_samples > 100);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_OK);
    assert_int_equal(use_pack(c.output), CR_OK);
    free(data);
    pack_case_clear(&c);
}

static void test_image_bytes(void **state)
{
    (void)state;
    pack_case c;
    cr_pack_damage damage;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    cr_shard_entry e = first_shard(&c);
    char path[PACK_CASE_PATH];
    snprintf(path, sizeof path, "%s", pack_case_path(c.output, e.name));
    size_t bytes;
    uint8_t *data = pack_case_read(path, &bytes);
    for (uint64_t i = 0; i < (uint64_t)e.n_samples * CR_IMAGE_BYTES; i += 9973) {
        char expected[64];
        uint64_t at = e.offsets.images + i;
        snprintf(expected, sizeof expected, "%s, sample %lld ", e.name, (long long)(i / CR_IMAGE_BYTES));
        poke(path, at, data[at] ^ 1);
        assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
        assert_int_equal(damage.n_files, 1);
        assert_int_equal(damage.n_samples, 1);
        assert_memory_equal(damage.first, expected, strlen(expected));
        assert_int_equal(use_pack(c.output), CR_BAD_DATA); /* it opens, and the sample is refused when read */
        assert_non_null(strstr(cr_error_message(), e.name));
        poke(path, at, data[at]);
    }
    free(data);
    pack_case_clear(&c);
}

static void test_damage_is_counted(void **state)
{
    (void)state;
    pack_case c;
    cr_pack_damage damage;
    cr_manifest *m = NULL;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    assert_int_equal(cr_manifest_read(c.output, &m), CR_OK);
    for (int64_t s = 0; s < m->n_shards; s++) /* the first and the last sample of every shard */
        for (int k = 0; k < 2; k++) {
            int64_t sample = k ? m->shards[s].n_samples - 1 : 0;
            size_t bytes;
            const char *path = pack_case_path(c.output, m->shards[s].name);
            uint8_t *data = pack_case_read(path, &bytes);
            uint64_t at = m->shards[s].offsets.images + (uint64_t)sample * CR_IMAGE_BYTES + 777;
            poke(path, at, data[at] ^ 16);
            free(data);
        }
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_int_equal(damage.n_files, m->n_shards);
    assert_int_equal(damage.n_samples, 2 * m->n_shards);
    assert_memory_equal(damage.first, "train-00000-of-", 15);
    cr_manifest_destroy(&m);
    pack_case_clear(&c);
}

static void test_manifest_and_rejects(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_damage damage;
    size_t bytes;
    pack_case_make(&c, 2, "max_rejects: 0.1\n");
    pack_case_build_well(&c);
    char path[PACK_CASE_PATH];
    snprintf(path, sizeof path, "%s", pack_case_path(c.output, "manifest.json"));
    uint8_t *data = pack_case_read(path, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        poke(path, i, data[i] ^ (uint8_t)(1 << i % 8));
        assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
        assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
        assert_string_equal(damage.first, "manifest.json");
        poke(path, i, data[i]);
    }
    for (size_t n = 0; n < bytes; n += 13) {
        pack_case_write(path, data, n);
        assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
    }
    unlink(path);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_MISSING);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_MISSING);
    pack_case_write(path, data, bytes);
    free(data);
    snprintf(path, sizeof path, "%s", pack_case_path(c.output, "rejects.csv"));
    data = pack_case_read(path, &bytes);
    uint8_t kept = data[30];
    free(data);
    poke(path, 30, '~');
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_string_equal(damage.first, "rejects.csv");
    assert_int_equal(cr_pack_open(c.output, &pack), CR_OK); /* training does not need it */
    cr_pack_close(&pack);
    poke(path, 30, kept);
    snprintf(path, sizeof path, "%s", pack_case_path(c.output, "samples.csv"));
    poke(path, 30, '~');
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_string_equal(damage.first, "samples.csv");
    char **paths = NULL;
    assert_int_equal(cr_pack_open(c.output, &pack), CR_OK);
    assert_int_equal(cr_pack_read_paths(pack, CR_SPLIT_TRAIN, &paths), CR_BAD_DATA);
    assert_null(paths);
    cr_pack_close(&pack);
    pack_case_clear(&c);
}

static void test_cut_and_grown(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_damage damage;
    size_t bytes;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    cr_shard_entry e = first_shard(&c);
    char path[PACK_CASE_PATH];
    snprintf(path, sizeof path, "%s", pack_case_path(c.output, e.name));
    uint8_t *data = pack_case_read(path, &bytes);
    for (size_t n = 0; n<bytes; n += bytes> 40 * 4099 ? bytes / 40 : 4099) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
        assert_non_null(strstr(cr_error_message(), e.name));
        assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
        assert_int_equal(damage.n_files, 1);
        assert_int_equal(damage.n_samples, n < arrays_end(&e) ? e.n_samples : 0);
        pack_case_write(path, data, bytes);
    }
    assert_int_equal(truncate(path, (off_t)bytes + 1), 0);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_int_equal(damage.n_samples, 0);
    free(data);
    pack_case_clear(&c);
}

static void test_missing_swapped_linked(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_damage damage;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    char a[PACK_CASE_PATH], b[PACK_CASE_PATH], aside[PACK_CASE_PATH];
    snprintf(a, sizeof a, "%s", pack_case_path(c.output, "train-00000-of-00003.h5"));
    snprintf(b, sizeof b, "%s", pack_case_path(c.output, "train-00001-of-00003.h5"));
    snprintf(aside, sizeof aside, "%s", pack_case_path(c.folder, "aside"));
    assert_true(pack_case_exists(a) && pack_case_exists(b));
    assert_int_equal(rename(a, aside), 0);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_MISSING);
    assert_non_null(strstr(cr_error_message(), "train-00000-of-00003.h5"));
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_string_equal(damage.first, "train-00000-of-00003.h5: missing");
    assert_int_equal(symlink(aside, a), 0); /* the right content, but it is a link */
    assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    unlink(a);
    assert_int_equal(mkfifo(a, 0600), 0);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    unlink(a);
    assert_int_equal(rename(b, a), 0); /* swapped */
    assert_int_equal(rename(aside, b), 0);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_BAD_DATA);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_BAD_DATA);
    assert_int_equal(damage.n_files, 2);
    pack_case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_of_tables), cmocka_unit_test(test_image_bytes),
        cmocka_unit_test(test_damage_is_counted),    cmocka_unit_test(test_manifest_and_rejects),
        cmocka_unit_test(test_cut_and_grown),        cmocka_unit_test(test_missing_swapped_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
