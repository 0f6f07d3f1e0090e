/* The inner loops of a resize for the instruction set that runs. */
#ifndef CRISOL_IMAGE_RESIZE_KERNELS_H
#define CRISOL_IMAGE_RESIZE_KERNELS_H

#include "image.h"

enum {
    CR_RESIZE_PRECISION = 22, /* fractional bits of a weight: Pillow's 32 - 8 - 2 */
    CR_RESIZE_HALF = 1 << (CR_RESIZE_PRECISION - 1),
    CR_RESIZE_LANES = 16,
    CR_RESIZE_BUNDLE = 4,       /* rows of the horizontal pass that go side by side */
    CR_RESIZE_TAPS_AT_ONCE = 4, /* of the horizontal pass */
    CR_RESIZE_SPREAD = 4,       /* its weights: red, green, blue, 0 */
    /* a pixel is stored as four bytes, the fourth overwritten by the next */
    CR_RESIZE_ROW_STRIDE = CR_IMAGE_ROW_BYTES + CR_RESIZE_LANES
};

typedef struct cr_resize_kernels {
    void (*across)(const cr_resize_axis *axis, const uint8_t *const source[CR_RESIZE_BUNDLE], uint8_t *out);
    void (*down)(const cr_resize_axis *axis, const uint8_t *rows, int64_t first_row, size_t stride, int64_t width,
                 uint8_t *out);
} cr_resize_kernels;

/* The best that this machine can run. */
const cr_resize_kernels *cr_resize_kernels_get(void);
/* Every one that it can run, from the plainest (0) on; null behind the last. */
const cr_resize_kernels *cr_resize_kernels_at(int i);

#endif
