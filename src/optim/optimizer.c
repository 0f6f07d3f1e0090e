#include "crisol/optim_element.h"
#include "vector_clones.h"

#include <math.h>
#include <stddef.h>

/* What a step multiplies by, the same for all elements of a span; in double until the loop rounds them. */
typedef struct adam_scalars {
    double keep;        /* 1 - lr · weight decay (AdamW), 1 for none */
    double l2;          /* weight decay added to the gradient (Adam) */
    double lerp_weight; /* 1 - beta1 */
    double beta2, one_minus_beta2;
    double correction2_sqrt; /* √(1 - beta2^step) */
    double eps;
    double step_size; /* lr / (1 - beta1^step) */
    double scale;     /* of the gradient */
} adam_scalars;

typedef struct sgd_scalars {
    double lr, l2, momentum, scale;
    bool first, nesterov;
} sgd_scalars;

int cr_optimizer_n_moments(const cr_optimizer_params *params)
{
    if (params->kind == CR_OPTIMIZER_SGD)
        return params->momentum != 0 ? 1 : 0;
    return 2;
}

const char *cr_optimizer_moment_name(const cr_optimizer_params *params, int moment)
{
    if (moment < 0 || moment >= cr_optimizer_n_moments(params))
        return NULL;
    if (params->kind == CR_OPTIMIZER_SGD)
        return "momentum_buffer";
    return moment == 0 ? "exp_avg" : "exp_avg_sq";
}

static double scale_of(const cr_optimizer_params *params)
{
    return params->gradient_scale > 0 ? params->gradient_scale : 1;
}

static adam_scalars make_adam(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step, double lr)
{
    lr *= span->lr_factor;
    step -= span->skipped;
    bool decoupled = params->kind == CR_OPTIMIZER_ADAMW;
    return (adam_scalars){
        .keep = decoupled ? 1 - lr * span->weight_decay : 1,
        .l2 = decoupled ? 0 : span->weight_decay,
        .lerp_weight = 1 - params->beta1,
        .beta2 = params->beta2,
        .one_minus_beta2 = 1 - params->beta2,
        .correction2_sqrt = sqrt(1 - pow(params->beta2, (double)step)),
        .eps = params->eps,
        .step_size = lr / (1 - pow(params->beta1, (double)step)),
        .scale = scale_of(params),
    };
}

static sgd_scalars make_sgd(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step, double lr)
{
    lr *= span->lr_factor;
    step -= span->skipped;
    return (sgd_scalars){
        .lr = lr,
        .l2 = span->weight_decay,
        .momentum = params->momentum,
        .scale = scale_of(params),
        .first = step == 1,
        .nesterov = params->nesterov,
    };
}

/* Cuts a span to [begin, end); false when nothing is left. */
static bool cut_span(const cr_optimizer_span *span, int64_t begin, int64_t end, int64_t *from, int64_t *n)
{
    *from = span->begin > begin ? span->begin : begin;
    int64_t to = span->end < end ? span->end : end;
    *n = to - *from;
    return *n > 0;
}

#define REAL float
#define KERNEL(name) name##_f32
#define ELEMENT(name) cr_##name##_f32
#include "optimizer_kernels.h"
#undef REAL
#undef KERNEL
#undef ELEMENT
#define REAL double
#define KERNEL(name) name##_f64
#define ELEMENT(name) cr_##name##_f64
#include "optimizer_kernels.h"
#undef REAL
#undef KERNEL
#undef ELEMENT

cr_adam_factors_f32 cr_adam_factors_make(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step,
                                         double lr)
{
    adam_scalars scalars = make_adam(params, span, step, lr);
    return round_adam_f32(&scalars);
}

cr_sgd_factors_f32 cr_sgd_factors_make(const cr_optimizer_params *params, const cr_optimizer_span *span, int64_t step,
                                       double lr)
{
    sgd_scalars scalars = make_sgd(params, span, step, lr);
    return round_sgd_f32(&scalars);
}

void cr_optimizer_step(const cr_optimizer_params *params, const cr_optimizer_span *spans, int n_spans, int64_t begin,
                       int64_t end, int64_t step, double lr, const float *gradient, float *parameters,
                       float *const moments[CR_OPTIMIZER_MAX_MOMENTS])
{
    for (int s = 0; s < n_spans; s++)
        span_step_f32(params, &spans[s], begin, end, step, lr, gradient, parameters, moments);
}

void cr_optimizer_step_f64(const cr_optimizer_params *params, const cr_optimizer_span *spans, int n_spans,
                           int64_t begin, int64_t end, int64_t step, double lr, const double *gradient,
                           double *parameters, double *const moments[CR_OPTIMIZER_MAX_MOMENTS])
{
    for (int s = 0; s < n_spans; s++)
        span_step_f64(params, &spans[s], begin, end, step, lr, gradient, parameters, moments);
}
