/* The element loops of the optimisers, included once a floating-point type by optimizer.c, which defines
 *   REAL             the type
 *   KERNEL(name)     the name of a loop for that type
 *   ELEMENT(name)    the name of optim_element.h's structure or function for it
 * No include guard on purpose. */

CR_VECTOR_CLONES
static void KERNEL(adam)(const ELEMENT(adam_factors) * factors, int64_t n, const REAL *restrict gradient,
                         REAL *restrict parameters, REAL *restrict exp_avg, REAL *restrict exp_avg_sq)
{
    const ELEMENT(adam_factors) f = *factors;
    for (int64_t i = 0; i < n; i++)
        ELEMENT(adam_element)(&f, gradient[i], &parameters[i], &exp_avg[i], &exp_avg_sq[i]);
}

CR_VECTOR_CLONES
static void KERNEL(sgd_plain)(const ELEMENT(sgd_factors) * factors, int64_t n, const REAL *restrict gradient,
                              REAL *restrict parameters)
{
    const ELEMENT(sgd_factors) f = *factors;
    for (int64_t i = 0; i < n; i++)
        ELEMENT(sgd_element)(&f, gradient[i], &parameters[i]);
}

CR_VECTOR_CLONES
static void KERNEL(sgd_momentum)(const ELEMENT(sgd_factors) * factors, int64_t n, const REAL *restrict gradient,
                                 REAL *restrict parameters, REAL *restrict buffer)
{
    const ELEMENT(sgd_factors) f = *factors;
    for (int64_t i = 0; i < n; i++)
        ELEMENT(sgd_momentum_element)(&f, gradient[i], &parameters[i], &buffer[i]);
}

static ELEMENT(adam_factors) KERNEL(round_adam)(const adam_scalars *scalars)
{
    ELEMENT(adam_factors)
    f = {.keep = (REAL)scalars->keep,
         .l2 = (REAL)scalars->l2,
         .weight = (REAL)scalars->lerp_weight,
         .beta2 = (REAL)scalars->beta2,
         .value = (REAL)scalars->one_minus_beta2,
         .correction = (REAL)scalars->correction2_sqrt,
         .eps = (REAL)scalars->eps,
         .alpha = (REAL)-scalars->step_size,
         .scale = (REAL)scalars->scale,
         .scales = scalars->scale != 1,
         .decays = scalars->keep != 1,
         .has_l2 = scalars->l2 != 0,
         .near_start = scalars->lerp_weight < 0.5};
    f.rest = (REAL)1 - f.weight;
    return f;
}

static ELEMENT(sgd_factors) KERNEL(round_sgd)(const sgd_scalars *scalars)
{
    return (ELEMENT(sgd_factors)){.l2 = (REAL)scalars->l2,
                                  .alpha = (REAL)-scalars->lr,
                                  .momentum = (REAL)scalars->momentum,
                                  .scale = (REAL)scalars->scale,
                                  .scales = scalars->scale != 1,
                                  .has_l2 = scalars->l2 != 0,
                                  .has_momentum = scalars->momentum != 0,
                                  .first = scalars->first,
                                  .nesterov = scalars->nesterov};
}

/* One span's elements within [begin, end). */
static void KERNEL(span_step)(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t begin,
                              int64_t end, int64_t step, double lr, const REAL *gradient, REAL *parameters,
                              REAL *const moments[CR_OPTIMIZER_MAX_MOMENTS])
{
    int64_t from, n;
    if (!cut_span(span, begin, end, &from, &n))
        return;
    if (params->kind != CR_OPTIMIZER_SGD) {
        adam_scalars scalars = make_adam(params, span, step, lr);
        ELEMENT(adam_factors) factors = KERNEL(round_adam)(&scalars);
        KERNEL(adam)(&factors, n, gradient + from, parameters + from, moments[0] + from, moments[1] + from);
        return;
    }
    sgd_scalars scalars = make_sgd(params, span, step, lr);
    ELEMENT(sgd_factors) factors = KERNEL(round_sgd)(&scalars);
    if (factors.has_momentum)
        KERNEL(sgd_momentum)(&factors, n, gradient + from, parameters + from, moments[0] + from);
    else
        KERNEL(sgd_plain)(&factors, n, gradient + from, parameters + from);
}
