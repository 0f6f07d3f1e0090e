/* A convolution as loops in double over plain arrays; weights [out, in, kernel, kernel]. */
#ifndef CRISOL_TEST_NAIVE_CONVOLUTION_H
#define CRISOL_TEST_NAIVE_CONVOLUTION_H

#include "dnnl_calls.h"

#include <stdint.h>

/* Calls `visit` for every pair of an input and an output element and the weight between them (flat indices). */
typedef void naive_visit(void *context, int64_t x, int64_t y, int64_t w);

static inline void naive_taps(const cr_convolution_spec *s, int64_t n, int64_t o, int64_t oy, int64_t ox,
                              naive_visit *visit, void *context)
{
    int64_t in = s->src.shape.channels, height = s->src.shape.height, width = s->src.shape.width;
    int64_t y = ((n * s->dst.shape.channels + o) * s->dst.shape.height + oy) * s->dst.shape.width + ox;
    for (int64_t i = 0; i < in; i++)
        for (int64_t ky = 0; ky < s->kernel; ky++)
            for (int64_t kx = 0; kx < s->kernel; kx++) {
                int64_t iy = oy * s->stride - s->padding + ky, ix = ox * s->stride - s->padding + kx;
                if (iy >= 0 && ix >= 0 && iy < height && ix < width)
                    visit(context, ((n * in + i) * height + iy) * width + ix, y,
                          ((o * in + i) * s->kernel + ky) * s->kernel + kx);
            }
}

static inline void naive_convolution(const cr_convolution_spec *s, naive_visit *visit, void *context)
{
    for (int64_t n = 0; n < s->src.n; n++)
        for (int64_t o = 0; o < s->dst.shape.channels; o++)
            for (int64_t oy = 0; oy < s->dst.shape.height; oy++)
                for (int64_t ox = 0; ox < s->dst.shape.width; ox++)
                    naive_taps(s, n, o, oy, ox, visit, context);
}

/* The three products of x, w and dy, in double. */
typedef struct naive_numbers {
    const float *x, *w, *dy;
    double *y, *dx, *dw; /* zeroed */
} naive_numbers;

static inline void naive_add(void *context, int64_t x, int64_t y, int64_t w)
{
    naive_numbers *all = context;
    all->y[y] += (double)all->x[x] * all->w[w];
    all->dx[x] += (double)all->dy[y] * all->w[w];
    all->dw[w] += (double)all->dy[y] * all->x[x];
}

#endif
