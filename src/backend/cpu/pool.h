/* Pooling over BLOCKED and NHWC values. */
#ifndef CRISOL_BACKEND_CPU_POOL_H
#define CRISOL_BACKEND_CPU_POOL_H

#include "norm.h"

#include <stdint.h>

typedef struct cr_window { /* square */
    int64_t kernel, stride, padding;
} cr_window;

/* The largest value of each window; padding counts as -inf; NaN wins. `index` (null: not wanted) gets, laid out as
 * `to`, the position ky·kernel + kx of the first maximum in row-major order. */
void cr_max_pool_forward(const cr_window *window, const cr_place *from, const void *x, const cr_place *to, void *y,
                         uint8_t *index);

/* The same for a value that a norm and ReLU follow: max(relu(norm(x))) is relu(norm) of the largest x of the window,
 * or, in channels whose `scale` is negative, of the smallest. y gets that x, exactly. */
void cr_extreme_pool_forward(const cr_window *window, const cr_place *from, const void *x, const float *scale,
                             const cr_place *to, void *y, uint8_t *index);

/* dx (fully overwritten): every input value collects dy (+ dy1 unless null) of the windows that chose it. */
void cr_max_pool_backward(const cr_window *window, const cr_place *from, void *dx, const cr_place *to, const void *dy,
                          const void *dy1, const uint8_t *index);

/* Backward through pooling, ReLU and norm at once: cr_norm_backward_apply() on the gradient dz that is dy of the
 * windows that chose an x, over x. dy is masked by ReLU already. */
void cr_extreme_pool_backward(const cr_window *window, const cr_norm *norm, const cr_place *from, void *x,
                              const cr_place *to, const void *dy, const uint8_t *index, const float *k1,
                              const float *k2);

/* y [n, channels] float32 = mean over the pixels of x. */
void cr_average_pool_forward(const cr_place *from, const void *x, float *y);
/* dx = dy / pixels everywhere. */
void cr_average_pool_backward(const cr_place *from, void *dx, const float *dy);

#endif
