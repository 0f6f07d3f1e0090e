/* Writes a plain 8-bit RGB PNG, for people who want to look at a sample. */
#include "crisol/atomic_file.h"
#include "image.h"

#include <png.h>
#include <setjmp.h>

typedef struct png_writer {
    png_structp png;
    png_infop info;
    cr_atomic_file *file;
    const uint8_t *pixels;
    int32_t width, height;
    cr_status status;
} png_writer;

static PNG_NORETURN void fail_on_error(png_structp png, png_const_charp text)
{
    png_writer *writer = png_get_error_ptr(png);
    if (writer->status == CR_OK)
        writer->status = cr_fail(CR_INTERNAL, "libpng: %s", text);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void write_to_file(png_structp png, png_bytep data, size_t bytes)
{
    png_writer *writer = png_get_io_ptr(png);
    writer->status = cr_atomic_file_write(writer->file, data, bytes);
    if (writer->status != CR_OK)
        png_longjmp(png, 1);
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

/* In a function of its own, so that nothing that changes after setjmp() lives in its registers. */
static void write_guarded(png_writer *writer)
{
    if (setjmp(png_jmpbuf(writer->png)))
        return;
    png_set_write_fn(writer->png, writer, write_to_file, flush_nothing);
    png_set_IHDR(writer->png, writer->info, (png_uint_32)writer->width, (png_uint_32)writer->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(writer->png, writer->info);
    for (int32_t y = 0; y < writer->height; y++)
        png_write_row(writer->png, writer->pixels + (size_t)y * (size_t)writer->width * CR_IMAGE_CHANNELS);
    png_write_end(writer->png, writer->info);
}

cr_status cr_image_write_png(const char *path, const uint8_t *pixels, int32_t width, int32_t height)
{
    png_writer writer = {.pixels = pixels, .width = width, .height = height, .status = CR_OK};
    writer.status = cr_atomic_file_create(path, &writer.file);
    if (writer.status != CR_OK)
        return writer.status;
    writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, fail_on_error, ignore_warning);
    writer.info = writer.png ? png_create_info_struct(writer.png) : NULL;
    if (writer.info)
        write_guarded(&writer);
    else
        writer.status = cr_fail(CR_INTERNAL, "out of memory: libpng cannot start");
    png_destroy_write_struct(&writer.png, &writer.info);
    if (writer.status == CR_OK)
        writer.status = cr_atomic_file_commit(&writer.file);
    cr_atomic_file_destroy(&writer.file);
    return writer.status;
}
