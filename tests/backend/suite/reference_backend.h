/* The backend that judges the others: plain loops in double between a float state and a float gradient. */
#ifndef CRISOL_TEST_REFERENCE_BACKEND_H
#define CRISOL_TEST_REFERENCE_BACKEND_H

#include "crisol/backend.h"

CR_NODISCARD cr_status reference_backend_open(cr_backend **backend);

/* Of the last cr_program_train, in double, n_params + n_stats numbers; owned by the program. */
const double *reference_gradient(const cr_program *program);
/* Of the last call, [micro_batch, n_classes]. */
const double *reference_logits(const cr_program *program);

/* How near the last cr_program_train came to a kink: the smallest |argument of a ReLU| over the deviation of its
 * layer's arguments, or gap between a max-pool window's two largest different values over the deviation of the plane
 * values. On the other side of a kink gradients jump, so another arithmetic can be compared only when its error is
 * below this margin. */
double reference_margin(const cr_program *program);
/* A hash of all ReLU signs and pool choices of the last cr_program_train: equal means the same smooth piece. */
uint64_t reference_piece(const cr_program *program);

#endif
