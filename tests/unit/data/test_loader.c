#include "crisol/data.h"
#include "crisol/rng.h"
#include "tiny_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CAPACITY = 8
};

static cr_pack *pack;
static cr_subset subset;
static cr_encoder *encoder;

static int open_pack(void **state)
{
    (void)state;
    static const int32_t class_of[TINY_CLASSES] = {2, -1, 0}; /* so that positions are not sample numbers */
    pack = tiny_pack_open();
    assert_int_equal(cr_subset_create(pack, CR_SPLIT_TRAIN, class_of, 0, &subset), CR_OK);
    assert_int_equal(cr_encoder_create(pack, NULL, 0, &encoder), CR_OK);
    return 0;
}

static int close_pack(void **state)
{
    (void)state;
    cr_encoder_destroy(&encoder);
    cr_subset_destroy(&subset);
    cr_pack_close(&pack);
    tiny_pack_remove();
    return 0;
}

static cr_loader *create(bool with_images, bool with_metadata)
{
    cr_loader *loader = NULL;
    assert_int_equal(cr_loader_create(&subset, with_metadata ? encoder : NULL, with_images ? cr_memory_host() : NULL,
                                      CAPACITY, &loader),
                     CR_OK);
    return loader;
}

/* Request number `k`: length and positions drawn, with repetition. */
static int64_t draw(uint64_t k, int64_t positions[CAPACITY])
{
    cr_rng rng = cr_rng_make(9, CR_RNG_ORDER, 0, k);
    int64_t n = (int64_t)cr_rng_below(&rng, CAPACITY + 1);
    for (int64_t i = 0; i < n; i++)
        positions[i] = (int64_t)cr_rng_below(&rng, (uint64_t)subset.n_samples);
    return n;
}

static void request(cr_loader *loader, uint64_t k)
{
    int64_t positions[CAPACITY];
    int64_t n = draw(k, positions);
    cr_loader_request(loader, positions, n);
    memset(positions, 0xff, sizeof positions); /* they were copied */
}

static void check(const cr_loaded *loaded, uint64_t k, bool with_images, bool with_metadata)
{
    int64_t positions[CAPACITY];
    assert_int_equal(loaded->n, draw(k, positions));
    assert_int_equal(loaded->images != NULL, with_images);
    assert_int_equal(loaded->metadata != NULL, with_metadata);
    for (int64_t i = 0; i < loaded->n; i++) {
        int64_t sample = subset.samples[positions[i]];
        assert_int_equal(loaded->positions[i], positions[i]);
        assert_int_equal(loaded->labels[i], subset.labels[positions[i]]);
        for (int64_t b = 0; with_images && b < TINY_IMAGE_BYTES; b += 191)
            assert_int_equal(loaded->images[i * TINY_IMAGE_BYTES + b], tiny_pixel((int)sample, b));
        float encoded[16];
        cr_encoder_encode(encoder, cr_pack_metadata(pack, CR_SPLIT_TRAIN, sample), encoded);
        if (with_metadata)
            assert_memory_equal(loaded->metadata + i * cr_encoder_width(encoder), encoded,
                                (size_t)cr_encoder_width(encoder) * sizeof(float));
    }
}

/* As training does: wait, ask for the next, use this one while the next is read. */
static void one_ahead(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool with_images = kind & 1, with_metadata = kind & 2;
        cr_loader *loader = create(with_images, with_metadata);
        request(loader, 0);
        for (uint64_t k = 0; k < 100; k++) {
            cr_loaded loaded;
            assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
            request(loader, k + 1);
            check(&loaded, k, with_images, with_metadata);
            assert_int_equal((uintptr_t)loaded.images % 64, 0);
        }
        assert_true(cr_loader_wait_s(loader) >= 0);
        cr_loader_destroy(&loader);
        assert_null(loader);
    }
}

/* Two open requests while a third batch is still in use. */
static void two_ahead(void **state)
{
    (void)state;
    cr_loader *loader = create(true, true);
    request(loader, 0);
    request(loader, 1);
    for (uint64_t k = 0; k < 100; k++) {
        cr_loaded loaded;
        assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
        request(loader, k + 2);
        check(&loaded, k, true, true);
    }
    cr_loader_destroy(&loader);
}

/* With nothing, one or two requests open, read or not, waited for or not. */
static void destroyed_at_any_time(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 300; k++) {
        cr_loader *loader = create(k % 2, true);
        cr_loaded loaded;
        for (uint64_t i = 0; i < k % 3; i++)
            request(loader, k + i);
        if (k % 3 && k % 5 == 0) {
            assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
            check(&loaded, k, k % 2, true);
        }
        cr_loader_destroy(&loader);
    }
    cr_loader_destroy(NULL);
}

