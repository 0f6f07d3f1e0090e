#include "crisol/augment.h"
#include "crisol/rng.h"

#include <math.h>

/* Each option draws from a place of its own in the sample's stream: an option more, or one that draws more often, moves
 * none of the others' numbers. Append, never renumber. */
typedef enum place {
    PLACE_HFLIP = 0,
    PLACE_VFLIP = 1,
    PLACE_ROTATE = 2,
    PLACE_AFFINE = 3,
    PLACE_CROP = 4,
    PLACE_JITTER = 5,
    PLACE_ERASE = 6,
    PLACE_NOISE = 7
} place;

enum {
    PLACE_BLOCKS = 16, /* blocks of 4 words: 64 words an option */
    BOX_TRIES = 10     /* of torchvision, for crops and erased boxes */
};

static cr_rng stream_at(uint64_t seed, uint64_t epoch, uint64_t sample, place where)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_AUGMENT, epoch, sample);
    rng.counter[0] = (uint32_t)where * PLACE_BLOCKS;
    return rng;
}

static double between(cr_rng *rng, double low, double high)
{
    return low + (high - low) * cr_rng_uniform_double(rng);
}

static double around(cr_rng *rng, double spread)
{
    return between(rng, -spread, spread);
}

/* Source: RandomAffine.make_params; all six numbers are always drawn. False: nothing is asked for. */
static bool draw_affine(const cr_augment_options *options, cr_rng rng, double inverse[2][3])
{
    bool scales = options->scale[1] > 0;
    double size = (double)options->size, translate[2], shear[2];
    double angle = around(&rng, options->affine);
    for (int i = 0; i < 2; i++)
        translate[i] = rint(around(&rng, options->translate[i] * size)); /* Python's round: half to even */
    double scale = between(&rng, scales ? options->scale[0] : 1, scales ? options->scale[1] : 1);
    for (int i = 0; i < 2; i++)
        shear[i] = around(&rng, options->shear[i]);
    cr_augment_affine_inverse(angle, translate, scale, shear, inverse);
    return angle != 0 || translate[0] != 0 || translate[1] != 0 || scale != 1 || shear[0] != 0 || shear[1] != 0;
}

/* Rotation first, then the affine map; so seen from the output, the affine map is undone first. */
static void draw_warp(const cr_augment_options *options, uint64_t seed, uint64_t epoch, uint64_t sample,
                      cr_augment *augment)
{
    static const double none[2] = {0, 0};
    double affine[2][3], rotation[2][3];
    cr_rng rng = stream_at(seed, epoch, sample, PLACE_ROTATE);
    double angle = around(&rng, options->rotate);
    bool warps = draw_affine(options, stream_at(seed, epoch, sample, PLACE_AFFINE), affine);
    if (!warps && angle == 0)
        return;
    cr_augment_affine_inverse(-angle, none, 1, none, rotation); /* RandomRotation counts counter-clockwise */
    augment->warps = true;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            augment->inverse[i][j] = rotation[i][0] * affine[0][j] + rotation[i][1] * affine[1][j];
}

/* A length or position of a box that was found to fit. */
static int32_t corner(cr_rng *rng, int64_t size, int64_t length)
{
    return (int32_t)cr_rng_below(rng, (uint64_t)(size - length + 1));
}

/* Area and the logarithm of the ratio of a box, uniform. */
static void draw_shape(cr_rng *rng, double size, const double scale[2], const double ratio[2], double *area,
                       double *aspect)
{
    *area = size * size * between(rng, scale[0], scale[1]);
    *aspect = exp(between(rng, log(ratio[0]), log(ratio[1])));
}

/* The whole area with a ratio that may be 1 is always the whole image. */
static bool crops(const cr_augment_options *options)
{
    return options->crop[1] > 0 && (options->crop[0] < 1 || options->crop_ratio[0] > 1 || options->crop_ratio[1] < 1);
}

