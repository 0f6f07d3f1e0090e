#include "crisol/augment.h"
#include "crisol/rng.h"

/* Each option draws from a place of its own in the sample's stream: an option more, or one that draws more often, moves
 * none of the others' numbers. Append, never renumber. */
typedef enum place {
    PLACE_HFLIP = 0
} place;

enum {
    PLACE_BLOCKS = 16 /* blocks of 4 words: 64 words an option */
};

static cr_rng stream_at(uint64_t seed, uint64_t epoch, uint64_t sample, place where)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_AUGMENT, epoch, sample);
    rng.counter[0] = (uint32_t)where * PLACE_BLOCKS;
    return rng;
}

cr_augment cr_augment_draw(const cr_augment_options *options, uint64_t seed, uint64_t epoch, uint64_t sample)
{
    cr_augment augment = {0};
    cr_rng rng = stream_at(seed, epoch, sample, PLACE_HFLIP);
    augment.hflip = cr_rng_uniform(&rng) < options->hflip; /* as torchvision: rand() < p, so 0 is never and 1 always */
    return augment;
}

const float cr_image_mean[3] = {0.485f, 0.456f, 0.406f};
const float cr_image_deviation[3] = {0.229f, 0.224f, 0.225f};
