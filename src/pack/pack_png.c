#include "crisol/pack.h"
#include "image.h"

cr_status cr_pack_save_png(const char *path, const uint8_t *pixels, int32_t width, int32_t height)
{
    return cr_image_write_png(path, pixels, width, height);
}
