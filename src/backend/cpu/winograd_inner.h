/* The kernels of Winograd's method, as winograd.c uses them: one text compiled for AVX2 and for AVX-512, called only
 * where the processor has it. Both give the same bits. */
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

/* Tiles of one image plane, and where they lie. Values of bf16 are widened as they are read, and rounded once, to the
 * nearest and ties to even, as they are written; everything between is float32. */
typedef struct cr_wino_plane {
    int64_t height, width, tiles_y, tiles_x;
    int64_t pixel_stride; /* values between neighbouring pixels: 16 in blocks, all channels in NHWC */
    bool bf16;            /* otherwise float32 */
} cr_wino_plane;

typedef struct cr_wino_after { /* what is added to an output tile, and ReLU */
    const float *bias;         /* [16], or null */
    const void *residual;      /* laid out as y, or null */
    bool relu;
} cr_wino_after;

typedef struct cr_wino_kernels {
    const char *name;
    /* 16 channels of one 6×6 input tile at tile (ty, tx): Bᵀ d B to v[point · point_stride]. `x` is the first pixel of
     * these channels; what lies outside the plane is 0. */
    void (*input)(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *x, float *v, int64_t point_stride);
    /* A d Aᵀ of one 4×4 tile of an output gradient. */
    void (*gradient)(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *dy, float *v,
                     int64_t point_stride);
    /* Aᵀ m A, then what is to be added; stores what lies inside. */
    void (*output)(const cr_wino_plane *plane, int64_t ty, int64_t tx, const float *m, int64_t point_stride,
                   const cr_wino_after *after, void *y);

    /* G g Gᵀ of a block of 64 × 64 channels: u[point][k][n]. Forward: k = input, n = output channels of the native
     * weights whose first 16×16 block is `w`; blocks of the next 16 output channels lie `out_stride` floats further. */
    void (*weights_forward)(const float *w, int64_t out_stride, float *u);
    /* k = output, n = input channels, the window turned by 180°. */
    void (*weights_data)(const float *w, int64_t out_stride, float *u);
    /* Gᵀ u G of u[point][input][output] into the gradient of the same block. */
    void (*weights_gradient)(const float *u, float *w, int64_t out_stride);

    /* c[row][64] (+)= Σ_k a[row][k]·b[k][64]; a's rows lie 64 floats apart, or, transposed, its k do and rows are
     * neighbours. */
    void (*product)(int64_t rows, int64_t depth, const float *a, bool transposed, const float *b, float *c,
                    bool accumulate);
} cr_wino_kernels;

extern const cr_wino_kernels cr_wino_kernels_avx2, cr_wino_kernels_avx512;

#endif
