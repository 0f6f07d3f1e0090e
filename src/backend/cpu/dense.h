/* A dense layer: y = x Wᵀ + b (+ ReLU), float32, by oneDNN's matrix product. */
#ifndef CRISOL_BACKEND_CPU_DENSE_H
#define CRISOL_BACKEND_CPU_DENSE_H

#include "program.h"

typedef struct cr_product {
    cr_operation *run;
    int scratch;
} cr_product;

struct cr_dense_step {
    cr_product forward, data, weights;
};

CR_NODISCARD cr_status cr_dense_plan_forward(cr_cpu_program *program, cr_step *step);
CR_NODISCARD cr_status cr_dense_plan_backward(cr_cpu_program *program, cr_step *step);
void cr_dense_step_destroy(cr_dense_step **step);

CR_NODISCARD cr_status cr_dense_forward(const cr_cpu_program *program, const cr_step *step, const float *state);
CR_NODISCARD cr_status cr_dense_backward(const cr_cpu_program *program, const cr_step *step, const float *state,
                                         float *gradient);

#endif
