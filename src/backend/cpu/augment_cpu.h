/* Pixels of one sample: uint8 image + what the sample drew → normalised numbers in the layout that the first
 * convolution reads, in one pass. */
#ifndef CRISOL_BACKEND_CPU_AUGMENT_CPU_H
#define CRISOL_BACKEND_CPU_AUGMENT_CPU_H

#include "place.h"

#include "crisol/augment.h"

/* `image` [height, width, 3]; `augment` may be null (nothing). Writes sample `index` of `data`, which lies as `place`
 * says (3 channels, PLAIN or NHWC, float32 or bf16): (x/255 - mean) / deviation. `planes` [3, height, width] is room
 * for what more than a flip makes; it may be null when `augment` is. */
void cr_augment_image(const uint8_t *image, const cr_augment *augment, const cr_place *place, int64_t index,
                      float *planes, void *data);

/* All samples, each mixed with its partner; `planes` has room for one image more than there are samples. */
void cr_augment_mixed(const uint8_t *images, const cr_augment *augments, const cr_mix *mixes, const cr_place *place,
                      float *planes, void *data);

#endif
