#include "picture_case.h"

#include "crisol/atomic_file.h"
#include "image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include <cmocka.h>

uint8_t *picture_make(int width, int height, int channels, uint32_t seed)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)channels), *at = pixels;
    uint32_t noise = seed * 2654435761u + 1;
    assert_non_null(pixels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) {
                noise = noise * 1664525u + 1013904223u;
                unsigned smooth = (unsigned)(x * (3 + c) + y * (5 - c)) + 40u * seed;
                *at++ =
                    (uint8_t)((smooth & 511) < 256 ? (smooth & 255) : 255 - (smooth & 255)) ^ (uint8_t)(noise >> 29);
            }
    return pixels;
}

static void write_exif(struct jpeg_compress_struct *info, int orientation)
{
    uint8_t block[] = {'E', 'x', 'i', 'f',  0,    0, 'M', 'M', 0, 42, 0, 0, 0,
                       8,   0,   1,   0x01, 0x12, 0, 3,   0,   0, 0,  1, 0, (uint8_t)orientation,
                       0,   0,   0,   0,    0,    0};
    jpeg_write_marker(info, JPEG_APP0 + 1, block, sizeof block);
}

uint8_t *picture_jpeg(const uint8_t *pixels, int width, int height, jpeg_form form, size_t *bytes)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long size = 0;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &data, &size);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = form.channels;
    info.in_color_space = form.channels == 1 ? JCS_GRAYSCALE : form.channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, form.quality ? form.quality : 95, TRUE);
    if (form.ycck)
        jpeg_set_colorspace(&info, JCS_YCCK);
    if (form.no_adobe_marker)
        info.write_Adobe_marker = FALSE;
    if (form.progressive)
        jpeg_simple_progression(&info);
    info.restart_interval = (unsigned)form.restart;
    jpeg_start_compress(&info, TRUE);
    if (form.orientation)
        write_exif(&info, form.orientation);
    while (info.next_scanline < info.image_height) {
        const uint8_t *row = pixels + (size_t)info.next_scanline * (size_t)width * (size_t)form.channels;
        JSAMPROW rows[1] = {(JSAMPROW)(uintptr_t)row};
        jpeg_write_scanlines(&info, rows, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    *bytes = size;
    return data;
}

uint8_t *picture_png(const uint8_t *rgb, int width, int height, size_t *bytes)
{
    char path[] = "/tmp/crisol-picture-XXXXXX", *data = NULL;
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(cr_image_write_png(path, rgb, width, height), CR_OK);
    assert_int_equal(cr_read_file(path, 1 << 30, &data, bytes), CR_OK);
    unlink(path);
    return (uint8_t *)data;
}
