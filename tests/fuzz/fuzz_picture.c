#include "fuzz_picture.h"

#include "fuzz_input.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

static const cr_image_limits limits = {
    .file_bytes = 1 << 20, .pixels = 1 << 15, .side = 1 << 12, .scans = 20, .memory_bytes = 16 << 20};

static void check_picture(const cr_image *image)
{
    fuzz_demand(image->width >= 1 && image->height >= 1 && image->width <= limits.side && image->height <= limits.side,
                "a side is out of range");
    size_t pixels = (size_t)image->width * (size_t)image->height;
    fuzz_demand(pixels <= (size_t)limits.pixels, "too many pixels were decoded");
    fuzz_touch(image->buffer.data, pixels * CR_IMAGE_CHANNELS + CR_IMAGE_PADDING);
}

void fuzz_picture(const uint8_t *data, size_t bytes)
{
    static cr_resizer resizer; /* used again, as a worker of the packer does */
    static uint8_t packed[CR_IMAGE_BYTES];
    const char *reason = NULL;
    cr_image image = {0};
    cr_status status = cr_image_decode(data, bytes, &limits, true, &image, &reason);
    fuzz_check_refusal(status);
    fuzz_demand(status == CR_OK || reason, "a refused image has no reason");
    /* libpng puts the chunk's name in front, whatever bytes that has */
    const char *message = status == CR_OK ? "" : cr_error_message(), *colon = strstr(message, ": ");
    fuzz_feedback(colon ? colon : message);
    if (status == CR_OK) {
        check_picture(&image);
        cr_resize how = bytes & 1 ? CR_RESIZE_SQUASH : CR_RESIZE_CROP;
        fuzz_demand(cr_image_resize(&image, how, &resizer, packed) == CR_OK, "an image cannot be resized");
        fuzz_touch(packed, sizeof packed);
        fuzz_accepted = true;
    }
    cr_image_clear(&image);
}
