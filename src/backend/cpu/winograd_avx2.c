/* Winograd's method for processors with AVX2 and FMA: compiled for them, called only there. */
#include "vector.h"
#include "winograd_inner.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m256 wide;
enum {
    WIDTH = 8,
    PRODUCT_VECTORS = 2
};

INLINE wide splat(float value)
{
    return _mm256_set1_ps(value);
}
INLINE wide load(const float *from)
{
    return _mm256_load_ps(from);
}
INLINE wide load_unaligned(const float *from)
{
    return _mm256_loadu_ps(from);
}
INLINE void store(float *to, wide value)
{
    _mm256_store_ps(to, value);
}
/* Values: float32 or bf16 from element i on. */
INLINE wide load_values(const void *from, int64_t i, bool bf16)
{
    return (wide)cr_half_load(from, i, bf16, CR_HALF_LANES);
}
INLINE void store_values(void *to, int64_t i, wide value, bool bf16)
{
    cr_half_store(to, i, (cr_half_vector)value, bf16, CR_HALF_LANES);
}
INLINE wide add(wide a, wide b)
{
    return _mm256_add_ps(a, b);
}
INLINE wide subtract(wide a, wide b)
{
    return _mm256_sub_ps(a, b);
}
INLINE wide multiply(wide a, wide b)
{
    return _mm256_mul_ps(a, b);
}
INLINE wide fused(wide a, wide b, wide c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE wide larger(wide a, wide b)
{
    return _mm256_max_ps(a, b);
}

/* to[column][row] = from[row][column], 8 × 8 of rows of 16. */
INLINE void transpose_quarter(const float *from, float *to)
{
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_load_ps(from + i * 16);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int half = 0; half < 2; half++) {
            a[i + 2 * half] = _mm256_shuffle_ps(b[i + half], b[i + 2 + half], 0x44);
            a[i + 2 * half + 1] = _mm256_shuffle_ps(b[i + half], b[i + 2 + half], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        _mm256_store_ps(to + i * 16, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_store_ps(to + (i + 4) * 16, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}

/* to[column][row] = from[row][column], 16 × 16. */
INLINE void transpose(const float *from, float *to)
{
    for (int row = 0; row < 16; row += 8)
        for (int column = 0; column < 16; column += 8)
            transpose_quarter(from + row * 16 + column, to + column * 16 + row);
}

#include "winograd_product_body.h"
#include "winograd_transform_body.h"

const cr_wino_kernels cr_wino_kernels_avx2 = {.name = "winograd_4x3:avx2",
                                              .input = input,
                                              .gradient = gradient,
                                              .output = output,
                                              .weights_forward = weights_forward,
                                              .weights_data = weights_data,
                                              .weights_gradient = weights_gradient,
                                              .product = product};
