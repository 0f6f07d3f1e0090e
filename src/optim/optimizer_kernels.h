/* The element loops of the optimisers, included once a floating-point type by optimizer.c, which defines
 *   REAL             the type
 *   KERNEL(name)     the name of a loop for that type
 *   SQUARE_ROOT(x)   its root
 * No include guard on purpose.
 *
 * Every line is one operation of torch.optim's single-tensor path, in its order, rounded once (PyTorch's vectorised
 * lerp fuses; here nothing does, so the bits do not depend on the machine). Scalars are computed in double and rounded
 * once to REAL, as PyTorch does with Python numbers. */

/* Source: torch/optim/adam.py, _single_tensor_adam. */
CR_VECTOR_CLONES
static void KERNEL(adam)(const adam_scalars *scalars, int64_t n, const REAL *restrict gradient,
                         REAL *restrict parameters, REAL *restrict exp_avg, REAL *restrict exp_avg_sq)
{
    const REAL keep = (REAL)scalars->keep, l2 = (REAL)scalars->l2, weight = (REAL)scalars->lerp_weight;
    const REAL rest = (REAL)1 - weight, beta2 = (REAL)scalars->beta2, value = (REAL)scalars->one_minus_beta2;
    const REAL correction = (REAL)scalars->correction2_sqrt, eps = (REAL)scalars->eps;
    const REAL alpha = (REAL)-scalars->step_size, scale = (REAL)scalars->scale;
    const bool scales = scalars->scale != 1, decays = scalars->keep != 1, has_l2 = scalars->l2 != 0,
               near_start = scalars->lerp_weight < 0.5;
    for (int64_t i = 0; i < n; i++) {
        REAL p = parameters[i], g = gradient[i], m = exp_avg[i], v = exp_avg_sq[i];
        if (scales)
            g = g * scale;
        if (decays)
            p = p * keep;
        if (has_l2)
            g = g + l2 * p;
        m = near_start ? m + weight * (g - m) : g - (g - m) * rest; /* torch.lerp */
        v = v * beta2;
        v = v + value * g * g; /* addcmul */
        REAL denominator = SQUARE_ROOT(v) / correction + eps;
        p = p + alpha * m / denominator; /* addcdiv */
        parameters[i] = p;
        exp_avg[i] = m;
        exp_avg_sq[i] = v;
    }
}

/* Source: torch/optim/sgd.py, _single_tensor_sgd, dampening 0. */
CR_VECTOR_CLONES
static void KERNEL(sgd_plain)(const sgd_scalars *scalars, int64_t n, const REAL *restrict gradient,
                              REAL *restrict parameters)
{
    const REAL l2 = (REAL)scalars->l2, alpha = (REAL)-scalars->lr, scale = (REAL)scalars->scale;
    const bool has_l2 = scalars->l2 != 0, scales = scalars->scale != 1;
    for (int64_t i = 0; i < n; i++) {
        REAL p = parameters[i], g = gradient[i];
        if (scales)
            g = g * scale;
        if (has_l2)
            g = g + l2 * p;
        parameters[i] = p + alpha * g;
    }
}

CR_VECTOR_CLONES
static void KERNEL(sgd_momentum)(const sgd_scalars *scalars, int64_t n, const REAL *restrict gradient,
                                 REAL *restrict parameters, REAL *restrict buffer)
{
    const REAL l2 = (REAL)scalars->l2, alpha = (REAL)-scalars->lr, momentum = (REAL)scalars->momentum;
    const REAL scale = (REAL)scalars->scale;
    const bool scales = scalars->scale != 1, has_l2 = scalars->l2 != 0, first = scalars->first,
               nesterov = scalars->nesterov;
    for (int64_t i = 0; i < n; i++) {
        REAL p = parameters[i], g = gradient[i], b = buffer[i];
        if (scales)
            g = g * scale;
        if (has_l2)
            g = g + l2 * p;
        b = first ? g : b * momentum + g;
        g = nesterov ? g + momentum * b : b;
        parameters[i] = p + alpha * g;
        buffer[i] = b;
    }
}

/* One span's elements within [begin, end). */
static void KERNEL(span_step)(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t begin,
                              int64_t end, int64_t step, double lr, const REAL *gradient, REAL *parameters,
                              REAL *const moments[CR_OPTIMIZER_MAX_MOMENTS])
{
    int64_t from, n;
    if (!cut_span(span, begin, end, &from, &n))
        return;
    lr *= span->lr_factor;
    step -= span->skipped;
    if (params->kind != CR_OPTIMIZER_SGD) {
        adam_scalars scalars = make_adam(params, span, step, lr);
        KERNEL(adam)(&scalars, n, gradient + from, parameters + from, moments[0] + from, moments[1] + from);
        return;
    }
    sgd_scalars scalars = make_sgd(params, span, step, lr);
    if (params->momentum != 0)
        KERNEL(sgd_momentum)(&scalars, n, gradient + from, parameters + from, moments[0] + from);
    else
        KERNEL(sgd_plain)(&scalars, n, gradient + from, parameters + from);
}
