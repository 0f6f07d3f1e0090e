/* eval-SPLIT/: what an evaluation leaves, made from logits alone, so identical at any number of ranks. */
#ifndef CRISOL_EVALUATION_FILES_H
#define CRISOL_EVALUATION_FILES_H

#include "importance.h"

typedef struct cr_evaluation {
    const cr_session *session;
    cr_split split;
    const float *logits;    /* [n, n_classes] in subset order */
    const char *checkpoint; /* hash of the weights, for the record */
    int64_t step;
    const cr_safetensors *tensors;       /* the checkpoint's */
    const cr_column_importance *columns; /* [n_columns], or null: not asked for */
    int64_t n_columns;
} cr_evaluation;

/* Writes the files that docs/evaluation.md describes into FOLDER; prints report and confusion matrix unless quiet.
 * importance.csv of an earlier evaluation goes when none is asked for: it might be of another checkpoint. Local. */
CR_NODISCARD cr_status cr_evaluation_write(const cr_evaluation *evaluation, const char *folder, bool quiet);

#endif
