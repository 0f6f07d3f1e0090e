#include "picture.h"

#include <stdio.h> /* jpeglib.h uses FILE without including it */

#include <errno.h>
#include <jpeglib.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static cr_status write_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *out = fopen(path, "wb");
    if (!out)
        return cr_fail_errno("%s: cannot make", path);
    bool written = fwrite(data, 1, bytes, out) == bytes;
    int error = errno;
    if (fclose(out) && written) {
        written = false;
        error = errno;
    }
    errno = error;
    return written ? CR_OK : cr_fail_errno("%s: cannot write", path);
}

cr_status cr_synth_write_png(const cr_synth_picture *picture, const char *path)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)picture->width;
    image.height = (png_uint_32)picture->height;
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *data = malloc(bytes);
    if (!data)
        return cr_fail_memory("a PNG file", bytes);
    cr_status status;
    if (png_image_write_to_memory(&image, data, &bytes, 0, picture->pixels, 0, NULL))
        status = write_bytes(path, data, bytes);
    else
        status = cr_fail(CR_INTERNAL, "%s: libpng: %s", path, image.message);
    free(data);
    return status;
}

typedef struct jpeg_failure {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back a pointer to it */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
} jpeg_failure;

static void leave_jpeg(j_common_ptr info)
{
    jpeg_failure *failure = (jpeg_failure *)info->err;
    info->err->format_message(info, failure->message);
    longjmp(failure->back, 1);
}

/* Between setjmp and its return nothing but libjpeg's own state changes. */
static bool compress(const cr_synth_picture *picture, int quality, jpeg_failure *failure, unsigned char **data,
                     unsigned long *bytes)
{
    struct jpeg_compress_struct info;
    info.err = jpeg_std_error(&failure->manager);
    failure->manager.error_exit = leave_jpeg;
    jpeg_create_compress(&info);
    if (setjmp(failure->back)) {
        jpeg_destroy_compress(&info);
        return false;
    }
    jpeg_mem_dest(&info, data, bytes);
    info.image_width = (JDIMENSION)picture->width;
    info.image_height = (JDIMENSION)picture->height;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (JSAMPROW)&picture->pixels[(size_t)info.next_scanline * (size_t)picture->width * 3];
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return true;
}

cr_status cr_synth_write_jpeg(const cr_synth_picture *picture, int quality, const char *path)
{
    jpeg_failure failure = {.message = ""};
    unsigned char *data = NULL;
    unsigned long bytes = 0;
    cr_status status;
    if (compress(picture, quality, &failure, &data, &bytes))
        status = write_bytes(path, data, bytes);
    else
        status = cr_fail(CR_INTERNAL, "%s: libjpeg: %s", path, failure.message);
    free(data);
    return status;
}
