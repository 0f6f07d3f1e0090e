/* Decoding files made here: every form, every truncation, damage, limits, orientation. */
#include "image.h"
#include "picture_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cr_status decode(const uint8_t *data, size_t bytes, cr_image *image, const char **reason)
{
    *reason = NULL;
    return cr_image_decode(data, bytes, &cr_image_default_limits, true, image, reason);
}

/* The file is refused, with a reason (`expected`, unless null) and a message. */
static void assert_refused(const uint8_t *data, size_t bytes, const cr_image_limits *limits, const char *expected)
{
    cr_image image = {0};
    const char *reason = NULL;
    assert_int_equal(cr_image_decode(data, bytes, limits, true, &image, &reason), CR_BAD_DATA);
    assert_non_null(reason);
    if (expected)
        assert_string_equal(reason, expected);
    assert_true(strlen(cr_error_message()) > 0);
    cr_image_clear(&image);
}

static void test_png_round_trip(void **state)
{
    (void)state;
    cr_image image = {0};
    const char *reason;
    for (int width = 1; width < 40; width += 7) {
        size_t bytes;
        uint8_t *rgb = picture_make(width, 23, 3, (uint32_t)width), *png = picture_png(rgb, width, 23, &bytes);
        assert_int_equal(decode(png, bytes, &image, &reason), CR_OK);
        assert_int_equal(image.width, width);
        assert_int_equal(image.height, 23);
        assert_memory_equal(image.buffer.data, rgb, (size_t)width * 23 * 3);
        free(rgb);
        free(png);
    }
    cr_image_clear(&image);
}

/* A file cut anywhere is refused, whatever libjpeg would have made of the rest. */
static void check_truncations(const uint8_t *data, size_t bytes)
{
    cr_image image = {0};
    const char *reason;
    assert_int_equal(decode(data, bytes, &image, &reason), CR_OK);
    for (size_t n = 0; n < bytes; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* its own block, so that a sanitizer sees reading beyond it */
        memcpy(cut, data, n);
        assert_refused(cut, n, &cr_image_default_limits, n ? NULL : "empty file");
        free(cut);
    }
    cr_image_clear(&image);
}

static void test_truncations(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *rgb = picture_make(45, 31, 3, 1);
    uint8_t *jpeg = picture_jpeg(rgb, 45, 31, (jpeg_form){.channels = 3}, &bytes);
    check_truncations(jpeg, bytes);
    free(jpeg);
    jpeg = picture_jpeg(rgb, 45, 31, (jpeg_form){.channels = 3, .progressive = true, .restart = 2}, &bytes);
    check_truncations(jpeg, bytes);
    free(jpeg);
    uint8_t *png = picture_png(rgb, 45, 31, &bytes);
    check_truncations(png, bytes);
    free(png);
    free(rgb);
}

/* Flipped bits: decoded or refused with a reason, and never anything else (the sanitizers look on). A PNG's checksums
 * find every one; its first byte makes it no PNG at all. */
static void check_flips(uint8_t *data, size_t bytes, bool all_found)
{
    cr_image image = {0};
    const char *reason;
    for (size_t i = 0; i < bytes; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            data[i] ^= (uint8_t)(1 << bit);
            if (all_found || decode(data, bytes, &image, &reason) != CR_OK)
                assert_refused(data, bytes, &cr_image_default_limits, NULL);
            data[i] ^= (uint8_t)(1 << bit);
        }
    cr_image_clear(&image);
}

static void test_flips(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *rgb = picture_make(33, 20, 3, 2);
    uint8_t *jpeg = picture_jpeg(rgb, 33, 20, (jpeg_form){.channels = 3, .orientation = 6}, &bytes);
    check_flips(jpeg, bytes, false);
    free(jpeg);
    jpeg = picture_jpeg(rgb, 33, 20, (jpeg_form){.channels = 3, .progressive = true}, &bytes);
    check_flips(jpeg, bytes, false);
    free(jpeg);
    uint8_t *png = picture_png(rgb, 33, 20, &bytes);
    check_flips(png, bytes, true);
    free(png);
    free(rgb);
}

