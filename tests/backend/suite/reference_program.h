/* Inside of the reference backend. */
#ifndef CRISOL_TEST_REFERENCE_PROGRAM_H
#define CRISOL_TEST_REFERENCE_PROGRAM_H

#include "reference_backend.h"
#include "reference_layers.h"

enum {
    REF_INPUT_VALUES = CR_VALUE_METADATA + 1
}; /* image and metadata, whose gradient nobody wants */

#define REF_BN_EPS 1e-5

typedef struct layer_memory {
    double *z;       /* CONV with batch norm: convolution's result, [n, dst] */
    double *mean;    /* [channels] */
    double *var;     /* [channels], biased */
    double *mask;    /* DROPOUT: [n, dst] */
    int32_t *argmax; /* MAX_POOL: [n, dst] */
} layer_memory;

typedef struct reference_program {
    cr_program head;
    int64_t n;                /* micro_batch */
    double **values;          /* [n_values][n, value] */
    double **value_gradients; /* the same, training */
    layer_memory *layers;     /* [n_layers] */
    double *state;            /* [n_params + n_stats] */
    double *gradient;         /* the same, training */
    double *dy;               /* largest value: a layer's own output gradient */
    double *losses;           /* [n] */
    double margin;
    uint64_t piece;
} reference_program;

int64_t ref_volume(cr_shape shape);
/* A tensor's part of the state and of the gradient, null for index -1. */
const double *ref_tensor(const reference_program *program, int index);
double *ref_tensor_gradient(const reference_program *program, int index);
ref_window ref_layer_window(const reference_program *program, const cr_layer *layer);

cr_status ref_forward_layer(reference_program *program, int index, const cr_batch *batch, bool training);
void ref_backward_layer(reference_program *program, int index);

#endif
