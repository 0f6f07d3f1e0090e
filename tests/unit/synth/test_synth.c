/* The synthetic data set: the same seed gives the same files, files are what they claim, texture and label agree. */
#include "crisol/hash.h"
#include "crisol/synth.h"
#include "picture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

enum {
    N_SAMPLES = 40
};
static char base[256];

static int make_base(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(base, sizeof base, "%.200s/crisol-synth-XXXXXX", folder ? folder : "/tmp");
    return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **state)
{
    (void)state;
    static const char *const folders[] = {"a", "b", "c"};
    static const char *const extensions[] = {"png", "jpg"};
    char path[512];
    for (int f = 0; f < 3; f++) {
        for (int i = 0; i < N_SAMPLES; i++)
            for (int e = 0; e < 2; e++) {
                snprintf(path, sizeof path, "%s/%s/images/s%06d.%s", base, folders[f], i, extensions[e]);
                unlink(path);
            }
        snprintf(path, sizeof path, "%s/%s/table.csv", base, folders[f]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s/images", base, folders[f]);
        rmdir(path);
        snprintf(path, sizeof path, "%s/%s", base, folders[f]);
        rmdir(path);
    }
    return rmdir(base);
}

static const char *in_base(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return path;
}

static char *read_text(const char *name)
{
    FILE *in = fopen(in_base(name), "rb");
    assert_non_null(in);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, in) > 0);
    fclose(in);
    return text;
}

static void test_same_seed_same_files(void **state)
{
    (void)state;
    assert_int_equal(cr_synth_write(in_base("a"), N_SAMPLES, 7), CR_OK);
    assert_int_equal(cr_synth_write(in_base("b"), N_SAMPLES, 7), CR_OK);
    assert_int_equal(cr_synth_write(in_base("c"), N_SAMPLES, 8), CR_OK);
    char *a = read_text("a/table.csv"), *b = read_text("b/table.csv"), *c = read_text("c/table.csv");
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    int n_rows = -1, n_png = 0, n_jpg = 0, n_missing = 0;
    char *rest = NULL;
    for (char *line = strtok_r(a, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n_rows++) {
        char image[64], name[128], hash_a[CR_HASH_TEXT], hash_b[CR_HASH_TEXT];
        uint64_t bytes;
        if (n_rows < 0) {
            assert_string_equal(line, "id,group,image,size_mm,material,marks,label");
            continue;
        }
        int id, group;
        assert_int_equal(sscanf(line, "s%d,g%d,%63[^,]", &id, &group, image), 3);
        assert_int_equal(id, n_rows);
        assert_int_equal(group, n_rows / 2);
        n_missing += strstr(line, ",,") != NULL;
        snprintf(name, sizeof name, "a/%s", image);
        assert_int_equal(cr_hash_file(in_base(name), &bytes, hash_a), CR_OK);
        snprintf(name, sizeof name, "b/%s", image);
        assert_int_equal(cr_hash_file(in_base(name), &bytes, hash_b), CR_OK);
        assert_string_equal(hash_a, hash_b);
        unsigned char start[4];
        FILE *in = fopen(in_base(name), "rb");
        assert_non_null(in);
        assert_int_equal(fread(start, 1, 4, in), 4);
        fclose(in);
        bool is_png = strstr(image, ".png") != NULL;
        assert_memory_equal(start, is_png ? "\x89PNG" : "\xff\xd8\xff\xe0", 4);
        n_png += is_png;
        n_jpg += !is_png;
    }
    assert_int_equal(n_rows, N_SAMPLES);
    assert_true(n_png > 0 && n_jpg > 0 && n_missing > 0);
    free(a);
    free(b);
    free(c);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_int_equal(cr_synth_write(in_base("a"), N_SAMPLES, 7), CR_USAGE); /* is there already */
    assert_int_equal(cr_synth_write(in_base("d"), 7, 7), CR_USAGE);
    assert_int_equal(cr_synth_write(in_base("d"), CR_SYNTH_MAX_SAMPLES + 1, 7), CR_USAGE);
    assert_int_not_equal(access(in_base("d"), F_OK), 0);
}

/* A PNG holds exactly the pixels that were drawn. */
static void test_png_pixels(void **state)
{
    (void)state;
    cr_synth_picture *picture = malloc(sizeof *picture);
    assert_non_null(picture);
    cr_rng rng = cr_rng_make(3, CR_RNG_SYNTH, 0, 5);
    cr_synth_draw(&rng, CR_SYNTH_DOTS, picture);
    assert_true(picture->width >= CR_SYNTH_MIN_SIDE && picture->width <= CR_SYNTH_MAX_SIDE);
    assert_true(picture->height >= CR_SYNTH_MIN_SIDE && picture->height <= CR_SYNTH_MAX_SIDE);
    assert_int_equal(cr_synth_write_png(picture, in_base("one.png")), CR_OK);
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    assert_true(png_image_begin_read_from_file(&image, in_base("one.png")));
    image.format = PNG_FORMAT_RGB;
    assert_int_equal(image.width, picture->width);
    assert_int_equal(image.height, picture->height);
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(pixels);
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    assert_memory_equal(pixels, picture->pixels, PNG_IMAGE_SIZE(image));
    free(pixels);
    assert_int_equal(unlink(in_base("one.png")), 0);
    assert_int_equal(cr_synth_write_jpeg(picture, 90, in_base("no/folder.jpg")), CR_MISSING);
    free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_png_pixels),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
