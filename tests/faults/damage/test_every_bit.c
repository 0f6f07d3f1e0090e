/* Every bit of a small pack flipped and every truncation of its files: nothing passes as it was. CRISOL_BIT_STRIDE=1
 * takes every bit and every length; without it every 61st, which is what there is time for on each change. */
#include "image.h"
#include "manifest.h"
#include "pack_case.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static long stride = 61, n_flips, n_cuts, n_lost;

typedef struct mapped { /* a file, whose bytes can be changed in place */
    char path[PACK_CASE_PATH];
    uint8_t *bytes;
    size_t n;
} mapped;

static mapped map_file(const pack_case *c, const char *name)
{
    mapped file;
    struct stat info;
    snprintf(file.path, sizeof file.path, "%s", pack_case_path(c->output, name));
    int descriptor = open(file.path, O_RDWR);
    assert_true(descriptor >= 0 && !fstat(descriptor, &info));
    file.n = (size_t)info.st_size;
    file.bytes = mmap(NULL, file.n, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    assert_true(file.bytes != MAP_FAILED);
    close(descriptor);
    return file;
}

static void must_fail(cr_status status, const char *what, const char *path, size_t where)
{
    if (status == CR_BAD_DATA)
        return;
    n_lost++;
    printf("LOST: %s %zu of %s is not noticed (status %d)\n", what, where, path, (int)status);
}

static cr_status open_pack(const pack_case *c)
{
    cr_pack *pack = NULL;
    cr_status status = cr_pack_open(c->output, &pack);
    cr_pack_close(&pack);
    return status;
}

/* Bits first … end-1 of a file that is checked when the pack is opened. */
static void flip_for_opening(const pack_case *c, mapped *file, size_t first, size_t end)
{
    for (size_t bit = first; bit < end; bit += (size_t)stride, n_flips++) {
        file->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        must_fail(open_pack(c), "bit", file->path, bit);
        file->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Bits of the first training sample's image: the pack opens, the sample is refused. */
static void flip_for_reading(const pack_case *c, mapped *file, uint64_t images)
{
    uint8_t *image = malloc(CR_IMAGE_BYTES);
    cr_pack *pack = NULL;
    assert_non_null(image);
    assert_int_equal(cr_pack_open(c->output, &pack), CR_OK);
    assert_int_equal(cr_pack_read_image(pack, CR_SPLIT_TRAIN, 0, image), CR_OK);
    for (size_t bit = images * 8; bit < (images + CR_IMAGE_BYTES) * 8; bit += (size_t)stride, n_flips++) {
        file->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        must_fail(cr_pack_read_image(pack, CR_SPLIT_TRAIN, 0, image), "bit", file->path, bit);
        file->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_pack_close(&pack);
    free(image);
}

/* From the whole length down, so that nothing has to be written again. */
static void cut(const pack_case *c, mapped *file, size_t step)
{
    uint8_t *kept = malloc(file->n);
    assert_non_null(kept);
    memcpy(kept, file->bytes, file->n);
    for (size_t n = file->n - 1;; n -= step, n_cuts++) {
        assert_int_equal(truncate(file->path, (off_t)n), 0);
        must_fail(open_pack(c), "length", file->path, n);
        if (n < step)
            break;
    }
    pack_case_write(file->path, kept, file->n);
    free(kept);
}

static void every_bit(void **state)
{
    pack_case c;
    cr_manifest *m = NULL;
    (void)state;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    assert_int_equal(cr_manifest_read(c.output, &m), CR_OK);
    const cr_shard_entry e = m->shards[0];
    assert_int_equal(e.split, CR_SPLIT_TRAIN);
    mapped shard = map_file(&c, e.name), manifest = map_file(&c, CR_MANIFEST_FILE);
    const size_t images_end = e.offsets.images + (size_t)e.n_samples * CR_IMAGE_BYTES;
    flip_for_opening(&c, &manifest, 0, manifest.n * 8);
    flip_for_opening(&c, &shard, 0, e.offsets.images * 8);
    flip_for_opening(&c, &shard, images_end * 8, shard.n * 8);
    flip_for_reading(&c, &shard, e.offsets.images);
    cut(&c, &manifest, 1);
    cut(&c, &shard, (size_t)stride);
    assert_int_equal(open_pack(&c), CR_OK);
    munmap(shard.bytes, shard.n);
    munmap(manifest.bytes, manifest.n);
    cr_manifest_destroy(&m);
    pack_case_clear(&c);
    assert_int_equal(n_lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bit)};
    const char *wanted = getenv("CRISOL_BIT_STRIDE");
    if (wanted && atol(wanted) > 0)
        stride = atol(wanted);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("flipped bits of a pack: %ld tries, %ld lost\ntruncations of a pack: %ld tries, %ld lost\n", n_flips, n_lost,
           n_cuts, n_lost);
    return n_failed;
}
