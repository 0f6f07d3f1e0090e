/* Augmentation of one sample: what is drawn (a pure function of seed, epoch, sample), apart from how pixels are made
 * from it (each backend, in one pass: sample → geometry → colour → erase → normalise → network's layout). */
#ifndef CRISOL_AUGMENT_H
#define CRISOL_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cr_augment_options { /* what the config asks for */
    double hflip;                   /* probability */
} cr_augment_options;

typedef struct cr_augment { /* what one sample gets */
    bool hflip;
} cr_augment;

/* Draws from Philox (seed, CR_RNG_AUGMENT, epoch, sample). The same numbers are consumed whatever the options are, so
 * that turning one option on does not change the others' draws. */
cr_augment cr_augment_draw(const cr_augment_options *options, uint64_t seed, uint64_t epoch, uint64_t sample);

/* ImageNet's statistics (torchvision): pixel = (x/255 - mean) / deviation, channels R, G, B. */
extern const float cr_image_mean[3];
extern const float cr_image_deviation[3];

#endif
