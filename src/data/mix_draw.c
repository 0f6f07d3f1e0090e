#include "crisol/augment.h"
#include "crisol/rng.h"

#include <math.h>

/* The logarithm of a Gamma(shape, 1) number: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables",
 * 2000; below 1 by Gamma(a) = Gamma(a + 1) · U^(1/a), as a logarithm since it may be smaller than any double. */
static double log_gamma_number(cr_rng *rng, double shape)
{
    double boost = 0;
    if (shape < 1) {
        boost = log1p(-cr_rng_uniform_double(rng)) / shape;
        shape += 1;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = cr_rng_normal(rng), v = 1 + c * x, u = 1 - cr_rng_uniform_double(rng);
        v = v * v * v;
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d * v) + boost;
    }
}

/* Beta(α, α) as the share of one of two Gamma(α) numbers in their sum. */
static double beta_number(cr_rng *rng, double alpha)
{
    double a = log_gamma_number(rng, alpha), b = log_gamma_number(rng, alpha);
    return 1 / (1 + exp(b - a));
}

/* Source: torchvision/transforms/v2/_augment.py, CutMix.make_params. */
static cr_mix cut_mix(cr_rng *rng, double alpha, int64_t size)
{
    double lambda = beta_number(rng, alpha);
    int64_t x = (int64_t)cr_rng_below(rng, (uint64_t)size), y = (int64_t)cr_rng_below(rng, (uint64_t)size);
    int64_t half = (int64_t)(0.5 * sqrt(1 - lambda) * (double)size);
    int64_t left = x > half ? x - half : 0, top = y > half ? y - half : 0;
    int64_t right = x + half < size ? x + half : size, bottom = y + half < size ? y + half : size;
    cr_mix mix = {.share = 1};
    if (right == left || bottom == top)
        return mix;
    mix.box = (cr_box){(int32_t)top, (int32_t)left, (int32_t)(bottom - top), (int32_t)(right - left)};
    mix.share = (float)(1 - (double)((right - left) * (bottom - top)) / (double)(size * size));
    return mix;
}

cr_mix cr_mix_draw(const cr_mix_options *options, uint64_t seed, uint64_t epoch, uint64_t position, int64_t index,
                   int64_t micro_batch)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_MIX, epoch, position);
    bool cuts = options->cutmix > 0;
    if (cuts && options->mixup > 0)
        cuts = cr_rng_uniform(&rng) < 0.5f;
    cr_mix mix = {.share = 1};
    if (cuts)
        mix = cut_mix(&rng, options->cutmix, options->size);
    else if (options->mixup > 0)
        mix.share = (float)beta_number(&rng, options->mixup);
    mix.partner = (int32_t)((index + micro_batch - 1) % micro_batch);
    return mix;
}
