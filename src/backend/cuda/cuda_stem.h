/* The convolution that reads the image, as one of stride 1 over blocks of two by two pixels: to cuDNN's engines for
 * tensor cores, 16 channels over half the rows and columns are less work than three channels padded to eight (ResNet's
 * 7 x 7: 256 multiply-adds an output instead of 392), and go to faster engines.
 *
 * A block's numbers are [row of two][column of two][4 channels]. What filter position k saw at input 2o + k - padding
 * is in block o + floor((k - padding) / 2), in its row or column (k - padding) mod 2. Around the image lie blocks of
 * zeros, as many as these positions reach: the convolution over blocks pads nothing itself, since it would have to pad
 * more before than behind, which is suspected to have failed on a GPU (docs/gpu-backend.md, The image). The numbers are
 * the same, their sum has another order. */
#ifndef CRISOL_BACKEND_CUDA_STEM_H
#define CRISOL_BACKEND_CUDA_STEM_H

#include "kernels.h"

#include "crisol/plans.h"

typedef struct cr_stem {
    int64_t before, behind; /* blocks of zeros above and left of the image, below and right of it */
    int64_t kernel;         /* over blocks */
} cr_stem;

/* False where something else reads the image than such convolutions: of stride 2, over an even number of rows and
 * columns, all with the same blocks around it. */
bool cr_stem_find(const cr_net *net, cr_stem *stem);

/* From a convolution that the net has to the one that is computed. */
void cr_stem_shape(const cr_stem *stem, cr_conv_shape *shape);

#endif
