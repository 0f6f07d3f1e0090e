/* Pictures on their way into a pack: bytes of a JPEG or PNG file → RGB pixels, turned upright → 224 × 224. Every pixel
 * equals what Pillow and torchvision make of the same file, with four stated exceptions (docs/pack-format.md). */
#ifndef CRISOL_IMAGE_H
#define CRISOL_IMAGE_H

#include "crisol/pack.h"
#include "crisol/status.h"
#include "sample_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CR_IMAGE_CHANNELS = 3,
    CR_IMAGE_ROW_BYTES = CR_PACK_IMAGE_SIZE * CR_IMAGE_CHANNELS,
    CR_IMAGE_BYTES = CR_PACK_IMAGE_SIZE * CR_IMAGE_ROW_BYTES, /* a packed image */
    CR_IMAGE_PADDING = 16                                     /* readable bytes behind the last pixel */
};

/* What is refused before or while decoding. */
typedef struct cr_image_limits {
    size_t file_bytes;
    int64_t pixels;      /* declared width · height */
    int64_t side;        /* declared width or height */
    int scans;           /* of a progressive JPEG */
    size_t memory_bytes; /* that libjpeg or libpng may take beside the pixels (progressive coefficients, chunks) */
} cr_image_limits;
/* 256 MiB; 178,956,970 pixels, which is where Pillow refuses; 65,535; 100 scans; 1 GiB. */
extern const cr_image_limits cr_image_default_limits;

/* A growing block of bytes that is used again for the next picture. All-zero is empty. */
typedef struct cr_image_buffer {
    uint8_t *data;
    size_t capacity;
} cr_image_buffer;
CR_NODISCARD cr_status cr_image_buffer_reserve(cr_image_buffer *buffer, size_t bytes, const char *what);
void cr_image_buffer_clear(cr_image_buffer *buffer);

/* RGB pixels [height, width, 3] without gaps in `buffer`, CR_IMAGE_PADDING bytes behind them. */
typedef struct cr_image {
    cr_image_buffer buffer;
    cr_image_buffer turned; /* room for turning it upright */
    int32_t width, height;
} cr_image;
void cr_image_clear(cr_image *image);

/* Reads a whole regular file. Errors: as cr_image_decode(); CR_IO; CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_image_read_file(int descriptor, const cr_image_limits *limits, cr_image_buffer *file,
                                          size_t *bytes, const char **reason);

/* Decodes a JPEG or PNG, told apart by content. Grey is repeated, CMYK and YCCK are converted as Pillow does, palettes
 * are looked up, alpha and transparency are dropped, 16 bits become their high byte. A file that ends early or is
 * damaged is an error, also where libjpeg would only warn. Errors: CR_BAD_DATA, then `reason` is a short constant
 * class ("truncated image") and the message the detail; CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_image_decode(const uint8_t *data, size_t bytes, const cr_image_limits *limits,
                                       bool apply_exif, cr_image *image, const char **reason);

/* The two formats; `orientation`, unless null, receives the EXIF orientation 1 … 8 (1 where there is none or it is
 * unreadable). */
CR_NODISCARD cr_status cr_image_decode_jpeg(const uint8_t *data, size_t bytes, const cr_image_limits *limits,
                                            cr_image *image, int *orientation, const char **reason);
CR_NODISCARD cr_status cr_image_decode_png(const uint8_t *data, size_t bytes, const cr_image_limits *limits,
                                           cr_image *image, int *orientation, const char **reason);

/* Checks declared sizes against the limits and makes room for the pixels. */
CR_NODISCARD cr_status cr_image_reserve(cr_image *image, int64_t width, int64_t height, const cr_image_limits *limits,
                                        const char **reason);

/* Orientation in a TIFF-structured EXIF block ("II*\0…" or "MM\0*…"); 1 when absent or malformed. */
int cr_exif_orientation(const uint8_t *tiff, size_t bytes);
/* Turns and mirrors as an EXIF orientation 1 … 8 asks. Errors: CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_image_orient(cr_image *image, int orientation);

/* --- resize ------------------------------------------------------------------------------------------------------- */

/* Coefficients of one direction for `count` outputs from `first` on, out of `n_out` made from `n_in`. */
typedef struct cr_resize_axis {
    int64_t n_in, n_out, first, count;
    int32_t most_taps, spread;
    int32_t *start, *n_taps; /* [count] */
    int32_t *weight;         /* [count, most_taps, spread], fixed point with 22 fractional bits */
    size_t capacity;         /* bytes of the one block that holds them */
} cr_resize_axis;

/* Scratch memory of one worker, all-zero at first. */
typedef struct cr_resizer {
    cr_resize_axis across, down;
    cr_image_buffer rows; /* the first pass's result */
} cr_resizer;
void cr_resizer_clear(cr_resizer *resizer);

/* To 224 × 224 × 3: shorter side to 256 and centre crop, or straight. Pillow's bilinear filter, bit for bit. Errors:
 * CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_image_resize(const cr_image *image, cr_resize how, cr_resizer *resizer, uint8_t *pixels);

/* Writes RGB pixels [height, width, 3] as a PNG, atomically. Errors: CR_IO, CR_PERMISSION, CR_MISSING, CR_INTERNAL. */
CR_NODISCARD cr_status cr_image_write_png(const char *path, const uint8_t *pixels, int32_t width, int32_t height);

#endif
