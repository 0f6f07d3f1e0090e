#include "image_resize_kernels.h"

#include <string.h>

typedef uint8_t u8_lanes __attribute__((vector_size(CR_RESIZE_LANES)));
typedef uint16_t u16_lanes __attribute__((vector_size(CR_RESIZE_LANES * sizeof(uint16_t))));
typedef int32_t i32_lanes __attribute__((vector_size(CR_RESIZE_LANES * sizeof(int32_t))));

/* By way of 16 bits, because GCC 12 makes only conversions between neighbouring widths instructions. */
#define WIDEN(bytes) __builtin_convertvector(__builtin_convertvector(bytes, u16_lanes), i32_lanes)
#define NARROW(sums) __builtin_convertvector(__builtin_convertvector(sums, u16_lanes), u8_lanes)

/* Pixels of three bytes as four, of which the last has weight 0. */
#define SPREAD 0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0
/* Lanes of two vectors taken together. */
#define FIRST_HALVES 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SECOND_HALVES 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define FIRST_QUARTERS 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define SECOND_QUARTERS 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31

/* Not target_clones: GCC takes vector types apart for the default instruction set before it makes the clones. */
#define KERNEL
#define NAME(function) function##_default
#include "image_resize_body.h"
#undef KERNEL
#undef NAME

#if defined(__x86_64__)
#define KERNEL __attribute__((target("avx2")))
#define NAME(function) function##_avx2
#include "image_resize_body.h"
#undef KERNEL
#undef NAME

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512vl")))
#define NAME(function) function##_avx512
#include "image_resize_body.h"
#undef KERNEL
#undef NAME
#endif

const cr_resize_kernels *cr_resize_kernels_at(int i)
{
    static const cr_resize_kernels plain = {filter_across_default, filter_down_default};
#if defined(__x86_64__)
    static const cr_resize_kernels avx2 = {filter_across_avx2, filter_down_avx2},
                                   avx512 = {filter_across_avx512, filter_down_avx512};
    if (i == 1 && __builtin_cpu_supports("avx2"))
        return &avx2;
    if (i == 2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return &avx512;
#endif
    return i == 0 ? &plain : NULL;
}

const cr_resize_kernels *cr_resize_kernels_get(void)
{
    const cr_resize_kernels *best = NULL;
    for (int i = 0; cr_resize_kernels_at(i); i++)
        best = cr_resize_kernels_at(i);
    return best;
}
