/* Weights, statistics and moments in the backend's memory and native layout, and their passage to and from checkpoint
 * files. */
#ifndef CRISOL_MODEL_STATE_H
#define CRISOL_MODEL_STATE_H

#include "crisol/optim.h"
#include "crisol/run.h"
#include "session.h"

typedef struct cr_model_state {
    const cr_memory *memory;                  /* of all arrays: the backend's */
    int64_t n;                                /* floats of each array: parameters, then statistics */
    float *weights;                           /* [n] */
    float *moments[CR_OPTIMIZER_MAX_MOMENTS]; /* [n]; the statistics part stays 0 */
    float *ema;                               /* [n] moving average of the parameters, with the statistics as they
                                                 are; null without */
    int n_moments;
    uint64_t version; /* changes with the weights */
} cr_model_state;

/* `optimizer` null: weights only (evaluation). With train.ema a training state has its average, too. */
CR_NODISCARD cr_status cr_model_state_create(const cr_session *session, const cr_optimizer_params *optimizer,
                                             cr_model_state *state);
void cr_model_state_destroy(cr_model_state *state);

/* What is to be evaluated: the average where there is one. Borrows the arrays; not to be destroyed. */
cr_model_state cr_model_state_to_evaluate(const cr_model_state *state);

/* The seed's initial weights, or pretrained ones over them when the config names a file. Local. */
CR_NODISCARD cr_status cr_model_state_init(const cr_session *session, cr_model_state *state);

/* A copy on the host in canonical layout as named tensors, in file order: weights and statistics, then moments as
 * optimizer.MOMENT.NAME, then averaged parameters as ema.NAME. */
typedef struct cr_state_image {
    float *arrays[2 + CR_OPTIMIZER_MAX_MOMENTS];
    cr_tensor_view *tensors;
    int64_t n_tensors, n_weight_tensors;
} cr_state_image;
CR_NODISCARD cr_status cr_state_image_create(const cr_session *session, const cr_optimizer_params *optimizer,
                                             const cr_model_state *state, cr_state_image *image);
void cr_state_image_destroy(cr_state_image *image);
/* XXH3-128 of weights and statistics in file order. */
void cr_state_image_hash(const cr_state_image *image, char hash[CR_HASH_TEXT]);

/* Fills weights (and moments and average, if the state has them) from a checkpoint's tensors; a state for evaluation
 * gets the average as its weights where train.ema asks for one. Errors: CR_BAD_DATA naming the tensor
 * that is missing or has another shape. */
CR_NODISCARD cr_status cr_model_state_restore(const cr_session *session, const cr_optimizer_params *optimizer,
                                              const cr_safetensors *file, cr_model_state *state);

/* A checkpoint's tensor as it is to be evaluated: the average where there is one. Null when absent. */
const cr_tensor_view *cr_evaluated_tensor(const cr_safetensors *file, const char *name);

#endif
