/* Augmentation of one sample: what is drawn (a pure function of seed, epoch, sample), apart from how pixels are made
 * from it (each backend, in one pass: sample → geometry → colour → erase → normalise → network's layout). */
#ifndef CRISOL_AUGMENT_H
#define CRISOL_AUGMENT_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

/* What the config asks for. Everything 0 asks for nothing. Source of all distributions: torchvision.transforms.v2. */
typedef struct cr_augment_options {
    int64_t size;                            /* side of the images, pixels; translate, crop and erase need it */
    double hflip, vflip;                     /* probabilities */
    double rotate;                           /* RandomRotation: degrees, angle uniform in ± */
    double affine;                           /* RandomAffine: degrees, angle uniform in ± */
    double translate[2];                     /* RandomAffine: shares of width and height, ±, rounded to whole pixels */
    double scale[2];                         /* RandomAffine: lowest, highest; 0, 0 = none */
    double shear[2];                         /* RandomAffine: degrees, ±, along x and along y */
    double crop[2];                          /* RandomResizedCrop: lowest, highest share of the area; 0, 0 = none */
    double crop_ratio[2];                    /* lowest, highest width / height of the crop, log-uniform */
    double brightness, contrast, saturation; /* ColorJitter: factor uniform in max(0, 1 - v) … 1 + v; 0 = none */
    double hue;                              /* ColorJitter: ± share of the colour circle, ≤ 0.5 */
    double erase;                            /* RandomErasing: probability, after normalisation */
    double erase_scale[2];                   /* lowest, highest share of the area */
    double erase_ratio[2];                   /* lowest, highest height / width, log-uniform */
    bool erase_noise;                        /* standard normal numbers instead of 0 */
} cr_augment_options;

typedef enum cr_jitter {
    CR_JITTER_BRIGHTNESS,
    CR_JITTER_CONTRAST,
    CR_JITTER_SATURATION,
    CR_JITTER_HUE,
    CR_JITTER_COUNT
} cr_jitter;

typedef struct cr_box { /* pixels; all 0: none */
    int32_t top, left, height, width;
} cr_box;

/* What one sample gets; all zero: nothing. In this order: crop (stretched to the whole frame), flips, affine, all three
 * in one bilinear resampling; colours in the order of `jitters`; normalisation; erasing. */
typedef struct cr_augment {
    bool hflip, vflip;
    bool warps;           /* `inverse` holds */
    double inverse[2][3]; /* (x + .5 - W/2, y + .5 - H/2, 1) of the output → offsets from the centre before the affine;
                             what comes from outside the frame is 0 (black), tap by tap */
    cr_box crop;
    int32_t n_jitters;
    cr_jitter jitters[CR_JITTER_COUNT]; /* kinds, in order */
    float factors[CR_JITTER_COUNT];     /* by kind; hue: shift in turns */
    cr_box erase;
    bool erase_noise;
    uint32_t noise_key[2]; /* Philox key of the noise */
} cr_augment;

/* Mixing two samples of one micro-batch, torchvision.transforms.v2.MixUp and CutMix: a sample's partner is the one
 * before it (of the first: the last), as in batch.roll(1). MixUp: pixel = share·own + (1 - share)·partner's, share from
 * Beta(α, α). CutMix: a box of the partner's pixels, (1 - λ) of the area before it is cut at the edges, with λ from
 * Beta(α, α); share is what remains of the own area. Class targets and metadata are mixed by `share` in both. Unlike
 * torchvision, which draws once a batch, each sample draws its own: nothing then depends on the batch's cut. */
typedef struct cr_mix_options {
    int64_t size;         /* side of the images, pixels */
    double mixup, cutmix; /* α; 0: never. With both, a sample is mixed one way or the other, half of the time each */
} cr_mix_options;

typedef struct cr_mix {
    int32_t partner; /* index in the micro-batch */
    float share;     /* of the sample itself; 1: not mixed */
    cr_box box;      /* CutMix; all 0: MixUp */
} cr_mix;

/* Draws from Philox (seed, CR_RNG_MIX, epoch, position), position = place in the epoch's order; `index` of the sample
 * in its micro-batch of `micro_batch` ≥ 2. */
cr_mix cr_mix_draw(const cr_mix_options *options, uint64_t seed, uint64_t epoch, uint64_t position, int64_t index,
                   int64_t micro_batch);

enum {
    CR_AUGMENT_SIZE_MAX = 1024
};

/* Whether the options make sense. Errors: CR_BAD_CONFIG naming the config's setting. */
CR_NODISCARD cr_status cr_augment_check(const cr_augment_options *options);

/* Draws from Philox (seed, CR_RNG_AUGMENT, epoch, sample), each option at a place of its own in the stream, so that
 * turning one on does not change the others' draws. The options have passed cr_augment_check(). */
cr_augment cr_augment_draw(const cr_augment_options *options, uint64_t seed, uint64_t epoch, uint64_t sample);

/* The inverse of torchvision's affine map about the centre: angle in degrees, clockwise; translation in pixels; shear
 * in degrees. A rotation by `a` (RandomRotation, counter-clockwise) is the affine map with angle -a. */
void cr_augment_affine_inverse(double angle, const double translate[2], double scale, const double shear[2],
                               double inverse[2][3]);

/* Makes the pixels of one sample: `image` [size, size, 3] → `out` [3, size, size], (x/255 - mean) / deviation.
 * 2 ≤ size ≤ CR_AUGMENT_SIZE_MAX; augment may be null (nothing). Local; allocates nothing; the bits depend on nothing
 * but the arguments. */
void cr_augment_apply(const uint8_t *image, int64_t size, const cr_augment *augment, float *out);

/* ImageNet's statistics (torchvision): pixel = (x/255 - mean) / deviation, channels R, G, B. */
extern const float cr_image_mean[3];
extern const float cr_image_deviation[3];

#endif
