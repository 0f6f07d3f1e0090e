/* The native layout of convolution weights in a state, a gradient, a moment: OIhw16i16o where both channel counts are
 * multiples of 16 (what most float32 kernels of oneDNN read and write as they are), OIHW otherwise. A property of the
 * net alone, so that checkpoints, precisions and machines agree on it. */
#ifndef CRISOL_BACKEND_CPU_WEIGHTS_H
#define CRISOL_BACKEND_CPU_WEIGHTS_H

#include "crisol/net.h"

#include <stdbool.h>

bool cr_weights_blocked(int64_t out_channels, int64_t in_channels);

/* Whole states; `canonical` and `native` do not overlap. */
void cr_weights_import(const cr_net *net, const float *canonical, float *native);
void cr_weights_export(const cr_net *net, const float *native, float *canonical);

/* folded = weight · scale[output channel] (scale null: 1), from the native layout to the native one or, `plain`, to
 * OIHW. */
void cr_weights_scale(const cr_tensor *tensor, const float *weight, const float *scale, bool plain, float *folded);

#endif
