#include "pool.h"
#include "vector.h"

/* Sums in double: a few hundred values a channel, and the result rounds once. */
void cr_average_pool_forward(const cr_place *from, const void *x, float *y)
{
    int64_t n_groups = cr_place_n_groups(from), pixels = from->shape.height * from->shape.width;
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(from, g);
        int64_t rest = from->shape.channels - group.channel;
        int width = rest < group.width ? (int)rest : group.width;
        for (int64_t n = 0; n < from->n; n++) {
            double sum[CR_GROUP_MAX] = {0};
            int64_t i = group.base + n * group.outer_stride;
            for (int64_t p = 0; p < pixels; p++, i += group.pixel_stride)
                for (int c = 0; c < group.width; c++)
                    sum[c] += from->bf16 ? cr_bf16_to_float(((const uint16_t *)x)[i + c]) : ((const float *)x)[i + c];
            for (int c = 0; c < width; c++)
                y[n * from->shape.channels + group.channel + c] = (float)(sum[c] / (double)pixels);
        }
    }
}

void cr_average_pool_backward(const cr_place *from, void *dx, const float *dy)
{
    int64_t n_groups = cr_place_n_groups(from), pixels = from->shape.height * from->shape.width;
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(from, g);
        int64_t rest = from->shape.channels - group.channel;
        for (int64_t n = 0; n < from->n; n++) {
            float value[CR_GROUP_MAX] = {0};
            uint16_t half[CR_GROUP_MAX];
            for (int c = 0; c < group.width && c < rest; c++)
                value[c] = dy[n * from->shape.channels + group.channel + c] / (float)pixels;
            for (int c = 0; c < group.width; c++)
                half[c] = cr_bf16_from_float(value[c]);
            int64_t i = group.base + n * group.outer_stride;
            for (int64_t p = 0; p < pixels; p++, i += group.pixel_stride) {
                if (from->bf16)
                    memcpy((uint16_t *)dx + i, half, (size_t)group.width * sizeof *half);
                else
                    memcpy((float *)dx + i, value, (size_t)group.width * sizeof *value);
            }
        }
    }
}
