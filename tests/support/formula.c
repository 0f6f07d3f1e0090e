#include "formula.h"

#include <math.h>
#include <string.h>

uint64_t formula_mix(uint64_t x)
{
    uint64_t z = x + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t formula_fnv1a(const char *name)
{
    uint64_t state = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        state = (state ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return state;
}

static uint32_t draw(uint64_t state, int64_t i)
{
    return (uint32_t)(formula_mix(state + (uint64_t)i) >> 40);
}

uint32_t formula_draw(const char *name, uint64_t seed, int64_t i)
{
    return draw(formula_fnv1a(name) ^ seed, i);
}

/* s = 2u - 1, exact in float32 */
static float signed_unit(uint64_t state, int64_t i)
{
    return (float)((int32_t)draw(state, i) - 8388608) / 8388608.0F;
}

static void fill_scaled(const char *name, uint64_t seed, float scale, int64_t n, float *values)
{
    uint64_t state = formula_fnv1a(name) ^ seed;
    for (int64_t i = 0; i < n; i++)
        values[i] = signed_unit(state, i) * scale;
}

static void fill_about_one(const char *name, uint64_t seed, float spread, int64_t n, float *values)
{
    uint64_t state = formula_fnv1a(name) ^ seed;
    for (int64_t i = 0; i < n; i++)
        values[i] = 1.0F + spread * signed_unit(state, i);
}

void formula_state(const cr_net *net, uint64_t seed, float *state)
{
    memset(state, 0, (size_t)(net->n_params + net->n_stats) * sizeof *state);
    for (int t = 0; t < net->n_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        float *values = state + tensor->offset;
        switch (tensor->role) {
        case CR_TENSOR_CONV_WEIGHT:
        case CR_TENSOR_DENSE_WEIGHT:
            fill_scaled(tensor->name, seed, (float)sqrt(6.0 / (double)(tensor->count / tensor->shape[0])),
                        tensor->count, values);
            break;
        case CR_TENSOR_BIAS:
            fill_scaled(tensor->name, seed, 0.05F, tensor->count, values);
            break;
        case CR_TENSOR_BN_WEIGHT:
            fill_about_one(tensor->name, seed, 0.2F, tensor->count, values);
            break;
        case CR_TENSOR_BN_BIAS:
            fill_scaled(tensor->name, seed, 0.1F, tensor->count, values);
            break;
        case CR_TENSOR_BN_MEAN:
            break;
        case CR_TENSOR_BN_VAR:
            for (int64_t i = 0; i < tensor->count; i++)
                values[i] = 1.0F;
            break;
        }
    }
}

void formula_images(int64_t n, int64_t side, uint64_t seed, uint8_t *images)
{
    uint64_t state = formula_fnv1a("input.image") ^ seed;
    for (int64_t i = 0; i < n * side * side * 3; i++) {
        int64_t c = i % 3, x = i / 3 % side, y = i / 3 / side % side, b = i / 3 / side / side;
        int64_t phase = formula_draw("input.image.phase", seed, b) & 511;
        int64_t t = (x * (3 + (b & 3)) + y * (2 + c) + phase + 85 * c) & 511;
        int64_t smooth = t < 256 ? t : 511 - t, noise = draw(state, i) >> 16;
        images[i] = (uint8_t)((3 * smooth + noise) >> 2);
    }
}

void formula_metadata(int64_t n, int64_t n_features, uint64_t seed, float *metadata)
{
    fill_scaled("input.metadata", seed, 2.0F, n * n_features, metadata);
}

void formula_labels(int64_t n, int64_t n_classes, uint64_t seed, int32_t *labels)
{
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)(formula_draw("input.label", seed, i) % n_classes);
}

void formula_class_weights(int64_t n_classes, uint64_t seed, float *weights)
{
    fill_about_one("input.class_weight", seed, 0.75F, n_classes, weights);
}
