/* JPEG through libjpeg-turbo's libjpeg interface: slow integer DCT and fancy upsampling, which is what Pillow uses. */
#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    JPEG_ROWS_AT_ONCE = 8
};

/* One decoding; libjpeg finds it again through client_data. */
typedef struct jpeg_reader {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    const cr_image_limits *limits;
    cr_image *image;
    int *orientation;
    const char *reason;
    char text[JMSG_LENGTH_MAX];
    cr_status status;
} jpeg_reader;

static void give_up(j_common_ptr info, const char *reason)
{
    jpeg_reader *reader = info->client_data;
    reader->reason = reason;
    reader->status = CR_BAD_DATA;
    longjmp(reader->failed, 1);
}

static void fail_on_error(j_common_ptr info)
{
    jpeg_reader *reader = info->client_data;
    info->err->format_message(info, reader->text);
    switch (info->err->msg_code) {
    case JERR_INPUT_EOF:
    case JWRN_JPEG_EOF:
        give_up(info, "truncated image");
        break;
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        give_up(info, "image too large");
        break;
    case JERR_CONVERSION_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
        give_up(info, "unsupported image");
        break;
    default:
        give_up(info, "damaged image");
    }
}

/* libjpeg warns and goes on with invented pixels where data are corrupt or end early (level -1): that is an error here.
 * Levels 0 and above are its trace. */
static void fail_on_warning(j_common_ptr info, int level)
{
    if (level < 0)
        fail_on_error(info);
}

static void print_nothing(j_common_ptr info)
{
    (void)info;
}

/* A small progressive file can ask for any number of passes over a large picture. */
static void count_scans(j_common_ptr info)
{
    jpeg_reader *reader = info->client_data;
    int scan = ((j_decompress_ptr)info)->input_scan_number;
    if (scan > reader->limits->scans) {
        snprintf(reader->text, sizeof reader->text, "more than %d scans", reader->limits->scans);
        give_up(info, "too many scans");
    }
}

static int find_orientation(const struct jpeg_decompress_struct *info)
{
    static const char tag[6] = "Exif\0";
    for (const struct jpeg_marker_struct *m = info->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > sizeof tag && !memcmp(m->data, tag, sizeof tag))
            return cr_exif_orientation(m->data + sizeof tag, m->data_length - sizeof tag);
    return 1;
}

/* Pillow's cmyk2rgb (src/libImaging/Convert.c). Adobe's programs store the four inks inverted, and Pillow takes every
 * file for one of theirs, marker or not (JpegImagePlugin.py: rawmode "CMYK;I"). */
static void convert_cmyk(const uint8_t *cmyk, int32_t width, uint8_t *rgb)
{
    const unsigned flip = 255;
    for (int32_t x = 0; x < width; x++) {
        int light = 255 - (int)(cmyk[4 * x + 3] ^ flip);
        for (int c = 0; c < CR_IMAGE_CHANNELS; c++) {
            int product = (int)(cmyk[4 * x + c] ^ flip) * light + 128;
            int value = light - ((product + (product >> 8)) >> 8);
            rgb[CR_IMAGE_CHANNELS * x + c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static void read_rgb(jpeg_reader *reader)
{
    size_t stride = (size_t)reader->info.output_width * CR_IMAGE_CHANNELS;
    while (reader->info.output_scanline < reader->info.output_height) {
        JSAMPROW rows[JPEG_ROWS_AT_ONCE];
        JDIMENSION left = reader->info.output_height - reader->info.output_scanline;
        JDIMENSION n = left < JPEG_ROWS_AT_ONCE ? left : JPEG_ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = reader->image->buffer.data + (reader->info.output_scanline + i) * stride;
        jpeg_read_scanlines(&reader->info, rows, n);
    }
}

static void read_cmyk(jpeg_reader *reader)
{
    j_common_ptr info = (j_common_ptr)&reader->info;
    JDIMENSION width = reader->info.output_width;
    JSAMPARRAY row = reader->info.mem->alloc_sarray(info, JPOOL_IMAGE, width * 4, 1);
    while (reader->info.output_scanline < reader->info.output_height) {
        uint8_t *rgb = reader->image->buffer.data + (size_t)reader->info.output_scanline * width * CR_IMAGE_CHANNELS;
        jpeg_read_scanlines(&reader->info, row, 1);
        convert_cmyk(row[0], (int32_t)width, rgb);
    }
}

static void read_picture(jpeg_reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    jpeg_read_header(info, TRUE);
    reader->status =
        cr_image_reserve(reader->image, info->image_width, info->image_height, reader->limits, &reader->reason);
    if (reader->status != CR_OK)
        return;
    if (reader->orientation)
        *reader->orientation = find_orientation(info);
    bool inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    jpeg_start_decompress(info);
    if (inks)
        read_cmyk(reader);
    else
        read_rgb(reader);
    jpeg_finish_decompress(info);
}

/* In a function of its own, so that nothing that changes after setjmp() lives in its registers. */
static void read_guarded(jpeg_reader *reader, const uint8_t *data, size_t bytes)
{
    struct jpeg_decompress_struct *info = &reader->info;
    if (setjmp(reader->failed))
        return;
    jpeg_create_decompress(info);
    info->client_data = reader;
    info->mem->max_memory_to_use = (long)reader->limits->memory_bytes;
    info->progress = &reader->progress;
    if (reader->orientation)
        jpeg_save_markers(info, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(info, data, bytes);
    read_picture(reader);
}

cr_status cr_image_decode_jpeg(const uint8_t *data, size_t bytes, const cr_image_limits *limits, cr_image *image,
                               int *orientation, const char **reason)
{
    jpeg_reader reader = {.limits = limits, .image = image, .orientation = orientation, .status = CR_OK};
    reader.info.err = jpeg_std_error(&reader.errors);
    reader.info.client_data = &reader;
    reader.errors.error_exit = fail_on_error;
    reader.errors.emit_message = fail_on_warning;
    reader.errors.output_message = print_nothing;
    reader.progress.progress_monitor = count_scans;
    read_guarded(&reader, data, bytes);
    if (reader.info.mem)
        jpeg_destroy_decompress(&reader.info);
    if (reader.reason)
        *reason = reader.reason;
    if (reader.status != CR_OK && reader.text[0])
        return cr_fail(reader.status, "%s", reader.text);
    return reader.status;
}
