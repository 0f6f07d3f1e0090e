#include "crisol/optim.h"

#include <math.h>

double cr_clip_scale(double sum_of_squares, double limit)
{
    return fmin(limit / (sqrt(sum_of_squares) + 1e-6), 1);
}
