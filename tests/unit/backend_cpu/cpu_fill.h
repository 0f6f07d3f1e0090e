/* Numbers and comparisons that the CPU backend's tests share. */
#ifndef CRISOL_TEST_CPU_FILL_H
#define CRISOL_TEST_CPU_FILL_H

#include "place.h"
#include "vector.h"

#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* 64-byte aligned; every byte 0xff, which is NaN as a number. */
static inline void *cpu_room(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0xff, (bytes + 127) / 64 * 64);
    return memory;
}

/* Uniform in [-1, 1), always the same for one id. */
static inline float *cpu_numbers(int64_t n, uint64_t id)
{
    float *numbers = cpu_room((size_t)n * sizeof *numbers);
    cr_rng rng = cr_rng_make(7, CR_RNG_SYNTH, 0, id);
    for (int64_t i = 0; i < n; i++)
        numbers[i] = 2.0f * cr_rng_uniform(&rng) - 1.0f;
    return numbers;
}

static inline cr_place cpu_plain(const cr_place *place)
{
    return cr_place_make(place->n, place->shape, CR_FORMAT_PLAIN, false);
}

/* Plain numbers laid out as `place`. With bf16 the plain ones are rounded too, so that both hold the same. */
static inline void *cpu_laid_out(const cr_place *place, float *plain)
{
    cr_place from = cpu_plain(place);
    if (place->bf16)
        for (int64_t i = 0; i < cr_place_elements(&from); i++)
            plain[i] = cr_bf16_to_float(cr_bf16_from_float(plain[i]));
    void *data = cpu_room(cr_place_bytes(place));
    cr_place_convert(&from, plain, place, data);
    return data;
}

/* The other way round. */
static inline float *cpu_plain_copy(const cr_place *place, const void *data)
{
    cr_place to = cpu_plain(place);
    float *plain = cpu_room(cr_place_bytes(&to));
    cr_place_convert(place, data, &to, plain);
    return plain;
}

/* Lanes beyond the channels of a BLOCKED place hold 0. */
static inline void cpu_assert_padding(const cr_place *place, const void *data)
{
    if (place->format != CR_FORMAT_BLOCKED)
        return;
    cr_place wide = *place;
    wide.shape.channels = (place->shape.channels + CR_LANES - 1) / CR_LANES * CR_LANES;
    for (int64_t n = 0; n < place->n; n++)
        for (int64_t c = place->shape.channels; c < wide.shape.channels; c++)
            for (int64_t y = 0; y < place->shape.height; y++)
                for (int64_t x = 0; x < place->shape.width; x++) {
                    int64_t at = cr_place_offset(&wide, n, c, y, x);
                    float value =
                        place->bf16 ? cr_bf16_to_float(((const uint16_t *)data)[at]) : ((const float *)data)[at];
                    assert_true(value == 0.0f);
                }
}

/* |a - b| ≤ tolerance · (1 + |b|), said with its place when it is not. */
static inline void cpu_assert_near(const char *what, int64_t at, double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * (1.0 + fabs(b)))) {
        print_error("%s [%lld]: %.9g instead of %.9g\n", what, (long long)at, a, b);
        fail();
    }
}

/* Rounding a result to the place's type, plus sums in float32. */
static inline double cpu_tolerance(const cr_place *place)
{
    return place->bf16 ? 1.0 / 128 : 2e-5;
}

/* Formats, types and widths that take every way through the kernels: whole groups of 64, of 16, and narrower rests. */
typedef struct cpu_case {
    cr_format format;
    bool bf16;
    int64_t channels, height, width;
} cpu_case;

static const cpu_case cpu_cases[] = {{CR_FORMAT_BLOCKED, false, 32, 9, 11}, {CR_FORMAT_BLOCKED, false, 19, 5, 7},
                                     {CR_FORMAT_BLOCKED, true, 48, 6, 9},   {CR_FORMAT_NHWC, false, 64, 7, 5},
                                     {CR_FORMAT_NHWC, false, 81, 4, 9},     {CR_FORMAT_NHWC, true, 147, 6, 6},
                                     {CR_FORMAT_NHWC, true, 3, 13, 9},      {CR_FORMAT_NHWC, false, 5, 1, 3},
                                     {CR_FORMAT_BLOCKED, false, 16, 17, 19}};

enum {
    CPU_CASES = sizeof cpu_cases / sizeof *cpu_cases
};

static inline cr_place cpu_case_place(const cpu_case *c, int64_t n)
{
    cr_shape shape = {c->channels, c->height, c->width};
    return cr_place_make(n, shape, c->format, c->bf16);
}

#endif
