/* Vectors of 16 floats as GCC extensions: one text for AVX-512, AVX2 and plain x86-64, with the same bits from each,
 * since every lane is computed alone and the number of accumulators is written out. */
#ifndef CRISOL_BACKEND_CPU_VECTOR_H
#define CRISOL_BACKEND_CPU_VECTOR_H

#include "place.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The helpers are always inlined, so that no vector ever crosses a call whose ABI depends on the instruction set. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* Clones are chosen when the program is loaded, before a sanitizer's own start: there, one is enough. */
#if CRISOL_SANITIZED
#define CR_CLONES
#else
#define CR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#define CR_INLINE static inline __attribute__((always_inline))

typedef float cr_vector __attribute__((vector_size(64)));
typedef int32_t cr_vector_int __attribute__((vector_size(64)));
typedef uint32_t cr_vector_bits __attribute__((vector_size(64)));
typedef uint16_t cr_vector_half __attribute__((vector_size(32)));
typedef uint8_t cr_vector_byte __attribute__((vector_size(16)));

CR_INLINE cr_vector cr_splat(float value)
{
    return value - (cr_vector){0};
}

/* bfloat16 is the upper half of a float32. */
CR_INLINE float cr_bf16_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Round to nearest, ties to even; NaN stays NaN. */
CR_INLINE uint16_t cr_bf16_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffU) > 0x7f800000U)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

CR_INLINE cr_vector cr_widen(cr_vector_half half)
{
    return (cr_vector)(__builtin_convertvector(half, cr_vector_bits) << 16);
}

CR_INLINE cr_vector_half cr_narrow(cr_vector value)
{
    cr_vector_bits bits = (cr_vector_bits)value;
    cr_vector_bits rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    cr_vector_bits nan = (cr_vector_bits)(value != value);
    return __builtin_convertvector((rounded & ~nan) | (0x7fc0U & nan), cr_vector_half);
}

/* Lanes 0 … lanes-1 of element `i` on; the others are 0. `bf16` and `lanes` are constants after inlining. */
CR_INLINE cr_vector cr_load(const void *base, int64_t i, bool bf16, int lanes)
{
    if (bf16) {
        cr_vector_half half = {0};
        memcpy(&half, (const uint16_t *)base + i, (size_t)lanes * sizeof(uint16_t));
        return cr_widen(half);
    }
    cr_vector value = {0};
    memcpy(&value, (const float *)base + i, (size_t)lanes * sizeof(float));
    return value;
}

CR_INLINE void cr_store(void *base, int64_t i, cr_vector value, bool bf16, int lanes)
{
    if (bf16) {
        cr_vector_half half = cr_narrow(value);
        memcpy((uint16_t *)base + i, &half, (size_t)lanes * sizeof(uint16_t));
    } else {
        memcpy((float *)base + i, &value, (size_t)lanes * sizeof(float));
    }
}

/* Half as wide, for kernels that use a comparison's result more than once: GCC keeps those in registers for 256 bits,
 * and takes them apart lane by lane for 512. */
typedef float cr_half_vector __attribute__((vector_size(32)));
typedef int32_t cr_half_vector_int __attribute__((vector_size(32)));
typedef uint32_t cr_half_vector_bits __attribute__((vector_size(32)));
typedef uint16_t cr_half_vector_half __attribute__((vector_size(16)));
typedef uint8_t cr_half_vector_byte __attribute__((vector_size(8)));

enum {
    CR_HALF_LANES = CR_LANES / 2
};

CR_INLINE cr_half_vector cr_half_load(const void *base, int64_t i, bool bf16, int lanes)
{
    if (bf16) {
        cr_half_vector_half half = {0};
        memcpy(&half, (const uint16_t *)base + i, (size_t)lanes * sizeof(uint16_t));
        return (cr_half_vector)(__builtin_convertvector(half, cr_half_vector_bits) << 16);
    }
    cr_half_vector value = {0};
    memcpy(&value, (const float *)base + i, (size_t)lanes * sizeof(float));
    return value;
}

CR_INLINE void cr_half_store(void *base, int64_t i, cr_half_vector value, bool bf16, int lanes)
{
    if (bf16) {
        cr_half_vector_bits bits = (cr_half_vector_bits)value;
        cr_half_vector_bits nan = (cr_half_vector_bits)(value != value);
        bits = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
        cr_half_vector_half half = __builtin_convertvector((bits & ~nan) | (0x7fc0U & nan), cr_half_vector_half);
        memcpy((uint16_t *)base + i, &half, (size_t)lanes * sizeof(uint16_t));
    } else {
        memcpy((float *)base + i, &value, (size_t)lanes * sizeof(float));
    }
}

/* Instances of a kernel KERNEL(ARGUMENTS…, bf16, vectors, lanes) for the three shapes of a group and both types, and
 * the choice among them: CR_KERNEL(name, kernel, (declared parameters), (passed arguments)). */
#define CR_UNPACK(...) __VA_ARGS__
#define CR_KERNEL_INSTANCE(name, kernel, parameters, arguments, bf16, vectors, lanes)                                  \
    CR_CLONES static void name(CR_UNPACK parameters)                                                                   \
    {                                                                                                                  \
        kernel(CR_UNPACK arguments, bf16, vectors, lanes);                                                             \
    }
#define CR_KERNEL(name, kernel, parameters, arguments)                                                                 \
    CR_KERNEL_INSTANCE(name##_float_64, kernel, parameters, arguments, false, 4, CR_LANES)                             \
    CR_KERNEL_INSTANCE(name##_float_16, kernel, parameters, arguments, false, 1, CR_LANES)                             \
    CR_KERNEL_INSTANCE(name##_float_tail, kernel, parameters, arguments, false, 1, group->width)                       \
    CR_KERNEL_INSTANCE(name##_bf16_64, kernel, parameters, arguments, true, 4, CR_LANES)                               \
    CR_KERNEL_INSTANCE(name##_bf16_16, kernel, parameters, arguments, true, 1, CR_LANES)                               \
    CR_KERNEL_INSTANCE(name##_bf16_tail, kernel, parameters, arguments, true, 1, group->width)                         \
    static void name(bool bf16, CR_UNPACK parameters)                                                                  \
    {                                                                                                                  \
        if (group->width == CR_GROUP_MAX)                                                                              \
            (bf16 ? name##_bf16_64 : name##_float_64)(CR_UNPACK arguments);                                            \
        else if (group->width == CR_LANES)                                                                             \
            (bf16 ? name##_bf16_16 : name##_float_16)(CR_UNPACK arguments);                                            \
        else                                                                                                           \
            (bf16 ? name##_bf16_tail : name##_float_tail)(CR_UNPACK arguments);                                        \
    }

#endif
