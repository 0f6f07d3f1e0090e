#include "winograd_inner.h"

#include <immintrin.h>

/* The points ±P and ±Q; products of them that the matrices need. All but the last five are exact in float32. */
#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
#define P3 (P * P * P)
#define Q3 (Q * Q * Q)
#define SUM (P2 + Q2)
#define PRODUCT (P2 * Q2)
#define NORM_0 (1.0f / PRODUCT)
#define NORM_P (1.0f / (2.0f * P2 * (P2 - Q2)))
#define NORM_Q (1.0f / (2.0f * Q2 * (Q2 - P2)))

#define INLINE static inline __attribute__((always_inline))

INLINE __m512 number(float value)
{
    return _mm512_set1_ps(value);
}

INLINE __m512 madd(__m512 a, float b, __m512 c)
{
    return _mm512_fmadd_ps(a, number(b), c);
}

/* Bᵀ d, in place. */
INLINE void input_line(__m512 d[6])
{
    __m512 even_p = madd(d[2], -Q2, d[4]), odd_p = madd(d[1], -Q2, d[3]);
    __m512 even_q = madd(d[2], -P2, d[4]), odd_q = madd(d[1], -P2, d[3]);
    d[0] = madd(d[2], -SUM, madd(d[0], PRODUCT, d[4]));
    d[5] = madd(d[3], -SUM, madd(d[1], PRODUCT, d[5]));
    d[1] = madd(odd_p, P, even_p);
    d[2] = madd(odd_p, -P, even_p);
    d[3] = madd(odd_q, Q, even_q);
    d[4] = madd(odd_q, -Q, even_q);
}

/* Aᵀ m: 6 → 4. */
INLINE void output_line(const __m512 m[6], __m512 y[4])
{
    __m512 sum_p = _mm512_add_ps(m[1], m[2]), gap_p = _mm512_sub_ps(m[1], m[2]);
    __m512 sum_q = _mm512_add_ps(m[3], m[4]), gap_q = _mm512_sub_ps(m[3], m[4]);
    y[0] = _mm512_add_ps(_mm512_add_ps(m[0], sum_p), sum_q);
    y[1] = madd(gap_q, Q, _mm512_mul_ps(gap_p, number(P)));
    y[2] = madd(sum_q, Q2, _mm512_mul_ps(sum_p, number(P2)));
    y[3] = madd(gap_q, Q3, madd(gap_p, P3, m[5]));
}

/* A y: 4 → 6. */
INLINE void gradient_line(const __m512 y[4], __m512 d[6])
{
    __m512 even_p = madd(y[2], P2, y[0]), odd_p = madd(y[3], P3, _mm512_mul_ps(y[1], number(P)));
    __m512 even_q = madd(y[2], Q2, y[0]), odd_q = madd(y[3], Q3, _mm512_mul_ps(y[1], number(Q)));
    d[0] = y[0];
    d[1] = _mm512_add_ps(even_p, odd_p);
    d[2] = _mm512_sub_ps(even_p, odd_p);
    d[3] = _mm512_add_ps(even_q, odd_q);
    d[4] = _mm512_sub_ps(even_q, odd_q);
    d[5] = y[3];
}

/* G g: 3 → 6. */
INLINE void weights_line(const __m512 g[3], __m512 u[6])
{
    __m512 even_p = madd(g[2], P2 * NORM_P, _mm512_mul_ps(g[0], number(NORM_P)));
    __m512 even_q = madd(g[2], Q2 * NORM_Q, _mm512_mul_ps(g[0], number(NORM_Q)));
    u[0] = _mm512_mul_ps(g[0], number(NORM_0));
    u[1] = madd(g[1], P * NORM_P, even_p);
    u[2] = madd(g[1], -P * NORM_P, even_p);
    u[3] = madd(g[1], Q * NORM_Q, even_q);
    u[4] = madd(g[1], -Q * NORM_Q, even_q);
    u[5] = g[2];
}

