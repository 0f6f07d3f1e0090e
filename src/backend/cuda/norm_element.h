/* The arithmetic of batch norm, number by number. Source: Ioffe, Szegedy 2015; torch.nn.BatchNorm2d (eps 1e-5). The
 * same text compiles as C and as CUDA. */
#ifndef CRISOL_BACKEND_CUDA_NORM_ELEMENT_H
#define CRISOL_BACKEND_CUDA_NORM_ELEMENT_H

#include "crisol/host_device.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define CR_NORM_EPS 1e-5

/* ReLU's argument. A mean that is subtracted first keeps what a large offset of x would cancel. */
CR_HD static inline float cr_norm_z(float x, float mean, float scale, float shift)
{
    return (x - mean) * scale + shift;
}

/* NaN is not below 0 and goes through, so that it is noticed. */
CR_HD static inline float cr_norm_relu(float z)
{
    return z < 0.0F ? 0.0F : z;
}

/* dx of the norm's input: scale·(dz - k1 - (x - mean)·k2), k1 = Σdz/N, k2 = Σdz·(x - mean)·inverse²/N. */
CR_HD static inline float cr_norm_dx(float dz, float x, float mean, float scale, float k1, float k2)
{
    return (dz - k1 - (x - mean) * k2) * scale;
}

/* Sum and Σ (x - own mean)² of some values, from sums of d = x - origin. */
typedef struct cr_moments {
    double sum, square;
} cr_moments;

CR_HD static inline cr_moments cr_moments_of(double n, double origin, double sum_d, double sum_d2)
{
    cr_moments m;
    double square = sum_d2 - sum_d * sum_d / n;
    m.sum = sum_d + n * origin;
    m.square = square < 0 ? 0 : square; /* NaN stays */
    return m;
}

/* Σ (x - m)² = Σ over chunks of (their own Σ (x - m_chunk)² + n_chunk·m_chunk²) - N·m²: in double nothing of weight
 * cancels there (Chan, Golub, LeVeque 1983). `between` = Σ sum_chunk²/n_chunk. */
CR_HD static inline double cr_moments_square(double n, double sum, double within, double between)
{
    double rest = between - sum * sum / n;
    return within + (rest < 0 ? 0 : rest);
}

#endif
