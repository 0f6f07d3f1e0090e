/* The two passes of a resize, compiled once for each instruction set by image_resize_kernels.c, which defines KERNEL
 * (the target) and NAME. Integer arithmetic: the instruction set changes no bit. No guard, on purpose. */

/* The horizontal pass over four rows that start at the first output's first tap. Four pixels are taken at once: spread
 * to four bytes each, times four weights. The sums are integers, so their order is free. */
KERNEL static void NAME(filter_across)(const struct cr_resize_axis *axis, const uint8_t *const source[CR_RESIZE_BUNDLE],
                                       uint8_t *out)
{
    for (int64_t i = 0; i < axis->count; i++) {
        const int32_t *weights = axis->weight + i * axis->most_taps * CR_RESIZE_SPREAD;
        int64_t at = (axis->start[i] - axis->start[0]) * CR_IMAGE_CHANNELS;
        i32_lanes sum[CR_RESIZE_BUNDLE] = {{0}};
        for (int32_t t = 0; t < axis->n_taps[i];
             t += CR_RESIZE_TAPS_AT_ONCE, at += CR_RESIZE_TAPS_AT_ONCE * CR_IMAGE_CHANNELS) {
            i32_lanes weight;
            memcpy(&weight, weights + t * CR_RESIZE_SPREAD, sizeof weight);
            for (int r = 0; r < CR_RESIZE_BUNDLE; r++) {
                u8_lanes pixels;
                memcpy(&pixels, source[r] + at, sizeof pixels);
                sum[r] += WIDEN(__builtin_shufflevector(pixels, pixels, SPREAD)) * weight;
            }
        }
        /* each row's four partial sums, added by halves: lanes 4 r … 4 r + 3 are row r's pixel */
        i32_lanes rows_01 = __builtin_shufflevector(sum[0], sum[1], FIRST_HALVES) +
                            __builtin_shufflevector(sum[0], sum[1], SECOND_HALVES);
        i32_lanes rows_23 = __builtin_shufflevector(sum[2], sum[3], FIRST_HALVES) +
                            __builtin_shufflevector(sum[2], sum[3], SECOND_HALVES);
        i32_lanes total = __builtin_shufflevector(rows_01, rows_23, FIRST_QUARTERS) +
                          __builtin_shufflevector(rows_01, rows_23, SECOND_QUARTERS);
        total = (total + CR_RESIZE_HALF) >> CR_RESIZE_PRECISION;
        i32_lanes over = total > 255; /* weights rounded up can sum to a little over 1 */
        u8_lanes pixels = NARROW((total & ~over) | (over & 255));
        for (int r = 0; r < CR_RESIZE_BUNDLE; r++)
            memcpy(out + r * CR_RESIZE_ROW_STRIDE + i * CR_IMAGE_CHANNELS, (const uint8_t *)&pixels + 4 * r, 4);
    }
}

/* The vertical pass over rows of `width` bytes, 48 at a time. `rows` starts at input row `first_row`. */
KERNEL static void NAME(filter_down)(const struct cr_resize_axis *axis, const uint8_t *rows, int64_t first_row,
                                     size_t stride, int64_t width, uint8_t *out)
{
    for (int64_t i = 0; i < axis->count; i++, out += width) {
        const int32_t *weight = axis->weight + i * axis->most_taps;
        const uint8_t *top = rows + (size_t)(axis->start[i] - first_row) * stride;
        int64_t x = 0;
        for (; x + 3 * CR_RESIZE_LANES <= width; x += 3 * CR_RESIZE_LANES) {
            i32_lanes sum[3];
            for (int v = 0; v < 3; v++)
                sum[v] = (i32_lanes){0} + CR_RESIZE_HALF;
            for (int32_t t = 0; t < axis->n_taps[i]; t++) {
                u8_lanes pixels[3];
                memcpy(pixels, top + (size_t)t * stride + x, sizeof pixels);
                for (int v = 0; v < 3; v++)
                    sum[v] += WIDEN(pixels[v]) * weight[t];
            }
            for (int v = 0; v < 3; v++) {
                sum[v] >>= CR_RESIZE_PRECISION;
                i32_lanes over = sum[v] > 255;
                sum[v] = (sum[v] & ~over) | (over & 255);
                u8_lanes bytes = NARROW(sum[v]);
                memcpy(out + x + v * CR_RESIZE_LANES, &bytes, sizeof bytes);
            }
        }
        for (; x < width; x++) {
            int32_t sum = CR_RESIZE_HALF;
            for (int32_t t = 0; t < axis->n_taps[i]; t++)
                sum += top[(size_t)t * stride + (size_t)x] * weight[t];
            sum >>= CR_RESIZE_PRECISION;
            out[x] = (uint8_t)(sum > 255 ? 255 : sum);
        }
    }
}