/* Gᵀ u: 6 → 3. */
INLINE void weights_gradient_line(const __m512 u[6], __m512 g[3])
{
    __m512 sum_p = _mm512_add_ps(u[1], u[2]), gap_p = _mm512_sub_ps(u[1], u[2]);
    __m512 sum_q = _mm512_add_ps(u[3], u[4]), gap_q = _mm512_sub_ps(u[3], u[4]);
    g[0] = madd(sum_q, NORM_Q, madd(sum_p, NORM_P, _mm512_mul_ps(u[0], number(NORM_0))));
    g[1] = madd(gap_q, Q * NORM_Q, _mm512_mul_ps(gap_p, number(P * NORM_P)));
    g[2] = madd(sum_q, Q2 * NORM_Q, madd(sum_p, P2 * NORM_P, u[5]));
}

static const float zeros[CR_LANES] __attribute__((aligned(64)));

/* Reads a square of the plane whose corner is (top, left); what lies outside is 0. */
INLINE __m512 pixel(const cr_wino_plane *plane, const float *x, int64_t y, int64_t column)
{
    bool inside = y >= 0 && y < plane->height && column >= 0 && column < plane->width;
    return _mm512_load_ps(inside ? x + (y * plane->width + column) * CR_LANES : zeros);
}

INLINE void input_tile(const cr_wino_plane *plane, int64_t top, int64_t left, const float *x, float *v,
                       int64_t point_stride, bool inside)
{
    __m512 square[6][6], line[6];
    for (int column = 0; column < 6; column++) {
        for (int row = 0; row < 6; row++)
            line[row] = inside ? _mm512_load_ps(x + ((top + row) * plane->width + left + column) * CR_LANES)
                               : pixel(plane, x, top + row, left + column);
        input_line(line);
        for (int row = 0; row < 6; row++)
            square[row][column] = line[row];
    }
    for (int row = 0; row < 6; row++) {
        input_line(square[row]);
        for (int column = 0; column < 6; column++)
            _mm512_store_ps(v + (row * 6 + column) * point_stride, square[row][column]);
    }
}

void cr_wino_input(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *x, float *v, int64_t point_stride)
{
    int64_t top = ty * CR_WINO_TILE - 1, left = tx * CR_WINO_TILE - 1;
    if (top >= 0 && left >= 0 && top + 6 <= plane->height && left + 6 <= plane->width)
        input_tile(plane, top, left, x, v, point_stride, true);
    else
        input_tile(plane, top, left, x, v, point_stride, false);
}

void cr_wino_gradient(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *dy, float *v,
                      int64_t point_stride)
{
    int64_t top = ty * CR_WINO_TILE, left = tx * CR_WINO_TILE;
    __m512 square[6][4], line[6];
    for (int column = 0; column < 4; column++) {
        for (int row = 0; row < 4; row++)
            line[row] = pixel(plane, dy, top + row, left + column);
        __m512 wide[6];
        gradient_line(line, wide);
        for (int row = 0; row < 6; row++)
            square[row][column] = wide[row];
    }
    for (int row = 0; row < 6; row++) {
        gradient_line(square[row], line);
        for (int column = 0; column < 6; column++)
            _mm512_store_ps(v + (row * 6 + column) * point_stride, line[column]);
    }
}

INLINE void output_tile(const cr_wino_plane *plane, int64_t top, int64_t left, const float *m, int64_t point_stride,
                        const cr_wino_after *after, float *y, bool inside)
{
    __m512 square[4][6], line[6];
    __m512 bias = after->bias ? _mm512_loadu_ps(after->bias) : _mm512_setzero_ps();
    for (int column = 0; column < 6; column++) {
        __m512 narrow[4];
        for (int row = 0; row < 6; row++)
            line[row] = _mm512_load_ps(m + (row * 6 + column) * point_stride);
        output_line(line, narrow);
        for (int row = 0; row < 4; row++)
            square[row][column] = narrow[row];
    }
    for (int row = 0; row < 4; row++) {
        __m512 narrow[4];
        if (!inside && top + row >= plane->height)
            break;
        output_line(square[row], narrow);
        for (int column = 0; column < 4; column++) {
            if (!inside && left + column >= plane->width)
                break;
            int64_t at = ((top + row) * plane->width + left + column) * CR_LANES;
            __m512 value = _mm512_add_ps(narrow[column], bias);
            if (after->residual)
                value = _mm512_add_ps(value, _mm512_load_ps(after->residual + at));
            if (after->relu) /* NaN goes through: the second operand is taken */
                value = _mm512_max_ps(_mm512_setzero_ps(), value);
            _mm512_store_ps(y + at, value);
        }
    }
}