/* Source: RandomResizedCrop.make_params. The whole image is no crop. */
static cr_box draw_crop(const cr_augment_options *options, cr_rng rng)
{
    int64_t size = options->size, height = size, width = size, top = 0, left = 0;
    const double *ratio = options->crop_ratio;
    bool found = false;
    for (int i = 0; i < BOX_TRIES && !found; i++) {
        double area, aspect;
        draw_shape(&rng, (double)size, options->crop, ratio, &area, &aspect);
        width = (int64_t)rint(sqrt(area * aspect));
        height = (int64_t)rint(sqrt(area / aspect));
        found = width > 0 && width <= size && height > 0 && height <= size;
    }
    if (found) {
        top = corner(&rng, size, height);
        left = corner(&rng, size, width);
    } else { /* the largest box about the centre whose ratio is allowed */
        width = ratio[1] < 1 ? (int64_t)rint((double)size * ratio[1]) : size;
        height = ratio[0] > 1 ? (int64_t)rint((double)size / ratio[0]) : size;
        top = (size - height) / 2;
        left = (size - width) / 2;
    }
    if (height == size && width == size)
        return (cr_box){0};
    return (cr_box){(int32_t)top, (int32_t)left, (int32_t)height, (int32_t)width};
}

/* Source: ColorJitter.make_params: a permutation of all four, then the factors; what is not asked for is left out. */
static void draw_jitters(const cr_augment_options *options, cr_rng rng, cr_augment *augment)
{
    const double spread[CR_JITTER_COUNT] = {options->brightness, options->contrast, options->saturation, options->hue};
    cr_jitter order[CR_JITTER_COUNT];
    for (int i = 0; i < CR_JITTER_COUNT; i++)
        order[i] = (cr_jitter)i;
    for (int i = CR_JITTER_COUNT - 1; i > 0; i--) {
        int j = (int)cr_rng_below(&rng, (uint64_t)i + 1);
        cr_jitter other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (int kind = 0; kind < CR_JITTER_COUNT; kind++) {
        double low = kind == CR_JITTER_HUE ? -spread[kind] : fmax(0, 1 - spread[kind]);
        double high = kind == CR_JITTER_HUE ? spread[kind] : 1 + spread[kind];
        double factor = between(&rng, low, high);
        augment->factors[kind] = spread[kind] > 0 ? (float)factor : 0;
    }
    for (int i = 0; i < CR_JITTER_COUNT; i++)
        if (spread[order[i]] > 0)
            augment->jitters[augment->n_jitters++] = order[i];
}

/* Source: RandomErasing.make_params; here the ratio is height / width, and the box must be smaller than the image. */
static cr_box draw_erase(const cr_augment_options *options, cr_rng rng)
{
    int64_t size = options->size;
    bool erases = cr_rng_uniform(&rng) < options->erase;
    for (int i = 0; i < BOX_TRIES && erases; i++) {
        double area, aspect;
        draw_shape(&rng, (double)size, options->erase_scale, options->erase_ratio, &area, &aspect);
        int64_t height = (int64_t)rint(sqrt(area * aspect)), width = (int64_t)rint(sqrt(area / aspect));
        if (height >= size || width >= size || height < 1 || width < 1)
            continue;
        int32_t top = corner(&rng, size, height), left = corner(&rng, size, width);
        return (cr_box){top, left, (int32_t)height, (int32_t)width};
    }
    return (cr_box){0};
}

cr_augment cr_augment_draw(const cr_augment_options *options, uint64_t seed, uint64_t epoch, uint64_t sample)
{
    cr_augment augment = {0};
    cr_rng rng = stream_at(seed, epoch, sample, PLACE_HFLIP);
    augment.hflip = cr_rng_uniform(&rng) < options->hflip; /* as torchvision: rand() < p, so 0 is never and 1 always */
    rng = stream_at(seed, epoch, sample, PLACE_VFLIP);
    augment.vflip = cr_rng_uniform(&rng) < options->vflip;
    draw_warp(options, seed, epoch, sample, &augment);
    if (crops(options))
        augment.crop = draw_crop(options, stream_at(seed, epoch, sample, PLACE_CROP));
    draw_jitters(options, stream_at(seed, epoch, sample, PLACE_JITTER), &augment);
    if (options->erase > 0)
        augment.erase = draw_erase(options, stream_at(seed, epoch, sample, PLACE_ERASE));
    if (options->erase_noise && augment.erase.height > 0) {
        rng = stream_at(seed, epoch, sample, PLACE_NOISE);
        augment.erase_noise = true;
        augment.noise_key[0] = cr_rng_u32(&rng);
        augment.noise_key[1] = cr_rng_u32(&rng);
    }
    return augment;
}

const float cr_image_mean[3] = {0.485f, 0.456f, 0.406f};
const float cr_image_deviation[3] = {0.229f, 0.224f, 0.225f};
