/* The two halves of Winograd's method, as winograd.c uses them. Compiled for AVX-512 whatever the rest is compiled for;
 * called only where the processor has it. */
#ifndef CRISOL_BACKEND_CPU_WINOGRAD_INNER_H
#define CRISOL_BACKEND_CPU_WINOGRAD_INNER_H

#include "place.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CR_WINO_TILE = 4,      /* side of an output tile */
    CR_WINO_POINTS = 36,   /* products of one tile */
    CR_WINO_CHANNELS = 64, /* channels of a block */
    /* Floats between one point's matrix of 64 × 64 and the next: a multiple of 4096 bytes would put all 36 into the
     * same few cache lines. */
    CR_WINO_MATRIX = CR_WINO_CHANNELS * CR_WINO_CHANNELS + CR_LANES
};

/* Tiles of one image plane, and where they lie. */
typedef struct cr_wino_plane {
    int64_t height, width, tiles_y, tiles_x;
} cr_wino_plane;

/* One vector of 16 channels of one 6×6 input tile at tile (ty, tx): Bᵀ d B to v[point · point_stride]. `x` is the plane
 * of these channels, [height, width, 16]; what lies outside is 0. */
void cr_wino_input(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *x, float *v, int64_t point_stride);
/* A d Aᵀ of one 4×4 tile of an output gradient. */
void cr_wino_gradient(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *dy, float *v,
                      int64_t point_stride);
/* Aᵀ m A, then + bias[16] (null: none), + residual (null: none; laid out as y), ReLU; stores what lies inside. */
typedef struct cr_wino_after {
    const float *bias, *residual;
    bool relu;
} cr_wino_after;
void cr_wino_output(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *m, int64_t point_stride,
                    const cr_wino_after *after, float *y);

/* G g Gᵀ of a block of 64 × 64 channels: u[point][k][n]. Forward: k = input, n = output channels of the native weights
 * whose first 16×16 block is `w`; blocks of the next 16 output channels lie `out_stride` floats further. */
void cr_wino_weights_forward(const float *w, int64_t out_stride, float *u);
/* k = output, n = input channels, the window turned by 180°. */
void cr_wino_weights_data(const float *w, int64_t out_stride, float *u);
/* Gᵀ u G of u[point][input][output] into the gradient of the same block. */
void cr_wino_weights_gradient(const float *u, float *w, int64_t out_stride);

/* c[row][64] (+)= Σ_k a[row][k]·b[k][64]; a's rows lie 64 floats apart, or, transposed, its k do and rows are
 * neighbours. */
void cr_wino_product(int64_t rows, int64_t depth, const float *a, bool transposed, const float *b, float *c,
                     bool accumulate);

#endif
