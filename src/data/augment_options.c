#include "crisol/augment.h"

#include <math.h>

static cr_status refuse(const char *setting, const char *rule)
{
    return cr_fail(CR_BAD_CONFIG, "augment.%s: %s", setting, rule);
}

static bool rises(const double range[2], double lowest)
{
    return range[0] >= lowest && range[0] <= range[1] && isfinite(range[1]);
}

static bool is_probability(double p)
{
    return p >= 0 && p <= 1;
}

/* Ranges of the boxes, where boxes are asked for. */
static cr_status check_boxes(const cr_augment_options *options)
{
    const double tiny = 1e-6; /* a ratio must have a logarithm */
    if (options->crop[0] != 0 || options->crop[1] != 0) {
        if (!rises(options->crop, tiny) || options->crop[1] > 1)
            return refuse("crop", "lowest and highest share of the area, above 0, at most 1, in this order");
        if (!rises(options->crop_ratio, tiny))
            return refuse("crop_ratio", "lowest and highest width / height, above 0, in this order");
    }
    if (options->erase > 0) {
        if (!rises(options->erase_scale, tiny) || options->erase_scale[1] > 1)
            return refuse("erase_scale", "lowest and highest share of the area, above 0, at most 1, in this order");
        if (!rises(options->erase_ratio, tiny))
            return refuse("erase_ratio", "lowest and highest height / width, above 0, in this order");
    }
    return CR_OK;
}

cr_status cr_augment_check(const cr_augment_options *options)
{
    if (options->size < 2 || options->size > CR_AUGMENT_SIZE_MAX)
        return cr_fail(CR_BAD_CONFIG, "images of %lld x %lld pixels cannot be augmented; from 2 to %d are possible",
                       (long long)options->size, (long long)options->size, CR_AUGMENT_SIZE_MAX);
    if (!is_probability(options->hflip) || !is_probability(options->vflip) || !is_probability(options->erase))
        return refuse("hflip, vflip, erase", "probabilities are from 0 to 1");
    if (!(options->rotate >= 0 && options->rotate <= 180))
        return refuse("rotate", "from 0 to 180 degrees");
    if (!(options->affine >= 0 && options->affine <= 180))
        return refuse("affine", "from 0 to 180 degrees");
    for (int i = 0; i < 2; i++) {
        if (!is_probability(options->translate[i]))
            return refuse("translate", "a share of the image's side, from 0 to 1");
        if (!(options->shear[i] >= 0 && options->shear[i] <= 80))
            return refuse("shear", "from 0 to 80 degrees");
    }
    if ((options->scale[0] != 0 || options->scale[1] != 0) && !rises(options->scale, 0.01))
        return refuse("scale", "lowest and highest factor, at least 0.01, in this order");
    const double spread[] = {options->brightness, options->contrast, options->saturation};
    for (int i = 0; i < 3; i++)
        if (!(spread[i] >= 0 && isfinite(spread[i])))
            return refuse("color", "brightness, contrast and saturation are at least 0");
    if (!(options->hue >= 0 && options->hue <= 0.5))
        return refuse("color", "hue, the last of the four, is from 0 to 0.5");
    return check_boxes(options);
}
