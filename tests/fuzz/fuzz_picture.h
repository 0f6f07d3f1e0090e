/* What the two image targets share. */
#ifndef CRISOL_FUZZ_PICTURE_H
#define CRISOL_FUZZ_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/* Decodes as the packer does, with limits small enough for many runs a second, checks the pixels and shrinks or grows
 * them to a packed image. */
void fuzz_picture(const uint8_t *data, size_t bytes);

#endif