static void test_limits(void **state)
{
    (void)state;
    cr_image image = {0};
    size_t jpeg_bytes, png_bytes;
    uint8_t *rgb = picture_make(256, 256, 3, 3);
    uint8_t *jpeg = picture_jpeg(rgb, 256, 256, (jpeg_form){.channels = 3, .progressive = true}, &jpeg_bytes);
    uint8_t *png = picture_png(rgb, 256, 256, &png_bytes);
    const char *reason = NULL;
    cr_image_limits limits = cr_image_default_limits;
    limits.pixels = 256 * 256 - 1;
    assert_refused(jpeg, jpeg_bytes, &limits, "image too large");
    assert_refused(png, png_bytes, &limits, "image too large");
    limits = cr_image_default_limits;
    limits.side = 255;
    assert_refused(jpeg, jpeg_bytes, &limits, "image too large");
    assert_refused(png, png_bytes, &limits, "image too large");
    limits = cr_image_default_limits;
    limits.file_bytes = png_bytes - 1;
    assert_refused(png, png_bytes, &limits, "file too large");
    limits = cr_image_default_limits;
    limits.scans = 3;
    assert_refused(jpeg, jpeg_bytes, &limits, "too many scans");
    limits = cr_image_default_limits;
    limits.memory_bytes = 100000; /* the coefficients of 256 x 256 pixels take more */
    assert_refused(jpeg, jpeg_bytes, &limits, "image too large");
    assert_int_equal(cr_image_decode(jpeg, jpeg_bytes, &cr_image_default_limits, true, &image, &reason), CR_OK);
    cr_image_clear(&image);
    free(rgb);
    free(jpeg);
    free(png);
}

/* One flat colour in four inks, stored inverted: the file's values are known up to the encoder's rounding, the rule is
 * exact. */
static void check_inks(jpeg_form form)
{
    static const uint8_t inks[][4] = {{0, 0, 0, 0}, {255, 255, 255, 255}, {200, 100, 50, 0}, {10, 20, 30, 200}};
    for (size_t k = 0; k < sizeof inks / sizeof *inks; k++) {
        uint8_t pixels[16 * 16 * 4];
        cr_image image = {0};
        const char *reason;
        size_t bytes;
        for (int i = 0; i < 16 * 16 * 4; i++)
            pixels[i] = 255 - inks[k][i % 4];
        uint8_t *jpeg = picture_jpeg(pixels, 16, 16, form, &bytes);
        assert_int_equal(decode(jpeg, bytes, &image, &reason), CR_OK);
        for (int c = 0; c < 3; c++) {
            double expected = (255 - inks[k][c]) * (255 - inks[k][3]) / 255.0;
            assert_in_range(image.buffer.data[c] + 4, (int)(expected + 0.5), (int)(expected + 0.5) + 8);
        }
        free(jpeg);
        cr_image_clear(&image);
    }
}

static void test_inks(void **state)
{
    (void)state;
    check_inks((jpeg_form){.channels = 4, .quality = 100});
    check_inks((jpeg_form){.channels = 4, .quality = 100, .ycck = true});
    check_inks((jpeg_form){.channels = 4, .quality = 100, .no_adobe_marker = true}); /* as Pillow */
}

static void test_grey_is_repeated(void **state)
{
    (void)state;
    cr_image image = {0};
    const char *reason;
    size_t bytes;
    uint8_t *grey = picture_make(30, 20, 1, 4);
    uint8_t *jpeg = picture_jpeg(grey, 30, 20, (jpeg_form){.channels = 1, .quality = 100}, &bytes);
    assert_int_equal(decode(jpeg, bytes, &image, &reason), CR_OK);
    for (int i = 0; i < 30 * 20; i++) {
        assert_int_equal(image.buffer.data[3 * i], image.buffer.data[3 * i + 1]);
        assert_int_equal(image.buffer.data[3 * i], image.buffer.data[3 * i + 2]);
        assert_in_range(image.buffer.data[3 * i] + 4, grey[i], grey[i] + 8);
    }
    free(grey);
    free(jpeg);
    cr_image_clear(&image);
}

