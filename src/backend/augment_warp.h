/* Crop, flips and affine map of one image as a single bilinear resampling. */
#ifndef CRISOL_BACKEND_AUGMENT_WARP_H
#define CRISOL_BACKEND_AUGMENT_WARP_H

#include "augment_rows.h"

/* Where the output's pixels come from: output (x, y) lies at source column column_u[x] + row_u(y) and source row
 * column_v[x] + row_v(y), in fixed point with `bits` fraction bits and 0 at the first pixel's centre. Whole numbers add
 * without rounding, so positions are the same on every machine. */
typedef struct cr_warp {
    int64_t size;
    int bits;
    int32_t column_u[CR_AUGMENT_SIZE_MAX], column_v[CR_AUGMENT_SIZE_MAX];
    double row_u[2], row_v[2]; /* offset and slope over y, before rounding to fixed point */
    int32_t first_u, last_u;   /* outermost pixel centres of the part of the image that is seen */
    int32_t first_v, last_v;
    bool fades;             /* outside the frame is 0; otherwise its border goes on for ever */
    float scale_u, scale_v; /* frame pixels a source pixel */
} cr_warp;

void cr_warp_make(const cr_augment *augment, int64_t size, cr_warp *warp);
/* Row y of the result in 0 … 1; row->n = size. */
void cr_warp_row(const cr_warp *warp, const uint8_t *image, int64_t y, const cr_row *row);

#endif
