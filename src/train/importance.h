/* What a model makes of the columns of the table: the first layer's weights, and what is lost on a split when a column
 * is shuffled among the samples. */
#ifndef CRISOL_IMPORTANCE_H
#define CRISOL_IMPORTANCE_H

#include "crisol/run.h"
#include "session.h"

enum {
    CR_IMPORTANCE_REPEATS = 5
};

/* Mean |weight| of each encoded feature in the first dense layer that reads it, from a checkpoint's tensors:
 * sizes [encoder's width]. Errors: CR_BAD_DATA when the layer is not there. Local. */
CR_NODISCARD cr_status cr_feature_weights(const cr_session *session, const cr_safetensors *weights, double *sizes);

typedef struct cr_column_importance {
    const cr_column *column;                                         /* borrowed from the pack */
    int64_t n_features;                                              /* encoded ones */
    double weight;                                                   /* mean |weight| over them */
    double accuracy_drop, accuracy_deviation, f1_drop, f1_deviation; /* mean and deviation over the repeats, of
                                                                        accuracy and macro-F1 */
} cr_column_importance;

/* Permutation importance of every column that the model reads. Source: Breiman, "Random Forests", Machine Learning 45,
 * 2001, section 10; repeats as sklearn.inspection.permutation_importance. Permutation: Fisher-Yates from Philox (seed,
 * CR_RNG_PERMUTE, repeat, column's number in the pack), of the raw cells, so that a missing value moves with its cell.
 *
 * The image's features are computed once, over all ranks and workers; per column only the two small MLPs run, on rank
 * 0. So the cost is one more pass over the images. `list` [*n], malloc'ed, is filled on rank 0 and null elsewhere.
 * Collective; errors are agreed. */
CR_NODISCARD cr_status cr_importance_compute(const cr_session *session, const cr_safetensors *weights, int64_t workers,
                                             cr_split split, cr_column_importance **list, int64_t *n);

#endif
