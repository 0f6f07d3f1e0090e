/* Crop, flips and affine map of one image as a single bilinear resampling. */
#ifndef CRISOL_BACKEND_AUGMENT_WARP_H
#define CRISOL_BACKEND_AUGMENT_WARP_H

#include "augment_frame.h"
#include "augment_rows.h"

/* A frame with the first part of its positions ready for each column. */
typedef struct cr_warp {
    cr_frame frame;
    int32_t column_u[CR_AUGMENT_SIZE_MAX], column_v[CR_AUGMENT_SIZE_MAX];
} cr_warp;

void cr_warp_make(const cr_augment *augment, int64_t size, cr_warp *warp);
/* Row y of the result in 0 … 1; row->n = size. */
void cr_warp_row(const cr_warp *warp, const uint8_t *image, int64_t y, const cr_row *row);

#endif
