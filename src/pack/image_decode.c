/* Which decoder a file wants, and what both share: limits, buffers, reading. */
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const cr_image_limits cr_image_default_limits = {
    .file_bytes = (size_t)256 << 20,
    .pixels = 178956970,
    .side = 65535,
    .scans = 100,
    .memory_bytes = (size_t)1 << 30,
};

cr_status cr_image_buffer_reserve(cr_image_buffer *buffer, size_t bytes, const char *what)
{
    if (bytes <= buffer->capacity)
        return CR_OK;
    /* not realloc: the old content is never wanted, and copying a large picture costs more than the new block */
    free(buffer->data);
    buffer->capacity = 0;
    buffer->data = malloc(bytes);
    if (!buffer->data)
        return cr_fail_memory(what, bytes);
    buffer->capacity = bytes;
    return CR_OK;
}

void cr_image_buffer_clear(cr_image_buffer *buffer)
{
    free(buffer->data);
    *buffer = (cr_image_buffer){0};
}

void cr_image_clear(cr_image *image)
{
    cr_image_buffer_clear(&image->buffer);
    cr_image_buffer_clear(&image->turned);
    image->width = image->height = 0;
}

cr_status cr_image_reserve(cr_image *image, int64_t width, int64_t height, const cr_image_limits *limits,
                           const char **reason)
{
    if (width < 1 || height < 1) {
        *reason = "damaged image";
        return cr_fail(CR_BAD_DATA, "declared size %lld x %lld", (long long)width, (long long)height);
    }
    if (width > limits->side || height > limits->side) {
        *reason = "image too large";
        return cr_fail(CR_BAD_DATA, "declared size %lld x %lld, a side may have %lld pixels", (long long)width,
                       (long long)height, (long long)limits->side);
    }
    if (width * height > limits->pixels) {
        *reason = "image too large";
        return cr_fail(CR_BAD_DATA, "declared size %lld x %lld is %lld pixels, at most %lld are decoded",
                       (long long)width, (long long)height, (long long)(width * height), (long long)limits->pixels);
    }
    size_t bytes = (size_t)(width * height) * CR_IMAGE_CHANNELS;
    cr_status status = cr_image_buffer_reserve(&image->buffer, bytes + CR_IMAGE_PADDING, "an image's pixels");
    if (status == CR_OK) {
        memset(image->buffer.data + bytes, 0, CR_IMAGE_PADDING);
        image->width = (int32_t)width;
        image->height = (int32_t)height;
    }
    return status;
}

cr_status cr_image_read_file(int descriptor, const cr_image_limits *limits, cr_image_buffer *file, size_t *bytes,
                             const char **reason)
{
    struct stat info;
    *bytes = 0;
    *reason = "unreadable file";
    if (fstat(descriptor, &info))
        return cr_fail_errno("cannot look at the image file");
    if (!S_ISREG(info.st_mode))
        return cr_fail(CR_BAD_DATA, "not a regular file");
    if ((uintmax_t)info.st_size > limits->file_bytes) {
        *reason = "file too large";
        return cr_fail(CR_BAD_DATA, "%lld bytes, at most %zu are read", (long long)info.st_size, limits->file_bytes);
    }
    size_t size = (size_t)info.st_size;
    cr_status status = cr_image_buffer_reserve(file, size ? size : 1, "an image file");
    if (status != CR_OK)
        return status;
    while (*bytes < size) {
        ssize_t got = read(descriptor, file->data + *bytes, size - *bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cr_fail_errno("cannot read the image file");
        if (!got)
            break; /* it shrank meanwhile: the decoder will find it truncated */
        *bytes += (size_t)got;
    }
    return CR_OK;
}

cr_status cr_image_decode(const uint8_t *data, size_t bytes, const cr_image_limits *limits, bool apply_exif,
                          cr_image *image, const char **reason)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    int orientation = 1;
    cr_status status;
    if (!bytes) {
        *reason = "empty file";
        return cr_fail(CR_BAD_DATA, "0 bytes");
    }
    if (bytes > limits->file_bytes) {
        *reason = "file too large";
        return cr_fail(CR_BAD_DATA, "%zu bytes, at most %zu are read", bytes, limits->file_bytes);
    }
    if (bytes >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff) {
        status = cr_image_decode_jpeg(data, bytes, limits, image, apply_exif ? &orientation : NULL, reason);
    } else if (bytes >= sizeof png && !memcmp(data, png, sizeof png)) {
        status = cr_image_decode_png(data, bytes, limits, image, apply_exif ? &orientation : NULL, reason);
    } else {
        *reason = "unknown format";
        return cr_fail(CR_BAD_DATA, "neither a JPEG nor a PNG by its first bytes");
    }
    return status == CR_OK ? cr_image_orient(image, orientation) : status;
}
