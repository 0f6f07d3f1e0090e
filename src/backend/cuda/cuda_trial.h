/* A convolution on trial, before it is used: on arrays of its own, how long a plan takes, and whether it computes what
 * the definition says. A library's engine may be wrong for one shape and right for all others, and a training with it
 * would go on without a sign. */
#ifndef CRISOL_CUDA_TRIAL_H
#define CRISOL_CUDA_TRIAL_H

#include "convolution_run.h"
#include "kernels.h"

typedef struct cr_conv_trial { /* zeros, and what is tried; the rest comes when it is wanted */
    cr_cuda *cuda;
    const cr_conv_shape *shape;
    cr_conv_pass pass;
    void *x, *w, *y, *workspace; /* the device's; random numbers from -1 to 1 */
    size_t workspace_bytes;
    void *found; /* [CR_TRIAL_PLACES] cr_trial_found, the device's */
    cudaEvent_t before, after;
    bool is_news; /* the latest check was the first of its plan */
} cr_conv_trial;

/* The device is entered, nothing is captured. Errors of both: CR_INTERNAL of the device, and when there is no memory
 * for the arrays: no more than a program of that layer needs. CR_BAD_DATA: another plan may do. */

/* The median of some runs, in microseconds. CR_BAD_DATA: this one does not run. */
CR_NODISCARD cr_status cr_conv_trial_time(cr_conv_trial *trial, const cr_conv_plan *plan, double *microseconds);
/* CR_BAD_DATA when the result is not that of plain sums at 256 places, half of whose coordinates lie at edges, of a run
 * by itself or of one from a graph. A backend tries a plan once for a shape. One that does not run here is CR_INTERNAL:
 * on one rank of several, passing it over would give that rank other bits. */
CR_NODISCARD cr_status cr_conv_trial_check(cr_conv_trial *trial, const cr_conv_plan *plan);
void cr_conv_trial_end(cr_conv_trial *trial);

/* What a backend remembers. */
void cr_conv_trials_forget(cr_cuda *cuda);

#endif
