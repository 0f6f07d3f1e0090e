/* The convolution that reads the image, as one of stride 1 over blocks of two by two pixels: cuDNN's engines take long
 * over three channels padded to eight, and less than half of that over four times four of half the rows and columns.
 *
 * A block's numbers are [row of two][column of two][4 channels]. What filter position k saw at input 2o + k - padding,
 * filter position floor((k - padding) / 2) + padding' sees now in row or column (k - padding) mod 2 of a block, where
 * padding' = ⌈padding / 2⌉. Rows of blocks behind the last are padded by what is left to the result's size. The numbers
 * are the same, their sum has another order. */
#ifndef CRISOL_BACKEND_CUDA_STEM_H
#define CRISOL_BACKEND_CUDA_STEM_H

#include "kernels.h"

#include "crisol/plans.h"

/* Whether all that reads the image is such convolutions: of stride 2, over an even number of rows and columns. */
bool cr_stem_fits(const cr_net *net);

/* From the convolution that the net has to the one that is computed. */
void cr_stem_shape(cr_conv_shape *shape);

#endif
