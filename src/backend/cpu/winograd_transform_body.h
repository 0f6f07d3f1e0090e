/* Winograd's transforms on vectors of WIDTH channels: the text of winograd_avx2.c and winograd_avx512.c, which define
 * the vectors. Every lane is computed alone, in one order: the same bits from both. No include guard, on purpose. */

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

INLINE wide madd(wide a, float b, wide c)
{
    return fused(a, splat(b), c);
}

/* Bᵀ d, in place. */
INLINE void input_line(wide d[6])
{
    wide even_p = madd(d[2], -Q2, d[4]), odd_p = madd(d[1], -Q2, d[3]);
    wide even_q = madd(d[2], -P2, d[4]), odd_q = madd(d[1], -P2, d[3]);
    d[0] = madd(d[2], -SUM, madd(d[0], PRODUCT, d[4]));
    d[5] = madd(d[3], -SUM, madd(d[1], PRODUCT, d[5]));
    d[1] = madd(odd_p, P, even_p);
    d[2] = madd(odd_p, -P, even_p);
    d[3] = madd(odd_q, Q, even_q);
    d[4] = madd(odd_q, -Q, even_q);
}

/* Aᵀ m: 6 → 4. */
INLINE void output_line(const wide m[6], wide y[4])
{
    wide sum_p = add(m[1], m[2]), gap_p = subtract(m[1], m[2]);
    wide sum_q = add(m[3], m[4]), gap_q = subtract(m[3], m[4]);
    y[0] = add(add(m[0], sum_p), sum_q);
    y[1] = madd(gap_q, Q, multiply(gap_p, splat(P)));
    y[2] = madd(sum_q, Q2, multiply(sum_p, splat(P2)));
    y[3] = madd(gap_q, Q3, madd(gap_p, P3, m[5]));
}

/* A y: 4 → 6. */
INLINE void gradient_line(const wide y[4], wide d[6])
{
    wide even_p = madd(y[2], P2, y[0]), odd_p = madd(y[3], P3, multiply(y[1], splat(P)));
    wide even_q = madd(y[2], Q2, y[0]), odd_q = madd(y[3], Q3, multiply(y[1], splat(Q)));
    d[0] = y[0];
    d[1] = add(even_p, odd_p);
    d[2] = subtract(even_p, odd_p);
    d[3] = add(even_q, odd_q);
    d[4] = subtract(even_q, odd_q);
    d[5] = y[3];
}

/* G g: 3 → 6. */
INLINE void weights_line(const wide g[3], wide u[6])
{
    wide even_p = madd(g[2], P2 * NORM_P, multiply(g[0], splat(NORM_P)));
    wide even_q = madd(g[2], Q2 * NORM_Q, multiply(g[0], splat(NORM_Q)));
    u[0] = multiply(g[0], splat(NORM_0));
    u[1] = madd(g[1], P * NORM_P, even_p);
    u[2] = madd(g[1], -P * NORM_P, even_p);
    u[3] = madd(g[1], Q * NORM_Q, even_q);
    u[4] = madd(g[1], -Q * NORM_Q, even_q);
    u[5] = g[2];
}

/* Gᵀ u: 6 → 3. */
INLINE void weights_gradient_line(const wide u[6], wide g[3])
{
    wide sum_p = add(u[1], u[2]), gap_p = subtract(u[1], u[2]);
    wide sum_q = add(u[3], u[4]), gap_q = subtract(u[3], u[4]);
    g[0] = madd(sum_q, NORM_Q, madd(sum_p, NORM_P, multiply(u[0], splat(NORM_0))));
    g[1] = madd(gap_q, Q * NORM_Q, multiply(gap_p, splat(P * NORM_P)));
    g[2] = madd(sum_q, Q2 * NORM_Q, madd(sum_p, P2 * NORM_P, u[5]));
}

static const float zeros[CR_LANES] __attribute__((aligned(64)));

/* Channels from `lane` on of the pixel (y, column); what lies outside the plane is 0. `inside` and `bf16` are constants
 * after inlining, here and below. */
INLINE wide pixel(const cr_wino_plane *plane, const void *x, int64_t y, int64_t column, int lane, bool inside,
                  bool bf16)
{
    int64_t at = (y * plane->width + column) * plane->pixel_stride + lane;
    if (!inside && (y < 0 || y >= plane->height || column < 0 || column >= plane->width)) {
        x = zeros;
        at = 0;
    }
    return load_values(x, at, bf16);
}

