#include "sobol.h"

typedef struct direction {
    int degree;     /* s of the primitive polynomial */
    uint32_t inner; /* its coefficients between the first and the last, which are 1 */
    uint32_t m[7];  /* [s] initial direction numbers */
} direction;

/* Dimensions 2 to 32 of new-joe-kuo-6.21201 by S. Joe and F. Y. Kuo; the first dimension is van der Corput's. */
static const direction directions[CR_SOBOL_DIMENSIONS - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
    {7, 7, {1, 1, 3, 13, 7, 35, 63}},
    {7, 8, {1, 3, 5, 9, 1, 25, 53}},
    {7, 14, {1, 3, 1, 13, 9, 35, 107}},
    {7, 19, {1, 3, 1, 5, 27, 61, 31}},
    {7, 21, {1, 1, 5, 11, 19, 41, 61}},
    {7, 28, {1, 3, 5, 3, 3, 13, 69}},
    {7, 31, {1, 1, 7, 13, 1, 19, 1}},
    {7, 32, {1, 3, 7, 5, 13, 19, 59}},
    {7, 37, {1, 1, 3, 9, 25, 29, 41}},
    {7, 41, {1, 3, 5, 13, 23, 1, 55}},
    {7, 42, {1, 3, 7, 3, 13, 59, 17}},
};

/* v[k] of a dimension, as 32-bit fractions: m_k · 2^(31 - k), by the recurrence of Joe and Kuo, equation 2. */
static void make_directions(int dimension, uint32_t v[32])
{
    if (dimension == 0) {
        for (int k = 0; k < 32; k++)
            v[k] = 1U << (31 - k);
        return;
    }
    const direction *d = &directions[dimension - 1];
    for (int k = 0; k < 32; k++) {
        if (k < d->degree) {
            v[k] = d->m[k] << (31 - k);
            continue;
        }
        v[k] = v[k - d->degree] ^ (v[k - d->degree] >> d->degree);
        for (int j = 1; j < d->degree; j++)
            if (d->inner >> (d->degree - 1 - j) & 1U)
                v[k] ^= v[k - j];
    }
}

void cr_sobol_point(uint32_t i, int n, double *point)
{
    uint32_t gray = i ^ (i >> 1);
    for (int dimension = 0; dimension < n; dimension++) {
        uint32_t v[32], x = 0;
        make_directions(dimension, v);
        for (int k = 0; k < 32; k++)
            if (gray >> k & 1U)
                x ^= v[k];
        point[dimension] = x / 4294967296.0;
    }
}
