#include "cpu_adapter.h"

#include "fusion_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

cpu_adapter cpu;

void cpu_expect_ok(cr_status status)
{
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
}

cr_place cpu_place(int64_t n, cr_shape shape)
{
    return cr_place_make(n, shape, cpu.format, false);
}

float *cpu_room(const cr_place *place)
{
    return aligned_floats(cr_place_elements(place));
}

/* Doubles [n, channels, height, width] → float32 in `place`. */
float *cpu_bring(const cr_place *place, const double *values)
{
    cr_place plain = cr_place_make(place->n, place->shape, CR_FORMAT_PLAIN, false);
    float *rounded = cpu_room(&plain), *brought = cpu_room(place);
    for (int64_t i = 0; i < cr_place_elements(&plain); i++)
        rounded[i] = (float)values[i];
    cr_place_convert(&plain, rounded, place, brought);
    free(rounded);
    return brought;
}

/* And back, written or added; frees `from`. */
void cpu_take(const cr_place *place, float *from, bool add, double *values)
{
    cr_place plain = cr_place_make(place->n, place->shape, CR_FORMAT_PLAIN, false);
    float *moved = cpu_room(&plain);
    cr_place_convert(place, from, &plain, moved);
    for (int64_t i = 0; i < cr_place_elements(&plain); i++)
        values[i] = (add ? values[i] : 0) + (double)moved[i];
    free(moved);
    free(from);
}

float *cpu_channels(int64_t n, const double *values, double otherwise)
{
    float *made = aligned_floats(cr_norm_channels(n));
    for (int64_t c = 0; c < n; c++)
        made[c] = (float)(values ? values[c] : otherwise);
    return made;
}

void cpu_sums(const cr_place *place, const float *mean, const float *x, const float *dy, double *sum, double *dot)
{
    int64_t channels = place->shape.channels;
    double *padded = calloc((size_t)cr_norm_channels(channels) * 2, sizeof *padded);
    assert_non_null(padded);
    float *scale = cpu_channels(channels, NULL, 1), *shift = cpu_channels(channels, NULL, 0);
    cr_norm norm = {mean, scale, shift, false};
    double *dots = padded + cr_norm_channels(channels);
    cr_norm_backward_sums(place, &norm, CR_MASK_NONE, x, NULL, dy, NULL, NULL, padded, dots);
    memcpy(sum, padded, (size_t)channels * sizeof *sum);
    if (dot)
        memcpy(dot, dots, (size_t)channels * sizeof *dot);
    free(padded);
    free(scale);
    free(shift);
}