void cr_wino_output(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *m, int64_t point_stride,
                    const cr_wino_after *after, float *y)
{
    int64_t top = ty * CR_WINO_TILE, left = tx * CR_WINO_TILE;
    if (top + CR_WINO_TILE <= plane->height && left + CR_WINO_TILE <= plane->width)
        output_tile(plane, top, left, m, point_stride, after, y, true);
    else
        output_tile(plane, top, left, m, point_stride, after, y, false);
}

/* G g Gᵀ of one vector; tap k lies at g + k·tap_stride (256 floats forward, -256 when turned by 180°). */
INLINE void weights_tile(const float *g, int64_t tap_stride, float *u)
{
    __m512 square[6][3], line[3], wide[6];
    for (int column = 0; column < 3; column++) {
        for (int row = 0; row < 3; row++)
            line[row] = _mm512_load_ps(g + (row * 3 + column) * tap_stride);
        weights_line(line, wide);
        for (int row = 0; row < 6; row++)
            square[row][column] = wide[row];
    }
    for (int row = 0; row < 6; row++) {
        weights_line(square[row], wide);
        for (int column = 0; column < 6; column++)
            _mm512_store_ps(u + (int64_t)(row * 6 + column) * CR_WINO_MATRIX, wide[column]);
    }
}

enum {
    TAP = CR_LANES * CR_LANES, /* floats between the taps of one 16×16 block of weights */
    BLOCK = 9 * TAP,           /* floats of such a block */
    PARTS = CR_WINO_CHANNELS / CR_LANES
};

void cr_wino_weights_forward(const float *w, int64_t out_stride, float *u)
{
    for (int in = 0; in < PARTS; in++)
        for (int lane = 0; lane < CR_LANES; lane++)
            for (int out = 0; out < PARTS; out++)
                weights_tile(w + out * out_stride + in * BLOCK + lane * CR_LANES, TAP,
                             u + (in * CR_LANES + lane) * CR_WINO_CHANNELS + out * CR_LANES);
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

void cr_wino_weights_data(const float *w, int64_t out_stride, float *u)
{
    float turned[BLOCK] __attribute__((aligned(64)));
    for (int out = 0; out < PARTS; out++)
        for (int in = 0; in < PARTS; in++) {
            for (int tap = 0; tap < 9; tap++)
                transpose(w + out * out_stride + in * BLOCK + tap * TAP, turned + tap * TAP);
            for (int lane = 0; lane < CR_LANES; lane++)
                weights_tile(turned + 8 * TAP + lane * CR_LANES, -TAP,
                             u + (out * CR_LANES + lane) * CR_WINO_CHANNELS + in * CR_LANES);
        }
}

void cr_wino_weights_gradient(const float *u, float *w, int64_t out_stride)
{
    __m512 square[3][6], line[6], narrow[3];
    for (int channel = 0; channel < CR_WINO_CHANNELS; channel++)
        for (int out = 0; out < PARTS; out++) {
            const float *from = u + channel * CR_WINO_CHANNELS + out * CR_LANES;
            float *to = w + out * out_stride + channel / CR_LANES * BLOCK + channel % CR_LANES * CR_LANES;
            for (int column = 0; column < 6; column++) {
                for (int row = 0; row < 6; row++)
                    line[row] = _mm512_load_ps(from + (int64_t)(row * 6 + column) * CR_WINO_MATRIX);
                weights_gradient_line(line, narrow);
                for (int row = 0; row < 3; row++)
                    square[row][column] = narrow[row];
            }
            for (int row = 0; row < 3; row++) {
                weights_gradient_line(square[row], narrow);
                for (int column = 0; column < 3; column++)
                    _mm512_store_ps(to + (row * 3 + column) * TAP, narrow[column]);
            }
        }
}
