/* The CPU backend as if it computed on a device: states and gradients lie behind a fence (fenced_memory.h), and a
 * training call only notes what is to be done, as a device's queue does. It is done when something waits for it; until
 * then its results are no numbers. So a caller that touches an array, or looks at a result or gives a batch away before
 * it has waited, crashes or gives another result. */
#ifndef CRISOL_TEST_FENCED_BACKEND_H
#define CRISOL_TEST_FENCED_BACKEND_H

#include "crisol/backend.h"

CR_NODISCARD cr_status fenced_backend_open(cr_backend **backend);

#endif
