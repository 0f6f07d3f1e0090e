/* Resizing against plain loops written from Pillow's rules, over many sizes, and each instruction set against the
 * plainest one. */
#include "image_resize_kernels.h"
#include "picture_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct plane {
    int64_t w, h;
    uint8_t *rgb;
} plane;

/* One direction: n_in → n_out over `lines` lines; strides in pixels. */
static void plain_pass(const uint8_t *in, int64_t n_in, int64_t step_in, uint8_t *out, int64_t n_out, int64_t step_out,
                       int64_t lines, int64_t line_in, int64_t line_out)
{
    double scale = (double)n_in / (double)n_out, support = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < n_out; i++) {
        double centre = ((double)i + 0.5) * scale, share[4096], total = 0;
        int64_t low = (int64_t)fmax(0, trunc(centre - support + 0.5)),
                high = (int64_t)fmin((double)n_in, trunc(centre + support + 0.5));
        for (int64_t j = low; j < high; j++)
            total += share[j - low] = fmax(0, 1 - fabs(((double)j - centre + 0.5) * (1.0 / support)));
        for (int64_t l = 0; l < lines; l++)
            for (int c = 0; c < 3; c++) {
                int64_t sum = 1 << 21;
                for (int64_t j = low; j < high; j++)
                    sum +=
                        (int64_t)(0.5 + share[j - low] / total * (1 << 22)) * in[3 * (j * step_in + l * line_in) + c];
                sum >>= 22;
                out[3 * (i * step_out + l * line_out) + c] = (uint8_t)(sum > 255 ? 255 : sum);
            }
    }
}

static plane across(plane p, int64_t w)
{
    plane out = {w, p.h, malloc((size_t)(w * p.h) * 3)};
    if (w == p.w)
        memcpy(out.rgb, p.rgb, (size_t)(w * p.h) * 3);
    else
        plain_pass(p.rgb, p.w, 1, out.rgb, w, 1, p.h, p.w, w);
    free(p.rgb);
    return out;
}

static plane down(plane p, int64_t h)
{
    plane out = {p.w, h, malloc((size_t)(p.w * h) * 3)};
    if (h == p.h)
        memcpy(out.rgb, p.rgb, (size_t)(p.w * h) * 3);
    else
        plain_pass(p.rgb, p.h, p.w, out.rgb, h, p.w, p.w, 1, 1);
    free(p.rgb);
    return out;
}

/* Pillow 13's order of the passes. */
static plane plain_resize(plane p, int64_t w, int64_t h)
{
    bool down_first = p.h - h > 0 && p.h - h > 2 * (p.w - w);
    return down_first ? across(down(p, h), w) : down(across(p, w), h);
}

static void plain_result(const uint8_t *rgb, int64_t w, int64_t h, cr_resize how, uint8_t *pixels)
{
    plane p = {w, h, malloc((size_t)(w * h) * 3)};
    memcpy(p.rgb, rgb, (size_t)(w * h) * 3);
    int64_t out_w = 224, out_h = 224, left = 0, top = 0;
    if (how == CR_RESIZE_CROP) {
        out_w = w <= h ? 256 : (int64_t)(256.0 * (double)w / (double)h);
        out_h = w <= h ? (int64_t)(256.0 * (double)h / (double)w) : 256;
        left = (int64_t)nearbyint((double)(out_w - 224) / 2);
        top = (int64_t)nearbyint((double)(out_h - 224) / 2);
    }
    p = plain_resize(p, out_w, out_h);
    for (int64_t y = 0; y < 224; y++)
        memcpy(pixels + y * CR_IMAGE_ROW_BYTES, p.rgb + ((top + y) * out_w + left) * 3, CR_IMAGE_ROW_BYTES);
    free(p.rgb);
}

static cr_image image_of(const uint8_t *rgb, int w, int h)
{
    cr_image image = {.width = w, .height = h};
    size_t bytes = (size_t)w * (size_t)h * 3;
    assert_int_equal(cr_image_buffer_reserve(&image.buffer, bytes + CR_IMAGE_PADDING, "a test"), CR_OK);
    memcpy(image.buffer.data, rgb, bytes);
    memset(image.buffer.data + bytes, 0xaa, CR_IMAGE_PADDING);
    return image;
}

