/* A convolution with its norm, add and ReLU: kernels, buffers, forward and backward of one step. */
#ifndef CRISOL_BACKEND_CPU_CONVOLUTION_H
#define CRISOL_BACKEND_CPU_CONVOLUTION_H

#include "pool.h"
#include "program.h"
#include "weights_bf16.h"

/* One of the three kernels of a convolution, with the weights in the layout that it wants. */
typedef struct cr_kernel {
    cr_operation *run; /* oneDNN's, or null: our Winograd with `spec` */
    cr_convolution_spec spec;
    cr_operation *move; /* between the state's layout and the kernel's; null where they are the same */
    bool move_plain;    /* it starts from OIHW */
    cr_pairs pairs;     /* not NONE: our own move, to `layout` */
    cr_weight_layout layout;
    int moved; /* buffer for weights in the kernel's layout */
    int scratch, move_scratch;
} cr_kernel;

struct cr_convolution_step {
    cr_kernel forward, data, weights; /* training; evaluation has forward alone */
    cr_place place;                   /* of the convolution's result, before pooling */
    int x;                            /* buffer, training: the convolution's result, later its gradient */
    cr_mask mask_kind;
    bool writes_dz; /* the masked gradient is needed beyond the norm's own backward */
    /* Training: floats [channels, padded] of this run. Evaluation: what the weights are folded with, kept. */
    int pooled;     /* buffer, training: x at the places that pooling chose */
    int channels;   /* buffer: mean, scale, shift, then deviation (training) */
    bool fused_sum; /* evaluation: the residual lies in dst already */
};

static inline cr_window cr_window_of(const cr_layer *pool)
{
    cr_window window = {.kernel = pool->kernel, .stride = pool->stride, .padding = pool->padding};
    return window;
}

CR_NODISCARD cr_status cr_convolution_plan_forward(cr_cpu_program *program, cr_step *step);
CR_NODISCARD cr_status cr_convolution_plan_backward(cr_cpu_program *program, cr_step *step);
void cr_convolution_step_destroy(cr_convolution_step **step);

/* What depends on the state alone: weights in the kernels' layouts, folded with the norm for evaluation. */
CR_NODISCARD cr_status cr_convolution_prepare(const cr_cpu_program *program, const cr_step *step, const float *state);
/* `gradient` receives the batch's statistics. */
CR_NODISCARD cr_status cr_convolution_forward(const cr_cpu_program *program, const cr_step *step, const float *state,
                                              float *gradient);
CR_NODISCARD cr_status cr_convolution_evaluate(const cr_cpu_program *program, const cr_step *step, const float *state);
CR_NODISCARD cr_status cr_convolution_backward(const cr_cpu_program *program, const cr_step *step, const float *state,
                                               float *gradient);

#endif