INLINE void input_tile(const cr_wino_plane *plane, int64_t top, int64_t left, const void *x, int lane, float *v,
                       int64_t point_stride, bool inside, bool bf16)
{
    wide square[6][6], line[6];
    for (int column = 0; column < 6; column++) {
        for (int row = 0; row < 6; row++)
            line[row] = pixel(plane, x, top + row, left + column, lane, inside, bf16);
        input_line(line);
        for (int row = 0; row < 6; row++)
            square[row][column] = line[row];
    }
    for (int row = 0; row < 6; row++) {
        input_line(square[row]);
        for (int column = 0; column < 6; column++)
            store(v + lane + (row * 6 + column) * point_stride, square[row][column]);
    }
}

INLINE void input_lanes(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *x, float *v,
                        int64_t point_stride, bool bf16)
{
    int64_t top = ty * CR_WINO_TILE - 1, left = tx * CR_WINO_TILE - 1;
    bool inside = top >= 0 && left >= 0 && top + 6 <= plane->height && left + 6 <= plane->width;
    for (int lane = 0; lane < CR_LANES; lane += WIDTH)
        if (inside)
            input_tile(plane, top, left, x, lane, v, point_stride, true, bf16);
        else
            input_tile(plane, top, left, x, lane, v, point_stride, false, bf16);
}

static void input(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *x, float *v, int64_t point_stride)
{
    if (plane->bf16)
        input_lanes(plane, ty, tx, x, v, point_stride, true);
    else
        input_lanes(plane, ty, tx, x, v, point_stride, false);
}

INLINE void gradient_tile(const cr_wino_plane *plane, int64_t top, int64_t left, const void *dy, int lane, float *v,
                          int64_t point_stride, bool bf16)
{
    wide square[6][4], line[6];
    for (int column = 0; column < 4; column++) {
        for (int row = 0; row < 4; row++)
            line[row] = pixel(plane, dy, top + row, left + column, lane, false, bf16);
        wide spread[6];
        gradient_line(line, spread);
        for (int row = 0; row < 6; row++)
            square[row][column] = spread[row];
    }
    for (int row = 0; row < 6; row++) {
        gradient_line(square[row], line);
        for (int column = 0; column < 6; column++)
            store(v + lane + (row * 6 + column) * point_stride, line[column]);
    }
}

static void gradient(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *dy, float *v, int64_t point_stride)
{
    int64_t top = ty * CR_WINO_TILE, left = tx * CR_WINO_TILE;
    for (int lane = 0; lane < CR_LANES; lane += WIDTH)
        if (plane->bf16)
            gradient_tile(plane, top, left, dy, lane, v, point_stride, true);
        else
            gradient_tile(plane, top, left, dy, lane, v, point_stride, false);
}

INLINE void output_tile(const cr_wino_plane *plane, int64_t top, int64_t left, const float *m, int64_t point_stride,
                        const cr_wino_after *after, int lane, void *y, bool inside, bool bf16)
{
    wide square[4][6], line[6];
    wide bias = after->bias ? load_unaligned(after->bias + lane) : splat(0.0f);
    for (int column = 0; column < 6; column++) {
        wide narrow[4];
        for (int row = 0; row < 6; row++)
            line[row] = load(m + lane + (row * 6 + column) * point_stride);
        output_line(line, narrow);
        for (int row = 0; row < 4; row++)
            square[row][column] = narrow[row];
    }
    for (int row = 0; row < 4; row++) {
        wide narrow[4];
        if (!inside && top + row >= plane->height)
            break;
        output_line(square[row], narrow);
        for (int column = 0; column < 4; column++) {
            if (!inside && left + column >= plane->width)
                break;
            int64_t at = ((top + row) * plane->width + left + column) * plane->pixel_stride + lane;
            wide value = add(narrow[column], bias);
            if (after->residual)
                value = add(value, load_values(after->residual, at, bf16));
            if (after->relu) /* NaN goes through: the second operand is taken */
                value = larger(splat(0.0f), value);
            store_values(y, at, value, bf16);
        }
    }
}