static void check_size(int w, int h, cr_resizer *resizer)
{
    static uint8_t got[CR_IMAGE_BYTES], expected[CR_IMAGE_BYTES];
    uint8_t *rgb = picture_make(w, h, 3, (uint32_t)(w * 31 + h));
    cr_image image = image_of(rgb, w, h);
    for (int how = CR_RESIZE_CROP; how <= CR_RESIZE_SQUASH; how++) {
        assert_int_equal(cr_image_resize(&image, (cr_resize)how, resizer, got), CR_OK);
        plain_result(rgb, w, h, (cr_resize)how, expected);
        if (memcmp(got, expected, sizeof got))
            fail_msg("%d x %d, way %d: other pixels than the plain loops", w, h, how);
    }
    cr_image_clear(&image);
    free(rgb);
}

static void test_sizes(void **state)
{
    static const int sizes[][2] = {{1, 1},     {2, 1},     {1, 2},     {3, 500},   {500, 3},   {223, 225}, {225, 223},
                                   {224, 224}, {224, 300}, {300, 224}, {256, 256}, {256, 300}, {300, 256}, {255, 257},
                                   {640, 427}, {427, 640}, {128, 128}, {512, 512}, {300, 900}, {900, 300}, {320, 900},
                                   {7, 1000},  {1000, 7},  {230, 800}, {800, 230}, {257, 258}, {448, 448}};
    (void)state;
    cr_resizer resizer = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(sizes[i][0], sizes[i][1], &resizer);
    uint32_t random = 1;
    for (int i = 0; i < 24; i++) {
        random = random * 1664525u + 1013904223u;
        check_size(1 + (int)(random >> 16) % 450, 1 + (int)(random >> 4) % 450, &resizer);
    }
    cr_resizer_clear(&resizer);
}

/* White stays white: rounded weights may sum to a little more than 1, and less must not darken. */
static void test_white(void **state)
{
    static uint8_t pixels[CR_IMAGE_BYTES], white[CR_IMAGE_BYTES];
    (void)state;
    cr_resizer resizer = {0};
    memset(white, 255, sizeof white);
    for (int w = 1; w < 700; w += 67)
        for (int h = 1; h < 700; h += 71) {
            uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
            memset(rgb, 255, (size_t)w * (size_t)h * 3);
            cr_image image = image_of(rgb, w, h);
            assert_int_equal(cr_image_resize(&image, CR_RESIZE_SQUASH, &resizer, pixels), CR_OK);
            assert_memory_equal(pixels, white, sizeof white);
            cr_image_clear(&image);
            free(rgb);
        }
    cr_resizer_clear(&resizer);
}

static void test_instruction_sets(void **state)
{
    static uint8_t pixels[CR_IMAGE_BYTES], first[2][CR_IMAGE_BYTES], other[2][CR_IMAGE_BYTES];
    static const int sizes[][2] = {{97, 61}, {640, 427}, {224 * 3 + 1, 901}, {3, 2}};
    (void)state;
    cr_resizer resizer = {0};
    int n = 0;
    while (cr_resize_kernels_at(n))
        n++;
    assert_true(n >= 1);
    assert_ptr_equal(cr_resize_kernels_get(), cr_resize_kernels_at(n - 1));
    printf("%d instruction set(s) compared\n", n);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int w = sizes[i][0], h = sizes[i][1];
        uint8_t *rgb = picture_make(w, h, 3, (uint32_t)i);
        cr_image image = image_of(rgb, w, h);
        assert_int_equal(cr_image_resize(&image, CR_RESIZE_SQUASH, &resizer, pixels), CR_OK); /* sets the axes */
        const uint8_t *rows[CR_RESIZE_BUNDLE];
        for (int r = 0; r < CR_RESIZE_BUNDLE; r++)
            rows[r] = image.buffer.data + (size_t)(r * (h - 1) / 3) * (size_t)w * 3;
        for (int k = 0; k < n; k++) {
            uint8_t(*to)[CR_IMAGE_BYTES] = k ? other : first;
            memset(to, 0, sizeof first);
            cr_resize_kernels_at(k)->across(&resizer.across, rows, to[0]);
            int64_t width = w < 224 ? w * 3 : CR_IMAGE_ROW_BYTES - 5; /* also one that leaves a rest */
            cr_resize_kernels_at(k)->down(&resizer.down, image.buffer.data, 0, (size_t)w * 3, width, to[1]);
            if (k)
                assert_memory_equal(first, other, sizeof first);
        }
        cr_image_clear(&image);
        free(rgb);
    }
    cr_resizer_clear(&resizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_white),
        cmocka_unit_test(test_instruction_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
