/* The optimisers' arithmetic on one element, included once a floating-point type by optim_element.h, which defines
 *   REAL             the type
 *   KERNEL(name)     the name of a structure or function for that type
 *   SQUARE_ROOT(x)   its root
 * No include guard on purpose.
 *
 * Every line is one operation of torch.optim's single-tensor path, in its order, rounded once (PyTorch's vectorised
 * lerp fuses; here nothing does, so the bits do not depend on the machine). Factors are computed in double and rounded
 * once to REAL, as PyTorch does with Python numbers. */

typedef struct KERNEL(adam_factors) {
    REAL keep;         /* 1 - lr · weight decay (AdamW) */
    REAL l2;           /* weight decay added to the gradient (Adam) */
    REAL weight, rest; /* 1 - beta1, and 1 less that */
    REAL beta2, value; /* and 1 - beta2 */
    REAL correction;   /* √(1 - beta2^step) */
    REAL eps;
    REAL alpha; /* -lr / (1 - beta1^step) */
    REAL scale; /* of the gradient */
    bool scales, decays, has_l2, near_start;
} KERNEL(adam_factors);

/* Source: torch/optim/adam.py, _single_tensor_adam. */
CR_HD static inline void KERNEL(adam_element)(const KERNEL(adam_factors) * f, REAL g, REAL *parameter, REAL *exp_avg,
                                              REAL *exp_avg_sq)
{
    REAL p = *parameter, m = *exp_avg, v = *exp_avg_sq;
    if (f->scales)
        g = g * f->scale;
    if (f->decays)
        p = p * f->keep;
    if (f->has_l2)
        g = g + f->l2 * p;
    m = f->near_start ? m + f->weight * (g - m) : g - (g - m) * f->rest; /* torch.lerp */
    v = v * f->beta2;
    v = v + f->value * g * g; /* addcmul */
    REAL denominator = SQUARE_ROOT(v) / f->correction + f->eps;
    p = p + f->alpha * m / denominator; /* addcdiv */
    *parameter = p;
    *exp_avg = m;
    *exp_avg_sq = v;
}

typedef struct KERNEL(sgd_factors) {
    REAL l2, alpha, momentum, scale; /* alpha: -lr */
    bool scales, has_l2, has_momentum, first, nesterov;
} KERNEL(sgd_factors);

/* Source: torch/optim/sgd.py, _single_tensor_sgd, dampening 0. */
CR_HD static inline void KERNEL(sgd_element)(const KERNEL(sgd_factors) * f, REAL g, REAL *parameter)
{
    REAL p = *parameter;
    if (f->scales)
        g = g * f->scale;
    if (f->has_l2)
        g = g + f->l2 * p;
    *parameter = p + f->alpha * g;
}

CR_HD static inline void KERNEL(sgd_momentum_element)(const KERNEL(sgd_factors) * f, REAL g, REAL *parameter,
                                                      REAL *buffer)
{
    REAL p = *parameter, b = *buffer;
    if (f->scales)
        g = g * f->scale;
    if (f->has_l2)
        g = g + f->l2 * p;
    b = f->first ? g : b * f->momentum + g;
    g = f->nesterov ? g + f->momentum * b : b;
    *parameter = p + f->alpha * g;
    *buffer = b;
}
