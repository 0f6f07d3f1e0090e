/* JPEG and PNG files made in memory, for tests of reading them. */
#ifndef CRISOL_TEST_PICTURE_CASE_H
#define CRISOL_TEST_PICTURE_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct jpeg_form {
    int channels; /* 1, 3, 4 */
    bool progressive;
    bool ycck;            /* of 4 channels */
    bool no_adobe_marker; /* of 4 channels */
    int quality;          /* 0: 95 */
    int restart;          /* blocks between restart markers, 0: none */
    int orientation;      /* 0: no EXIF */
} jpeg_form;

/* A smooth picture with some noise, [height, width, channels], malloc'ed. */
uint8_t *picture_make(int width, int height, int channels, uint32_t seed);
/* Encoded, malloc'ed. `pixels` as picture_make() gives them. */
uint8_t *picture_jpeg(const uint8_t *pixels, int width, int height, jpeg_form form, size_t *bytes);
/* A file that cr_image_write_png() wrote, read back. */
uint8_t *picture_png(const uint8_t *rgb, int width, int height, size_t *bytes);

#endif
