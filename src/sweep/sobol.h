/* Sobol's sequence in Gray-code order (Antonov and Saleev 1979), with the direction numbers of Joe and Kuo (SIAM J.
 * Sci. Comput. 30, 2008: new-joe-kuo-6), not scrambled: what scipy.stats.qmc.Sobol(scramble=False) draws. */
#ifndef CRISOL_SOBOL_H
#define CRISOL_SOBOL_H

#include <stdint.h>

enum {
    CR_SOBOL_DIMENSIONS = 32
};

/* Point i (0, 1, … below 2^32) in [0, 1)^n, n ≤ CR_SOBOL_DIMENSIONS. */
void cr_sobol_point(uint32_t i, int n, double *point);

#endif
