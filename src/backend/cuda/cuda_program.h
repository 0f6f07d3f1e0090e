/* Inside of a CUDA program: the lowered net (lowered.h) with the device's kernels, and the arena of all buffers, which
 * is the device's. */
#ifndef CRISOL_BACKEND_CUDA_PROGRAM_H
#define CRISOL_BACKEND_CUDA_PROGRAM_H

#include "convolution_run.h"
#include "cuda_device.h"
#include "cuda_inputs.h"
#include "cuda_stem.h"
#include "kernels.h"
#include "lowered.h"

enum {
    CR_CUDA_MAX_GRAPHS = 16
};

struct cr_convolution_step { /* of a CONVOLUTION; other steps have nothing of their own */
    cr_conv_plan *plans[CR_CONV_N_PASSES];
    cr_shape shape; /* of x */
    int x;          /* buffer: the result before the norm, backward its gradient */
    int pooled;     /* buffer: x pooled, where the next layer does that */
    int packed;     /* buffer: weights, kept */
    int d_packed;   /* buffer: their gradient */
    int arrays;     /* buffer: mean, scale, shift, inverse; kept where the batch does not change them */
    cr_mask_from mask;
    bool writes_dz;
};

typedef struct cr_cuda_graph { /* a captured run */
    const float *state;
    float *gradient;
    cudaGraphExec_t run;
} cr_cuda_graph;

typedef struct cr_cuda_program {
    cr_program head; /* filled by the dispatcher after creation: `net` and `params` here are the ones to use */
    const cr_net *net;
    cr_program_params params;
    cr_cuda *cuda;
    bool bf16; /* type of spatial values */
    cr_lowered lowered;
    cr_stem stem;                  /* where the image is CR_FORM_INPUT */
    int losses;                    /* buffer, kept */
    int sums_work, factors_work;   /* buffers: partial sums of norms; k1, k2 */
    int workspace, side_workspace; /* buffers: of convolutions; of those on the side */
    int sample_plans;              /* buffer: of augmentation */
    char *arena;                   /* the device's */
    size_t arena_bytes;
    cr_cuda_inputs inputs;
    cr_cuda_graph graphs[CR_CUDA_MAX_GRAPHS];
    int n_graphs;
    bool prepared; /* what is derived from the state is that of … */
    const float *prepared_state;
    uint64_t prepared_version;
    bool is_forked; /* while a run is queued: the side has work that the stream has not waited for */
    int64_t n_runs;
    double input_s;
    cudaEvent_t before, after;      /* profile */
    int mark_after[CR_MAX_BUCKETS]; /* [params.buckets.n] step, or n_steps: before the first one's backward */
} cr_cuda_program;

static inline int64_t cr_cuda_padded(int64_t channels)
{
    return (channels + 7) / 8 * 8;
}

void *cr_cuda_buffer(const cr_cuda_program *program, int buffer); /* null for CR_NONE */
void *cr_cuda_value_data(const cr_cuda_program *program, int value);

/* cuda_plan.c: steps, their kernels and all buffers. */
CR_NODISCARD cr_status cr_cuda_plan(cr_cuda_program *program);

/* One run over one batch that the device has: where its kernels are queued, and the arrays that change from call to
 * call.
 *
 * A convolution's gradient of its weights runs on the side, while the stream goes on to its data and to the layer
 * below. The two meet before the next such gradient begins, and after the last: so a plan of buffers lets what it reads
 * and writes live until the backward of the next convolution. */
typedef struct cr_cuda_run {
    cr_cuda_program *program;
    cudaStream_t stream, side; /* the same: nothing overlaps */
    const float *state;
    float *gradient; /* null: evaluation */
} cr_cuda_run;

/* cuda_convolution.c */
CR_NODISCARD cr_status cr_cuda_convolution_forward(const cr_cuda_run *run, const cr_step *step);
CR_NODISCARD cr_status cr_cuda_convolution_backward(const cr_cuda_run *run, const cr_step *step);
/* What convolutions keep of the state: packed weights, and norms with running statistics. */
void cr_cuda_convolutions_prepare(const cr_cuda_run *run);

/* The side begins where the stream is now, after the stream has waited for what the side did before; the stream waits.
 */
CR_NODISCARD cr_status cr_cuda_fork(const cr_cuda_run *run);
CR_NODISCARD cr_status cr_cuda_join(const cr_cuda_run *run);

/* cuda_marks.c: where marks belong, once the steps are planned; and those that belong behind a step's backward. */
void cr_cuda_marks_place(cr_cuda_program *program);
CR_NODISCARD cr_status cr_cuda_marks_set(const cr_cuda_run *run, int step);

/* cuda_step.c */
CR_NODISCARD cr_status cr_cuda_step_forward(const cr_cuda_run *run, const cr_step *step);
CR_NODISCARD cr_status cr_cuda_step_backward(const cr_cuda_run *run, const cr_step *step);
void cr_cuda_sink_finish(const cr_cuda_run *run, int value, cr_sink sink);
/* A tensor's part of the state or of the gradient, null for index -1. */
const float *cr_cuda_tensor(const cr_cuda_run *run, int tensor);
float *cr_cuda_tensor_gradient(const cr_cuda_run *run, int tensor);

/* cuda_run.c: slots of the backend */
CR_NODISCARD cr_status cr_cuda_train(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                                     cr_batch_result *result);
CR_NODISCARD cr_status cr_cuda_wait(cr_program *program);
CR_NODISCARD cr_status cr_cuda_evaluate(cr_program *program, const float *state, const cr_batch *batch, float *logits);

/* cuda_describe.c */
struct json_t *cr_cuda_describe(const cr_program *program);
struct json_t *cr_cuda_times(const cr_program *program);

#endif
