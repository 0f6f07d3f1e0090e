/* eval-SPLIT/: what an evaluation leaves, made from logits alone, so identical at any number of ranks. */
#ifndef CRISOL_EVALUATION_FILES_H
#define CRISOL_EVALUATION_FILES_H

#include "session.h"

typedef struct cr_evaluation {
    const cr_session *session;
    cr_split split;
    const float *logits;    /* [n, n_classes] in subset order */
    const char *checkpoint; /* hash of the weights, for the record */
    int64_t step;
} cr_evaluation;

/* Writes metrics.json, report.txt, confusion.csv, predictions.csv into FOLDER; prints report and confusion matrix
 * unless quiet. Local. */
CR_NODISCARD cr_status cr_evaluation_write(const cr_evaluation *evaluation, const char *folder, bool quiet);

#endif
