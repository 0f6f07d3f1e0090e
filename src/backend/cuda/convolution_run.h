/* One convolution of one shape on the device: three passes, each a plan of its own that allocates nothing when it runs.
 * Values are [n, height, width, channels], weights [out, kernel, kernel, in], all of one type; channels are padded to
 * multiples of CR_EIGHT. Sums are float32. The same bits on every run. */
#ifndef CRISOL_BACKEND_CUDA_CONVOLUTION_RUN_H
#define CRISOL_BACKEND_CUDA_CONVOLUTION_RUN_H

#include "cuda_device.h"

typedef enum cr_conv_pass {
    CR_CONV_FORWARD, /* x, w → y */
    CR_CONV_DATA,    /* w, dy → dx */
    CR_CONV_WEIGHTS, /* x, dy → dw */
    CR_CONV_N_PASSES
} cr_conv_pass;

typedef struct cr_conv_shape {
    int64_t n, in, height, width;       /* of x */
    int64_t out, out_height, out_width; /* of y */
    int64_t kernel, stride, padding;
    bool bf16;     /* otherwise float32, computed in float32 proper (no TF32) */
    bool winograd; /* float32: transforms that round more coarsely are allowed */
} cr_conv_shape;

typedef struct cr_conv_plan cr_conv_plan;

/* `layer` names it in errors. Errors: CR_INTERNAL when there is no deterministic plan for this shape on this device. */
CR_NODISCARD cr_status cr_conv_plan_create(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass,
                                           const char *layer, cr_conv_plan **plan);
void cr_conv_plan_destroy(cr_conv_plan **plan);
size_t cr_conv_plan_workspace_bytes(const cr_conv_plan *plan);
const char *cr_conv_plan_name(const cr_conv_plan *plan); /* which engine, for records */
/* x, w and y are the operation's three arrays, gradients included: the pass says which is written. */
CR_NODISCARD cr_status cr_conv_plan_run(const cr_conv_plan *plan, void *x, void *w, void *y, void *workspace,
                                        cudaStream_t stream);

#endif
