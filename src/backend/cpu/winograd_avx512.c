/* Winograd's method for processors with AVX-512: compiled for it, called only there. */
#include "vector.h"
#include "winograd_inner.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m512 wide;
enum {
    WIDTH = 16,
    PRODUCT_VECTORS = 4
};

INLINE wide splat(float value)
{
    return _mm512_set1_ps(value);
}
INLINE wide load(const float *from)
{
    return _mm512_load_ps(from);
}
INLINE wide load_unaligned(const float *from)
{
    return _mm512_loadu_ps(from);
}
INLINE void store(float *to, wide value)
{
    _mm512_store_ps(to, value);
}
/* Values: float32 or bf16 from element i on. */
INLINE wide load_values(const void *from, int64_t i, bool bf16)
{
    return (wide)cr_load(from, i, bf16, CR_LANES);
}
INLINE void store_values(void *to, int64_t i, wide value, bool bf16)
{
    cr_store(to, i, (cr_vector)value, bf16, CR_LANES);
}
INLINE wide add(wide a, wide b)
{
    return _mm512_add_ps(a, b);
}
INLINE wide subtract(wide a, wide b)
{
    return _mm512_sub_ps(a, b);
}
INLINE wide multiply(wide a, wide b)
{
    return _mm512_mul_ps(a, b);
}
INLINE wide fused(wide a, wide b, wide c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE wide larger(wide a, wide b)
{
    return _mm512_max_ps(a, b);
}

/* to[column][row] = from[row][column], 16 × 16. */
INLINE void transpose(const float *from, float *to)
{
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_load_ps(from + i * 16);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int half = 0; half < 2; half++) {
            __m512d low = _mm512_castps_pd(b[i + half]), high = _mm512_castps_pd(b[i + 2 + half]);
            a[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        _mm512_store_ps(to + i * 16, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
        _mm512_store_ps(to + (i + 4) * 16, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88));
        _mm512_store_ps(to + (i + 8) * 16, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
        _mm512_store_ps(to + (i + 12) * 16, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd));
    }
}

#include "winograd_product_body.h"
#include "winograd_transform_body.h"

const cr_wino_kernels cr_wino_kernels_avx512 = {.name = "winograd_4x3:avx512",
                                                .input = input,
                                                .gradient = gradient,
                                                .output = output,
                                                .weights_forward = weights_forward,
                                                .weights_data = weights_data,
                                                .weights_gradient = weights_gradient,
                                                .product = product};
