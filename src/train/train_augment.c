/* From the config's words to what the samples get. */
#include "crisol/pack.h"
#include "crisol/train.h"

cr_status cr_train_augmentation(const cr_config *config, cr_augment_options *augment, cr_mix_options *mix)
{
    *augment = (cr_augment_options){
        .size = CR_PACK_IMAGE_SIZE,
        .hflip = config->augment.hflip,
        .vflip = config->augment.vflip,
        .rotate = config->augment.rotate,
        .affine = config->augment.affine,
        .translate = {config->augment.translate, config->augment.translate},
        .scale = {config->augment.scale[0], config->augment.scale[1]},
        .shear = {config->augment.shear[0], config->augment.shear[1]},
        .crop = {config->augment.crop[0], config->augment.crop[1]},
        .crop_ratio = {config->augment.crop_ratio[0], config->augment.crop_ratio[1]},
        .brightness = config->augment.color[0],
        .contrast = config->augment.color[1],
        .saturation = config->augment.color[2],
        .hue = config->augment.color[3],
        .erase = config->augment.erase,
        .erase_scale = {config->augment.erase_scale[0], config->augment.erase_scale[1]},
        .erase_ratio = {config->augment.erase_ratio[0], config->augment.erase_ratio[1]},
        .erase_noise = config->augment.erase_fill == 1,
    };
    *mix =
        (cr_mix_options){.size = CR_PACK_IMAGE_SIZE, .mixup = config->augment.mixup, .cutmix = config->augment.cutmix};
    return cr_augment_check(augment);
}
