/* EXIF orientation: where it is written, and what it asks for. */
#include "image.h"

#include <string.h>

static unsigned read_u16(const uint8_t *at, bool big)
{
    return big ? (unsigned)at[0] << 8 | at[1] : (unsigned)at[1] << 8 | at[0];
}

static uint32_t read_u32(const uint8_t *at, bool big)
{
    uint32_t high = read_u16(big ? at : at + 2, big), low = read_u16(big ? at + 2 : at, big);
    return high << 16 | low;
}

/* TIFF 6.0, section 2: byte order, 42, offset of the first directory; there n entries of 12 bytes (tag, type, count,
 * value). Orientation is tag 0x0112 (EXIF 2.32, 4.6.4 A). */
int cr_exif_orientation(const uint8_t *tiff, size_t bytes)
{
    enum {
        TAG_ORIENTATION = 0x0112,
        TYPE_SHORT = 3,
        TYPE_LONG = 4,
        ENTRY_BYTES = 12
    };
    if (bytes < 8 || (memcmp(tiff, "II", 2) && memcmp(tiff, "MM", 2)))
        return 1;
    bool big = tiff[0] == 'M';
    size_t directory = read_u32(tiff + 4, big);
    if (read_u16(tiff + 2, big) != 42 || directory > bytes - 2)
        return 1;
    size_t n = read_u16(tiff + directory, big), room = (bytes - 2 - directory) / ENTRY_BYTES;
    const uint8_t *entry = tiff + directory + 2;
    for (size_t i = 0; i < n && i < room; i++, entry += ENTRY_BYTES) {
        if (read_u16(entry, big) != TAG_ORIENTATION)
            continue;
        unsigned type = read_u16(entry + 2, big);
        uint32_t value = type == TYPE_SHORT  ? read_u16(entry + 8, big)
                         : type == TYPE_LONG ? read_u32(entry + 8, big)
                                             : 1;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* The source pixel of an output row's first pixel and the way from one to the next, in pixels. */
typedef struct walk {
    int64_t start, step_x, step_y;
} walk;

static walk walk_for(int orientation, int64_t w, int64_t h)
{
    switch (orientation) {
    case 2: /* mirrored */
        return (walk){w - 1, -1, w};
    case 3: /* upside down */
        return (walk){h * w - 1, -1, -w};
    case 4: /* mirrored top to bottom */
        return (walk){(h - 1) * w, 1, -w};
    case 5: /* transposed */
        return (walk){0, w, 1};
    case 6: /* to be turned clockwise */
        return (walk){(h - 1) * w, -w, 1};
    case 7: /* transposed over the other diagonal */
        return (walk){h * w - 1, -w, -1};
    case 8: /* to be turned counter-clockwise */
        return (walk){w - 1, w, -1};
    default:
        return (walk){0, 1, w};
    }
}

cr_status cr_image_orient(cr_image *image, int orientation)
{
    if (orientation < 2 || orientation > 8)
        return CR_OK;
    int64_t w = image->width, h = image->height;
    size_t bytes = (size_t)(w * h) * CR_IMAGE_CHANNELS;
    cr_status status = cr_image_buffer_reserve(&image->turned, bytes + CR_IMAGE_PADDING, "an image to be turned");
    if (status != CR_OK)
        return status;
    memset(image->turned.data + bytes, 0, CR_IMAGE_PADDING);
    walk way = walk_for(orientation, w, h);
    bool sideways = orientation >= 5;
    int64_t n_x = sideways ? h : w, n_y = sideways ? w : h;
    const uint8_t *source = image->buffer.data;
    uint8_t *out = image->turned.data;
    for (int64_t y = 0; y < n_y; y++) {
        int64_t at = way.start + y * way.step_y;
        for (int64_t x = 0; x < n_x; x++, at += way.step_x, out += CR_IMAGE_CHANNELS)
            memcpy(out, source + at * CR_IMAGE_CHANNELS, CR_IMAGE_CHANNELS);
    }
    cr_image_buffer other = image->buffer;
    image->buffer = image->turned;
    image->turned = other;
    image->width = (int32_t)n_x;
    image->height = (int32_t)n_y;
    return CR_OK;
}
