/* PNG through libpng, made plain 8-bit RGB by libpng's own conversions. */
#include "image.h"

#include <png.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct png_reader {
    png_structp png;
    png_infop info;
    const uint8_t *at;
    size_t left;
    const cr_image_limits *limits;
    cr_image *image;
    int *orientation;
    size_t allocated;
    const char *reason;
    char text[128];
    cr_status status;
} png_reader;

/* In front of every block that libpng takes; keeps the block aligned. */
typedef union block_head {
    size_t bytes;
    max_align_t aligned;
} block_head;

static PNG_NORETURN void fail_on_error(png_structp png, png_const_charp text)
{
    png_reader *reader = png_get_error_ptr(png);
    if (!reader->reason) {
        reader->reason = "damaged image";
        if (strstr(text, "CRC error"))
            reader->reason = "wrong checksum";
        else if (strstr(text, "Not enough image data"))
            reader->reason = "truncated image";
    }
    snprintf(reader->text, sizeof reader->text, "%s", text);
    reader->status = CR_BAD_DATA;
    png_longjmp(png, 1);
}

/* libpng only warns of chunks beyond its own limit, makes room for as much as a chunk says it has, and keeps up to 1000
 * texts that a few bytes may expand to megabytes each. */
static png_voidp allocate(png_structp png, png_alloc_size_t bytes)
{
    png_reader *reader = png_get_mem_ptr(png);
    if (bytes > reader->limits->memory_bytes - reader->allocated) {
        reader->reason = "image too large";
        png_error(png, "the file asks for more memory than is allowed");
    }
    block_head *head = malloc(sizeof *head + bytes);
    if (!head)
        return NULL;
    head->bytes = bytes;
    reader->allocated += bytes;
    return head + 1;
}

static void release(png_structp png, png_voidp block)
{
    if (!block)
        return;
    png_reader *reader = png_get_mem_ptr(png);
    block_head *head = (block_head *)block - 1;
    reader->allocated -= head->bytes;
    free(head);
}

/* libpng warns of what it can leave out: ancillary chunks with a wrong checksum, colour profiles it dislikes. */
static void ignore_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_from_memory(png_structp png, png_bytep data, size_t bytes)
{
    png_reader *reader = png_get_io_ptr(png);
    if (bytes > reader->left) {
        reader->reason = "truncated image";
        png_error(png, "the file ends early");
    }
    memcpy(data, reader->at, bytes);
    reader->at += bytes;
    reader->left -= bytes;
}

/* After this a row is RGB, 8 bits. Nothing here blends or applies a gamma: alpha and tRNS are dropped. */
static void ask_for_rgb(png_structp png, png_infop info)
{
    int type = png_get_color_type(png, info);
    png_set_strip_16(png); /* the high byte, for RGB and grey alike */
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
        png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
}

static void find_orientation(png_reader *reader)
{
    png_bytep exif = NULL;
    png_uint_32 bytes = 0;
    if (reader->orientation && png_get_eXIf_1(reader->png, reader->info, &bytes, &exif) && exif)
        *reader->orientation = cr_exif_orientation(exif, bytes);
}

static void read_picture(png_reader *reader)
{
    png_structp png = reader->png;
    png_read_info(png, reader->info);
    png_uint_32 width = png_get_image_width(png, reader->info), height = png_get_image_height(png, reader->info);
    reader->status = cr_image_reserve(reader->image, width, height, reader->limits, &reader->reason);
    if (reader->status != CR_OK)
        return;
    ask_for_rgb(png, reader->info);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, reader->info);
    size_t stride = (size_t)width * CR_IMAGE_CHANNELS;
    if (png_get_rowbytes(png, reader->info) != stride)
        png_error(png, "a row has an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(png, reader->image->buffer.data + y * stride, NULL);
    png_read_end(png, reader->info);
    find_orientation(reader);
}

/* In a function of its own, so that nothing that changes after setjmp() lives in its registers. */
static void read_guarded(png_reader *reader)
{
    if (setjmp(png_jmpbuf(reader->png)))
        return;
    png_set_user_limits(reader->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* our own limits give the better message */
    png_set_read_fn(reader->png, reader, read_from_memory);
    read_picture(reader);
}

cr_status cr_image_decode_png(const uint8_t *data, size_t bytes, const cr_image_limits *limits, cr_image *image,
                              int *orientation, const char **reason)
{
    png_reader reader = {
        .at = data, .left = bytes, .limits = limits, .image = image, .orientation = orientation, .status = CR_OK};
    reader.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &reader, fail_on_error, ignore_warning, &reader,
                                          allocate, release);
    reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
    if (reader.info)
        read_guarded(&reader);
    else
        reader.status = cr_fail(CR_INTERNAL, "out of memory: libpng cannot start");
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    if (reader.reason)
        *reason = reader.reason;
    if (reader.status != CR_OK && reader.text[0])
        return cr_fail(reader.status, "%s", reader.text);
    return reader.status;
}