/* The six pixels a b c / d e f after each orientation, by hand from the EXIF standard's figure. */
static void test_orientations(void **state)
{
    static const char *const upright[9] = {NULL,     "abcdef", "cbafed", "fedcba", "defabc",
                                           "adbecf", "daebfc", "fcebda", "cfbead"};
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        cr_image image = {.width = 3, .height = 2};
        assert_int_equal(cr_image_buffer_reserve(&image.buffer, 18 + CR_IMAGE_PADDING, "a test"), CR_OK);
        for (int i = 0; i < 18; i++)
            image.buffer.data[i] = (uint8_t)("abcdef"[i / 3] + 50 * (i % 3));
        assert_int_equal(cr_image_orient(&image, orientation), CR_OK);
        assert_int_equal(image.width, orientation >= 5 ? 2 : 3);
        assert_int_equal(image.height, orientation >= 5 ? 3 : 2);
        for (int i = 0; i < 18; i++)
            assert_int_equal(image.buffer.data[i], (uint8_t)(upright[orientation][i / 3] + 50 * (i % 3)));
        cr_image_clear(&image);
    }
}

static void test_exif(void **state)
{
    uint8_t tiff[] = {'I', 'I', 42, 0, 8, 0,    0, 0, 2, 0, 0x0f, 0x01, 2, 0, 1, 0, 0,
                      0,   'x', 0,  0, 0, 0x12, 1, 3, 0, 1, 0,    0,    0, 6, 0, 0, 0};
    (void)state;
    assert_int_equal(cr_exif_orientation(tiff, sizeof tiff), 6);
    for (size_t n = 0; n + 3 < sizeof tiff; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, tiff, n);
        assert_int_equal(cr_exif_orientation(cut, n), 1);
        free(cut);
    }
    tiff[30] = 9; /* no such orientation */
    assert_int_equal(cr_exif_orientation(tiff, sizeof tiff), 1);
    tiff[30] = 3;
    memset(tiff + 4, 0xff, 4); /* a directory far outside */
    assert_int_equal(cr_exif_orientation(tiff, sizeof tiff), 1);
    memcpy(tiff + 4, (uint8_t[]){33, 0, 0, 0}, 4); /* one that begins at the last byte */
    assert_int_equal(cr_exif_orientation(tiff, sizeof tiff), 1);
}

static void test_exif_in_a_jpeg(void **state)
{
    (void)state;
    uint8_t *rgb = picture_make(40, 24, 3, 5);
    for (int orientation = 1; orientation <= 8; orientation++) {
        cr_image turned = {0}, plain = {0};
        const char *reason;
        size_t bytes;
        uint8_t *jpeg = picture_jpeg(rgb, 40, 24, (jpeg_form){.channels = 3, .orientation = orientation}, &bytes);
        assert_int_equal(cr_image_decode(jpeg, bytes, &cr_image_default_limits, true, &turned, &reason), CR_OK);
        assert_int_equal(cr_image_decode(jpeg, bytes, &cr_image_default_limits, false, &plain, &reason), CR_OK);
        assert_int_equal(plain.width, 40);
        assert_int_equal(cr_image_orient(&plain, orientation), CR_OK);
        assert_int_equal(plain.width, turned.width);
        assert_memory_equal(plain.buffer.data, turned.buffer.data, 40 * 24 * 3);
        cr_image_clear(&turned);
        cr_image_clear(&plain);
        free(jpeg);
    }
    free(rgb);
}

/* Garbage inside the coded data makes libjpeg warn and go on; garbage behind the end marker is nobody's business. */
static void test_warnings_are_errors(void **state)
{
    (void)state;
    cr_image image = {0};
    const char *reason;
    size_t bytes;
    uint8_t *rgb = picture_make(64, 64, 3, 6);
    uint8_t *jpeg = picture_jpeg(rgb, 64, 64, (jpeg_form){.channels = 3}, &bytes);
    uint8_t *longer = malloc(bytes + 100);
    memcpy(longer, jpeg, bytes);
    memset(longer + bytes, 0x5a, 100);
    assert_int_equal(decode(longer, bytes + 100, &image, &reason), CR_OK);
    memset(longer + bytes - 2 - 200, 0, 200); /* the last blocks' codes, not the end marker */
    assert_refused(longer, bytes, &cr_image_default_limits, "damaged image");
    free(longer);
    free(jpeg);
    free(rgb);
    cr_image_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_round_trip), cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_flips),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_inks),           cmocka_unit_test(test_grey_is_repeated),
        cmocka_unit_test(test_orientations),   cmocka_unit_test(test_exif),
        cmocka_unit_test(test_exif_in_a_jpeg), cmocka_unit_test(test_warnings_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
