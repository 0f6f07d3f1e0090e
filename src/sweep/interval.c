#include "interval.h"

#include <math.h>

/* Student's t at 0.975 for 1 … 29 degrees of freedom (e-Handbook, table 1.3.6.7.2). */
static const double t_975[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
                               2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
                               2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452};

void cr_mean_interval(const double *values, int64_t n, double *mean, double *low, double *high)
{
    double sum = 0, squares = 0;
    *mean = *low = *high = NAN;
    if (n < 1)
        return;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    *mean = sum / (double)n;
    if (n < 2)
        return;
    for (int64_t i = 0; i < n; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    int64_t last = (int64_t)(sizeof t_975 / sizeof *t_975) - 1;
    double half = t_975[n - 2 < last ? n - 2 : last] * sqrt(squares / (double)(n - 1) / (double)n);
    *low = *mean - half;
    *high = *mean + half;
}
