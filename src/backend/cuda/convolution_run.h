/* One convolution of one shape on the device: three passes, each a plan of its own that allocates nothing when it runs.
 * Values are [n, height, width, channels], weights [out, kernel, kernel, in], all of one type; channels are padded to
 * multiples of CR_EIGHT. Sums are float32. The same bits on every run. */
#ifndef CRISOL_BACKEND_CUDA_CONVOLUTION_RUN_H
#define CRISOL_BACKEND_CUDA_CONVOLUTION_RUN_H

#include "crisol/plans.h"
#include "cuda_device.h"

typedef struct cr_conv_plan cr_conv_plan;

/* By the fixed rule. `layer` names it in errors. Errors: CR_INTERNAL when there is no deterministic plan for this shape
 * on this device. */
CR_NODISCARD cr_status cr_conv_plan_create(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass,
                                           const char *layer, cr_conv_plan **plan);
/* What the rule may choose from, its own choice first: *n of them, 1 … CR_PLANS_MAX_CANDIDATES; `all`: also those that
 * are so much slower that no measurement should meet them. The caller destroys them. Errors as above. */
CR_NODISCARD cr_status cr_conv_plan_list(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass,
                                         const char *layer, bool all, cr_conv_plan **plans, int *n);
/* As `stored` says. Errors: CR_BAD_DATA when the engine is not there, does not take these settings, or does not fulfil
 * the rule's conditions. */
CR_NODISCARD cr_status cr_conv_plan_restore(cr_cuda *cuda, const cr_plan *stored, const char *layer,
                                            cr_conv_plan **plan);
/* Writes engine, settings and place of a plan of cr_conv_plan_list(). */
void cr_conv_plan_store(const cr_conv_plan *plan, cr_plan *stored);
void cr_conv_plan_destroy(cr_conv_plan **plan);
size_t cr_conv_plan_workspace_bytes(const cr_conv_plan *plan);
bool cr_conv_plan_transforms(const cr_conv_plan *plan);  /* Winograd's: rounds more coarsely */
const char *cr_conv_plan_name(const cr_conv_plan *plan); /* which engine, for records */
/* x, w and y are the operation's three arrays, gradients included: the pass says which is written. */
CR_NODISCARD cr_status cr_conv_plan_run(const cr_conv_plan *plan, void *x, void *w, void *y, void *workspace,
                                        cudaStream_t stream);

#endif