INLINE void output_lanes(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *m, int64_t point_stride,
                         const cr_wino_after *after, void *y, bool bf16)
{
    int64_t top = ty * CR_WINO_TILE, left = tx * CR_WINO_TILE;
    bool inside = top + CR_WINO_TILE <= plane->height && left + CR_WINO_TILE <= plane->width;
    for (int lane = 0; lane < CR_LANES; lane += WIDTH)
        if (inside)
            output_tile(plane, top, left, m, point_stride, after, lane, y, true, bf16);
        else
            output_tile(plane, top, left, m, point_stride, after, lane, y, false, bf16);
}

static void output(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *m, int64_t point_stride,
                   const cr_wino_after *after, void *y)
{
    if (plane->bf16)
        output_lanes(plane, ty, tx, m, point_stride, after, y, true);
    else
        output_lanes(plane, ty, tx, m, point_stride, after, y, false);
}

/* G g Gᵀ of one vector; tap k lies at g + k·tap_stride (256 floats forward, -256 when turned by 180°). */
INLINE void weights_tile(const float *g, int64_t tap_stride, float *u)
{
    wide square[6][3], line[3], spread[6];
    for (int column = 0; column < 3; column++) {
        for (int row = 0; row < 3; row++)
            line[row] = load(g + (row * 3 + column) * tap_stride);
        weights_line(line, spread);
        for (int row = 0; row < 6; row++)
            square[row][column] = spread[row];
    }
    for (int row = 0; row < 6; row++) {
        weights_line(square[row], spread);
        for (int column = 0; column < 6; column++)
            store(u + (int64_t)(row * 6 + column) * CR_WINO_MATRIX, spread[column]);
    }
}

enum {
    TAP = CR_LANES * CR_LANES, /* floats between the taps of one 16×16 block of weights */
    BLOCK = 9 * TAP,           /* floats of such a block */
    PARTS = CR_WINO_CHANNELS / CR_LANES
};

static void weights_forward(const float *w, int64_t out_stride, float *u)
{
    for (int out = 0; out < PARTS; out++)
        for (int in = 0; in < CR_WINO_CHANNELS; in++) {
            const float *row = w + out * out_stride + in / CR_LANES * BLOCK + in % CR_LANES * CR_LANES;
            for (int lane = 0; lane < CR_LANES; lane += WIDTH)
                weights_tile(row + lane, TAP, u + in * CR_WINO_CHANNELS + out * CR_LANES + lane);
        }
}

static void weights_data(const float *w, int64_t out_stride, float *u)
{
    float turned[BLOCK] __attribute__((aligned(64)));
    for (int out = 0; out < PARTS; out++)
        for (int in = 0; in < PARTS; in++) {
            for (int tap = 0; tap < 9; tap++)
                transpose(w + out * out_stride + in * BLOCK + tap * TAP, turned + tap * TAP);
            for (int row = 0; row < CR_LANES; row++)
                for (int lane = 0; lane < CR_LANES; lane += WIDTH)
                    weights_tile(turned + 8 * TAP + row * CR_LANES + lane, -TAP,
                                 u + (out * CR_LANES + row) * CR_WINO_CHANNELS + in * CR_LANES + lane);
        }
}

/* Gᵀ u G of one vector. */
INLINE void weights_gradient_tile(const float *u, float *g)
{
    wide square[3][6], line[6], narrow[3];
    for (int column = 0; column < 6; column++) {
        for (int row = 0; row < 6; row++)
            line[row] = load(u + (int64_t)(row * 6 + column) * CR_WINO_MATRIX);
        weights_gradient_line(line, narrow);
        for (int row = 0; row < 3; row++)
            square[row][column] = narrow[row];
    }
    for (int row = 0; row < 3; row++) {
        weights_gradient_line(square[row], narrow);
        for (int column = 0; column < 3; column++)
            store(g + (row * 3 + column) * TAP, narrow[column]);
    }
}

static void weights_gradient(const float *u, float *w, int64_t out_stride)
{
    for (int out = 0; out < PARTS; out++)
        for (int in = 0; in < CR_WINO_CHANNELS; in++) {
            float *row = w + out * out_stride + in / CR_LANES * BLOCK + in % CR_LANES * CR_LANES;
            for (int lane = 0; lane < CR_LANES; lane += WIDTH)
                weights_gradient_tile(u + in * CR_WINO_CHANNELS + out * CR_LANES + lane, row + lane);
        }
}
