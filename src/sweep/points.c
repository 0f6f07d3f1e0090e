/* Where the points of a sweep lie. */
#include "crisol/rng.h"
#include "plan.h"
#include "sobol.h"

#include <math.h>
#include <stdlib.h>

int64_t cr_parameter_n_values(const cr_parameter *parameter)
{
    return parameter->values ? parameter->values->n : parameter->steps;
}

/* To six digits: what people write into configs, and the same on machines whose exp() differs in the last bit. */
static double round_digits(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", x);
    return strtod(text, NULL);
}

/* The value that lies at share u of a range, 0 ≤ u ≤ 1. */
static double range_at(const cr_parameter *parameter, double u)
{
    double low = parameter->low, high = parameter->high;
    double x = parameter->is_log ? exp(log(low) + u * (log(high) - log(low))) : low + u * (high - low);
    x = parameter->is_integer ? round(x) : round_digits(x);
    return fmin(fmax(u == 0 ? low : u == 1 ? high : x, low), high); /* the ends exactly */
}

/* The same for u in [0, 1), with every integer of a linear range equally likely. */
static double draw(const cr_parameter *parameter, double u)
{
    if (!parameter->values) {
        if (parameter->is_integer && !parameter->is_log)
            return parameter->low + floor(u * (parameter->high - parameter->low + 1));
        return range_at(parameter, u);
    }
    int64_t n = parameter->values->n;
    if (!parameter->shares)
        return floor(u * (double)n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += parameter->shares[i];
        if (u < sum)
            return (double)i;
    }
    int64_t last = n - 1; /* the shares add up to a little less than 1 */
    while (parameter->shares[last] == 0)
        last--;
    return (double)last;
}

/* The last parameter moves fastest. */
static void grid_point(const cr_sweep *sweep, int64_t i, double *coordinates, bool *is_over)
{
    for (int p = sweep->n_parameters - 1; p >= 0; p--) {
        const cr_parameter *parameter = &sweep->parameters[p];
        int64_t n = cr_parameter_n_values(parameter), at = i % n;
        coordinates[p] = parameter->values ? (double)at : range_at(parameter, (double)at / (double)(n - 1));
        i /= n;
    }
    *is_over = i > 0;
}

void cr_plan_point(const cr_sweep *sweep, int64_t i, double *coordinates, bool *is_over)
{
    double u[CR_SWEEP_MAX_PARAMETERS];
    *is_over = false;
    if (sweep->method == CR_SWEEP_GRID) {
        grid_point(sweep, i, coordinates, is_over);
        return;
    }
    if (sweep->method == CR_SWEEP_SOBOL) {
        cr_sobol_point((uint32_t)i, sweep->n_parameters, u);
    } else {
        cr_rng rng = cr_rng_make(sweep->seed, CR_RNG_SWEEP, 0, (uint64_t)i);
        for (int p = 0; p < sweep->n_parameters; p++)
            u[p] = cr_rng_uniform_double(&rng);
    }
    for (int p = 0; p < sweep->n_parameters; p++)
        coordinates[p] = draw(&sweep->parameters[p], u[p]);
}
