/* Winograd's matrix products on vectors of WIDTH floats, PRODUCT_VECTORS of them side by side: the text of
 * winograd_avx2.c and winograd_avx512.c. Each sum runs over k in one order: the same bits from both.
 * No include guard, on purpose. */

enum {
    ROWS = 6, /* times PRODUCT_VECTORS registers hold sums: 24 of 32, or 12 of 16 */
    COLUMNS = PRODUCT_VECTORS * WIDTH
};

/* Up to 6 rows of c at once; `rows` and the strides are constants after inlining. */
INLINE void rows_product(int rows, int64_t depth, const float *a, int64_t row_stride, int64_t depth_stride,
                         const float *b, float *c, bool accumulate)
{
    wide sum[ROWS][PRODUCT_VECTORS];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < PRODUCT_VECTORS; v++)
            sum[r][v] = accumulate ? load(c + r * CR_WINO_CHANNELS + v * WIDTH) : splat(0.0f);
    for (int64_t k = 0; k < depth; k++) {
        wide column[PRODUCT_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < PRODUCT_VECTORS; v++)
            column[v] = load(b + k * CR_WINO_CHANNELS + v * WIDTH);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            wide factor = splat(a[r * row_stride + k * depth_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < PRODUCT_VECTORS; v++)
                sum[r][v] = fused(factor, column[v], sum[r][v]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < PRODUCT_VECTORS; v++)
            store(c + r * CR_WINO_CHANNELS + v * WIDTH, sum[r][v]);
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

static void product(int64_t rows, int64_t depth, const float *a, bool transposed, const float *b, float *c,
                    bool accumulate)
{
    for (int column = 0; column < CR_WINO_CHANNELS; column += COLUMNS)
        if (transposed)
            all_rows(rows, depth, a, 1, CR_WINO_CHANNELS, b + column, c + column, accumulate);
        else
            all_rows(rows, depth, a, CR_WINO_CHANNELS, 1, b + column, c + column, accumulate);
}
