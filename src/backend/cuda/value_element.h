/* Numbers of values between layers, float32 or bf16, one or eight neighbours at a time. The same text compiles as C and
 * as CUDA. */
#ifndef CRISOL_BACKEND_CUDA_VALUE_ELEMENT_H
#define CRISOL_BACKEND_CUDA_VALUE_ELEMENT_H

#include "crisol/host_device.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    CR_EIGHT = 8 /* channels of a spatial value are padded with zeros to a multiple of this */
};

typedef struct cr_eight {
    float v[CR_EIGHT];
} cr_eight;

/* 16 bytes that are loaded and stored at once. */
#if defined(__CUDACC__)
typedef struct __align__(16) cr_words
{
    uint32_t w[4];
}
cr_words;
#else
typedef struct cr_words {
    uint32_t w[4];
} __attribute__((aligned(16), may_alias)) cr_words;
#endif

CR_HD static inline float cr_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CR_HD static inline uint32_t cr_bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Round to nearest, ties to even; NaN stays NaN. */
CR_HD static inline uint16_t cr_half_of_float(float value)
{
    uint32_t bits = cr_bits_of_float(value);
    if ((bits & 0x7fffffffU) > 0x7f800000U)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/* Two of them in a word, `low` first. The GPU's instruction rounds alike, but for the bits of a NaN. */
CR_HD static inline uint32_t cr_halves_of_floats(float low, float high)
{
#if defined(__CUDA_ARCH__)
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return (uint32_t)cr_half_of_float(low) | (uint32_t)cr_half_of_float(high) << 16;
#endif
}

/* Element `i`. */
CR_HD static inline float cr_one_load(const void *base, int64_t i, bool bf16)
{
    return bf16 ? cr_float_of_bits((uint32_t)((const uint16_t *)base)[i] << 16) : ((const float *)base)[i];
}

CR_HD static inline void cr_one_store(void *base, int64_t i, float value, bool bf16)
{
    if (bf16)
        ((uint16_t *)base)[i] = cr_half_of_float(value);
    else
        ((float *)base)[i] = value;
}

/* Elements 8·i … 8·i + 7 as they lie in memory: a thread that waits for several keeps the fewest registers so. */
typedef struct cr_packed {
    cr_words low, high; /* high: float32 only */
} cr_packed;

CR_HD static inline cr_packed cr_packed_load(const void *base, int64_t i, bool bf16)
{
    cr_packed packed;
    packed.low = ((const cr_words *)base)[bf16 ? i : 2 * i];
    if (!bf16)
        packed.high = ((const cr_words *)base)[2 * i + 1];
    return packed;
}

CR_HD static inline cr_eight cr_packed_numbers(const cr_packed *packed, bool bf16)
{
    cr_eight out;
    for (int k = 0; k < 4; k++)
        if (bf16) {
            out.v[2 * k] = cr_float_of_bits(packed->low.w[k] << 16);
            out.v[2 * k + 1] = cr_float_of_bits(packed->low.w[k] & 0xffff0000U);
        } else {
            out.v[k] = cr_float_of_bits(packed->low.w[k]);
            out.v[4 + k] = cr_float_of_bits(packed->high.w[k]);
        }
    return out;
}

CR_HD static inline cr_eight cr_eight_load(const void *base, int64_t i, bool bf16)
{
    const cr_packed packed = cr_packed_load(base, i, bf16);
    return cr_packed_numbers(&packed, bf16);
}

CR_HD static inline void cr_eight_store(void *base, int64_t i, const cr_eight *value, bool bf16)
{
    cr_words words;
    if (bf16) {
        for (int k = 0; k < 4; k++)
            words.w[k] = cr_halves_of_floats(value->v[2 * k], value->v[2 * k + 1]);
        ((cr_words *)base)[i] = words;
    } else {
        for (int part = 0; part < 2; part++) {
            for (int k = 0; k < 4; k++)
                words.w[k] = cr_bits_of_float(value->v[4 * part + k]);
            ((cr_words *)base)[2 * i + part] = words;
        }
    }
}

#endif