static void a_damaged_sample_is_named_and_the_next_batch_comes(void **state)
{
    (void)state;
    const int64_t bad = 5, good = 6;
    int row = (int)subset.samples[bad];
    char id[32];
    cr_loaded loaded;
    cr_loader *loader = create(true, true);
    snprintf(id, sizeof id, "tiny-%d.png", row);
    tiny_pack_damage(row);
    cr_loader_request(loader, &bad, 1);
    cr_loader_request(loader, &good, 1);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), id));
    assert_non_null(strstr(cr_error_message(), ".h5"));
    assert_int_equal(loaded.n, 0);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
    assert_int_equal(loaded.labels[0], subset.labels[good]);
    tiny_pack_damage(row);
    cr_loader_request(loader, &bad, 1);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
    assert_int_equal(loaded.images[100], tiny_pixel(row, 100));
    cr_loader_destroy(&loader);
}

static void wrong_use_is_an_error_and_no_hang(void **state)
{
    (void)state;
    cr_loaded loaded;
    cr_loader *loader = create(true, true);
    const int64_t outside[] = {-1, subset.n_samples};
    int64_t many[CAPACITY + 1] = {0};
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_INTERNAL); /* nothing asked for */
    for (int i = 0; i < 2; i++) {
        cr_loader_request(loader, &outside[i], 1);
        assert_int_equal(cr_loader_wait(loader, &loaded), CR_INTERNAL);
    }
    cr_loader_request(loader, many, CAPACITY + 1);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_INTERNAL);
    for (uint64_t k = 0; k < 3; k++) /* one too many */
        request(loader, k);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_INTERNAL);
    cr_loader_destroy(&loader);
    assert_int_equal(cr_loader_create(&subset, encoder, cr_memory_host(), 0, &loader), CR_BAD_CONFIG);
    assert_int_equal(cr_loader_create(&subset, encoder, cr_memory_host(), INT64_MAX, &loader), CR_BAD_CONFIG);
    assert_null(loader);
}

/* A memory that has nothing but room for so many pinned arrays. */
static float *arrays[2];
static int n_arrays;

static cr_status allocate_pinned(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    assert_int_equal(n * 4, CAPACITY * TINY_IMAGE_BYTES);
    if (n_arrays == *(const int *)memory->context)
        return cr_fail(CR_INTERNAL, "no room for %s", what);
    *floats = arrays[n_arrays++] = aligned_alloc(64, CAPACITY * TINY_IMAGE_BYTES);
    return CR_OK;
}

static void release_pinned(const cr_memory *memory, float *floats)
{
    (void)memory;
    assert_true(floats == arrays[0] || floats == arrays[1]);
    n_arrays--;
    free(floats);
}

static void images_are_read_into_pinned_memory(void **state)
{
    (void)state;
    int room = 2;
    const cr_memory_ops ops = {.allocate_pinned = allocate_pinned, .release_pinned = release_pinned};
    const cr_memory memory = {.ops = &ops, .context = &room};
    cr_loader *loader = NULL;
    assert_int_equal(cr_loader_create(&subset, encoder, &memory, CAPACITY, &loader), CR_OK);
    for (uint64_t k = 0; k < 4; k++) {
        cr_loaded loaded;
        request(loader, k);
        assert_int_equal(cr_loader_wait(loader, &loaded), CR_OK);
        assert_ptr_equal(loaded.images, arrays[k % 2]);
        check(&loaded, k, true, true);
    }
    cr_loader_destroy(&loader);
    assert_int_equal(n_arrays, 0);
    for (room = 0; room < 2; room++) {
        assert_int_equal(cr_loader_create(&subset, encoder, &memory, CAPACITY, &loader), CR_INTERNAL);
        assert_non_null(strstr(cr_error_message(), "images"));
        assert_null(loader);
        assert_int_equal(n_arrays, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_ahead),
        cmocka_unit_test(two_ahead),
        cmocka_unit_test(destroyed_at_any_time),
        cmocka_unit_test(a_damaged_sample_is_named_and_the_next_batch_comes),
        cmocka_unit_test(wrong_use_is_an_error_and_no_hang),
        cmocka_unit_test(images_are_read_into_pinned_memory),
    };
    return cmocka_run_group_tests(tests, open_pack, close_pack);
}
