/* Inside of a CUDA program: the net lowered to *steps* over *values*, and the buffers that hold them in one arena of
 * the device. As on the CPU: forward step s runs at time s, the loss at time n_steps, its backward at 2·n_steps - s. */
#ifndef CRISOL_BACKEND_CUDA_PROGRAM_H
#define CRISOL_BACKEND_CUDA_PROGRAM_H

#include "buffer_plan.h"
#include "convolution_run.h"
#include "cuda_device.h"
#include "cuda_inputs.h"
#include "kernels.h"

enum {
    CR_CUDA_MAX_GRAPHS = 16,
    CR_CUDA_MAX_POOL_KERNEL = 16 /* positions of a window are numbered by a byte */
};

/* A value of the net, spatial or plain. Its gradient arrives in at most two parts, whose sum it is. */
typedef struct cr_cuda_value {
    cr_shape shape;
    bool spatial;
    int buffer;
    bool wants_gradient;
    int gradients[2], n_gradients; /* buffers */
} cr_cuda_value;

/* Where a step leaves the gradient of one of its inputs: in `buffer` (CR_NONE: nobody wants it), which is then added to
 * `add_to` when the value had two parts already. */
typedef struct cr_cuda_sink {
    int buffer, add_to;
} cr_cuda_sink;

typedef enum cr_cuda_step_kind {
    CR_CUDA_CONVOLUTION,
    CR_CUDA_MAX_POOL,
    CR_CUDA_AVERAGE_POOL,
    CR_CUDA_DENSE,
    CR_CUDA_DROPOUT,
    CR_CUDA_CONCAT,
    CR_CUDA_CONVERT /* the same value, plain from spatial or the other way */
} cr_cuda_step_kind;

typedef struct cr_cuda_convolution {
    cr_conv_plan *plans[CR_CONV_N_PASSES];
    cr_shape shape; /* of x */
    int x;          /* buffer: the result before the norm, backward its gradient */
    int pooled;     /* buffer: x pooled, where the next layer does that */
    int packed;     /* buffer: weights, kept */
    int d_packed;   /* buffer: their gradient */
    int arrays;     /* buffer: mean, scale, shift, inverse; kept where the batch does not change them */
    cr_mask_from mask;
    bool writes_dz;
} cr_cuda_convolution;

typedef struct cr_cuda_step {
    cr_cuda_step_kind kind;
    int layer;          /* of the net; CONVERT: the one it is made for */
    int src, src2, dst; /* values, CR_NONE where absent */
    int pool;           /* CONVOLUTION: layer that pools its result at once, or CR_NONE */
    cr_cuda_sink sink, sink2;
    bool has_backward;
    int bytes;                        /* buffer: index of pooling, DROPOUT mask */
    cr_cuda_convolution *convolution; /* of a CONVOLUTION */
    double forward_s, backward_s;     /* profile */
} cr_cuda_step;

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
    cr_cuda_value *values;
    cr_cuda_step *steps;
    cr_buffer_plan plan;
    int n_values, n_steps;
    int image, metadata, logits; /* values, CR_NONE where absent */
    int logits_gradient, losses; /* buffers */
    int sums_work, factors_work; /* buffers: partial sums of norms; k1, k2 */
    int workspace, sample_plans; /* buffers: of convolutions; of augmentation */
    char *arena;                 /* the device's */
    size_t arena_bytes;
    cr_cuda_inputs inputs;
    cr_cuda_graph graphs[CR_CUDA_MAX_GRAPHS];
    int n_graphs;
    bool prepared; /* what is derived from the state is that of … */
    const float *prepared_state;
    uint64_t prepared_version;
    int64_t n_runs;
    double input_s;
    cudaEvent_t before, after; /* profile */
} cr_cuda_program;

static inline int cr_cuda_backward_time(const cr_cuda_program *program, int step)
{
    return 2 * program->n_steps - step;
}

/* Whether a layer learns in this program: it has gradients, and batch statistics. */
static inline bool cr_cuda_learns(const cr_cuda_program *program, int layer)
{
    return program->params.training && layer >= program->params.frozen_layers;
}

static inline int64_t cr_cuda_padded(int64_t channels)
{
    return (channels + 7) / 8 * 8;
}

/* Numbers of all samples, padding included, and bytes. */
int64_t cr_cuda_elements(const cr_cuda_program *program, cr_shape shape, bool spatial);
size_t cr_cuda_bytes(const cr_cuda_program *program, cr_shape shape, bool spatial);
void *cr_cuda_buffer(const cr_cuda_program *program, int buffer); /* null for CR_NONE */
void *cr_cuda_value_data(const cr_cuda_program *program, int value);

/* cuda_lower.c: values and steps of the net. */
CR_NODISCARD cr_status cr_cuda_lower(cr_cuda_program *program);
/* cuda_plan.c: kernels and buffers of all steps, gradients' ways. */
CR_NODISCARD cr_status cr_cuda_plan(cr_cuda_program *program);

/* One run over one batch that the device has: where its kernels are queued, and the arrays that change from call to
 * call. */
typedef struct cr_cuda_run {
    cr_cuda_program *program;
    cudaStream_t stream;
    const float *state;
    float *gradient; /* null: evaluation */
} cr_cuda_run;

/* cuda_convolution.c */
CR_NODISCARD cr_status cr_cuda_convolution_forward(const cr_cuda_run *run, const cr_cuda_step *step);
CR_NODISCARD cr_status cr_cuda_convolution_backward(const cr_cuda_run *run, const cr_cuda_step *step);
/* What a step keeps of the state: packed weights, and norms with running statistics. */
void cr_cuda_convolution_prepare(const cr_cuda_run *run, const cr_cuda_step *step);

/* cuda_step.c */
CR_NODISCARD cr_status cr_cuda_step_forward(const cr_cuda_run *run, const cr_cuda_step *step);
CR_NODISCARD cr_status cr_cuda_step_backward(const cr_cuda_run *run, const cr_cuda_step *step);
void cr_cuda_sink_finish(const cr_cuda_run *run, int value, cr_cuda_sink sink);
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
