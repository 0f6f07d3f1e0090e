#include "place.h"

#include "vector.h"

static int64_t n_blocks(const cr_place *place)
{
    return (place->shape.channels + CR_LANES - 1) / CR_LANES;
}

bool cr_place_equal(const cr_place *a, const cr_place *b)
{
    return a->n == b->n && a->shape.channels == b->shape.channels && a->shape.height == b->shape.height &&
           a->shape.width == b->shape.width && a->format == b->format && a->bf16 == b->bf16;
}

int64_t cr_place_elements(const cr_place *place)
{
    int64_t lanes = cr_format_lanes(place->format), channels = (place->shape.channels + lanes - 1) / lanes * lanes;
    return place->n * channels * place->shape.height * place->shape.width;
}

size_t cr_place_bytes(const cr_place *place)
{
    return (size_t)cr_place_elements(place) * (place->bf16 ? sizeof(uint16_t) : sizeof(float));
}

int64_t cr_place_pixels(const cr_place *place)
{
    return place->n * place->shape.height * place->shape.width;
}

int64_t cr_place_offset(const cr_place *place, int64_t n, int64_t channel, int64_t y, int64_t x)
{
    int64_t pixel = y * place->shape.width + x, pixels = place->shape.height * place->shape.width;
    switch (place->format) {
    case CR_FORMAT_BLOCKED:
        return ((n * n_blocks(place) + channel / CR_LANES) * pixels + pixel) * CR_LANES + channel % CR_LANES;
    case CR_FORMAT_NHWC:
        return (n * pixels + pixel) * place->shape.channels + channel;
    case CR_FORMAT_PLAIN:
        break;
    }
    return (n * place->shape.channels + channel) * pixels + pixel;
}

int64_t cr_place_n_groups(const cr_place *place)
{
    if (place->format == CR_FORMAT_BLOCKED)
        return n_blocks(place);
    int64_t wide = place->shape.channels / CR_GROUP_MAX, rest = place->shape.channels % CR_GROUP_MAX;
    return wide + (rest + CR_LANES - 1) / CR_LANES;
}

cr_group cr_place_group(const cr_place *place, int64_t index)
{
    int64_t pixels = place->shape.height * place->shape.width;
    cr_group group = {0};
    if (place->format == CR_FORMAT_BLOCKED) {
        group.channel = index * CR_LANES;
        group.width = CR_LANES;
        group.base = index * pixels * CR_LANES;
        group.n_outer = place->n;
        group.outer_stride = n_blocks(place) * pixels * CR_LANES;
        group.n_pixels = pixels;
        group.pixel_stride = CR_LANES;
        return group;
    }
    int64_t wide = place->shape.channels / CR_GROUP_MAX;
    group.channel = index < wide ? index * CR_GROUP_MAX : wide * CR_GROUP_MAX + (index - wide) * CR_LANES;
    int64_t rest = place->shape.channels - group.channel;
    group.width = index < wide ? CR_GROUP_MAX : rest < CR_LANES ? (int)rest : CR_LANES;
    group.base = group.channel;
    group.n_outer = place->n;
    group.outer_stride = pixels * place->shape.channels;
    group.n_pixels = pixels;
    group.pixel_stride = place->shape.channels;
    return group;
}

static float get(const void *data, int64_t i, bool bf16)
{
    return bf16 ? cr_bf16_to_float(((const uint16_t *)data)[i]) : ((const float *)data)[i];
}

static void set(void *data, int64_t i, bool bf16, float value)
{
    if (bf16)
        ((uint16_t *)data)[i] = cr_bf16_from_float(value);
    else
        ((float *)data)[i] = value;
}

void cr_place_convert(const cr_place *from, const void *src, const cr_place *to, void *dst)
{
    int64_t height = from->shape.height, width = from->shape.width, channels = from->shape.channels;
    int64_t padded = to->format == CR_FORMAT_BLOCKED ? n_blocks(to) * CR_LANES : channels;
    for (int64_t n = 0; n < from->n; n++)
        for (int64_t c = 0; c < padded; c++)
            for (int64_t y = 0; y < height; y++)
                for (int64_t x = 0; x < width; x++) {
                    float value = c < channels ? get(src, cr_place_offset(from, n, c, y, x), from->bf16) : 0.0f;
                    set(dst, cr_place_offset(to, n, c, y, x), to->bf16, value);
                }
}
