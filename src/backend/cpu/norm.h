/* Batch norm with everything around it, in fused passes over a BLOCKED or NHWC value: statistics; normalise + add +
 * ReLU; and backward. A convolution without batch norm uses the same passes with mean 0, scale 1, shift = bias.
 *
 * Arrays of channels hold cr_norm_channels() floats or doubles; what lies beyond `channels` is 0. Sums are taken in
 * float32 over 64 values, those in double, always in the same order. */
#ifndef CRISOL_BACKEND_CPU_NORM_H
#define CRISOL_BACKEND_CPU_NORM_H

#include "place.h"

#include <stdbool.h>
#include <stdint.h>

#define CR_NORM_EPSILON 1e-5

/* z = (x - mean)·scale + shift (+ add); y = relu ? max(z, 0) : z. A mean that is subtracted first keeps what a large
 * offset of x would cancel. */
typedef struct cr_norm {
    const float *mean, *scale, *shift; /* [channels, padded] */
    bool relu;
} cr_norm;

/* Where ReLU's argument was positive. */
typedef enum cr_mask {
    CR_MASK_NONE,      /* no ReLU: everywhere */
    CR_MASK_RECOMPUTE, /* the sign of z, computed again from x (there was no add) */
    CR_MASK_OUTPUT     /* the sign of y */
} cr_mask;

int64_t cr_norm_channels(int64_t channels); /* rounded up to a multiple of 64 */

/* mean[c] over n·h·w and square_sum[c] = Σ (x - mean)². Each chunk of 64 pixels has its own mean while it is in the
 * first cache, so nothing cancels. */
void cr_norm_statistics(const cr_place *place, const void *x, float *mean, double *square_sum);

/* The z, y above. `add` may be null. y may be x. */
void cr_norm_apply(const cr_place *place, const cr_norm *norm, const void *x, const void *add, void *y);

/* dz = (g0 + g1) · mask: sum[c] = Σ dz, dot[c] = Σ dz·(x - mean). y is read for CR_MASK_OUTPUT alone. dz (which may be
 * g0 or g1) is written unless null; g1 may be null, and only together with a dz it is not. */
void cr_norm_backward_sums(const cr_place *place, const cr_norm *norm, cr_mask kind, const void *x, const void *y,
                           const void *g0, const void *g1, void *dz, double *sum, double *dot);

/* dx = scale·(dz - k1 - (x - mean)·k2), written over x, where dz = g · mask (kind CR_MASK_NONE where g is dz already).
 * Batch norm: k1 = sum/N, k2 = dot/(N·(variance + eps)); without it both are 0 (null). Source: Ioffe, Szegedy 2015. */
void cr_norm_backward_apply(const cr_place *place, const cr_norm *norm, cr_mask kind, void *x, const void *y,
                            const void *g, const float *k1, const float *k2);

/* a += b, element by element, `elements` of them. */
void cr_values_add(bool bf16, int64_t elements, void *a, const void *b);

#endif
