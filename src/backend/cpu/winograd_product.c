#include "winograd_inner.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS = 6, /* with 4 vectors of columns: 24 of the 32 registers hold sums */
    VECTORS = CR_WINO_CHANNELS / CR_LANES
};

/* Up to 6 rows of c at once; `rows` and the strides are constants after inlining. */
INLINE void rows_product(int rows, int64_t depth, const float *a, int64_t row_stride, int64_t depth_stride,
                         const float *b, float *c, bool accumulate)
{
    __m512 sum[ROWS][VECTORS];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = accumulate ? _mm512_load_ps(c + r * CR_WINO_CHANNELS + v * CR_LANES) : _mm512_setzero_ps();
    for (int64_t k = 0; k < depth; k++) {
        __m512 column[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            column[v] = _mm512_load_ps(b + k * CR_WINO_CHANNELS + v * CR_LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            __m512 factor = _mm512_set1_ps(a[r * row_stride + k * depth_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = _mm512_fmadd_ps(factor, column[v], sum[r][v]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            _mm512_store_ps(c + r * CR_WINO_CHANNELS + v * CR_LANES, sum[r][v]);
}

INLINE void all_rows(int64_t rows, int64_t depth, const float *a, int64_t row_stride, int64_t depth_stride,
                     const float *b, float *c, bool accumulate)
{
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        rows_product(ROWS, depth, a + r * row_stride, row_stride, depth_stride, b, c + r * CR_WINO_CHANNELS,
                     accumulate);
    a += r * row_stride;
    c += r * CR_WINO_CHANNELS;
    switch (rows - r) {
    case 5:
        rows_product(5, depth, a, row_stride, depth_stride, b, c, accumulate);
        break;
    case 4:
        rows_product(4, depth, a, row_stride, depth_stride, b, c, accumulate);
        break;
    case 3:
        rows_product(3, depth, a, row_stride, depth_stride, b, c, accumulate);
        break;
    case 2:
        rows_product(2, depth, a, row_stride, depth_stride, b, c, accumulate);
        break;
    case 1:
        rows_product(1, depth, a, row_stride, depth_stride, b, c, accumulate);
        break;
    default:
        break;
    }
}

void cr_wino_product(int64_t rows, int64_t depth, const float *a, bool transposed, const float *b, float *c,
                     bool accumulate)
{
    if (transposed)
        all_rows(rows, depth, a, 1, CR_WINO_CHANNELS, b, c, accumulate);
    else
        all_rows(rows, depth, a, CR_WINO_CHANNELS, 1, b, c, accumulate);
}
