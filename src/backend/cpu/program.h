/* Inside of a CPU program: the net lowered to *steps* over *values*, and the *buffers* that hold them in one arena.
 *
 * Time. Forward step s runs at time s, the loss at time n_steps, its backward at time 2·n_steps - s; preparing weights
 * comes before all, at time -1. A buffer lives from its first to its last use, and buffers whose lives do not meet may
 * share memory (arena.c). */
#ifndef CRISOL_BACKEND_CPU_PROGRAM_H
#define CRISOL_BACKEND_CPU_PROGRAM_H

#include "buffer_plan.h"
#include "dnnl_calls.h"
#include "place.h"

#include "crisol/backend.h"

enum {
    CR_TIME_PREPARE = -1 /* before the first step */
};

/* A value of the net in one format. Its gradient arrives in at most two parts, whose sum it is: what reads the
 * gradient adds them on its way, instead of a pass of its own. */
typedef struct cr_value {
    cr_place place;
    int buffer;
    int last_reader; /* forward step, or CR_NONE */
    bool wants_gradient;
    int gradients[2], n_gradients; /* buffers */
} cr_value;

/* Where a step leaves the gradient of one of its inputs: in `buffer` (CR_NONE: nobody wants it), which is then added to
 * `add_to` when the value had two parts already. */
typedef struct cr_sink {
    int buffer, add_to;
} cr_sink;

typedef enum cr_step_kind {
    CR_STEP_CONVOLUTION,
    CR_STEP_MAX_POOL,
    CR_STEP_AVERAGE_POOL,
    CR_STEP_DENSE,
    CR_STEP_DROPOUT,
    CR_STEP_CONCAT,
    CR_STEP_CONVERT /* the same value in another format or type */
} cr_step_kind;

typedef struct cr_convolution_step cr_convolution_step;
typedef struct cr_dense_step cr_dense_step;

typedef struct cr_step {
    cr_step_kind kind;
    int layer;          /* of the net; CONVERT: the one it is made for */
    int src, src2, dst; /* values, CR_NONE where absent */
    int pool;           /* CONVOLUTION: layer that pools its result at once, or CR_NONE */
    cr_sink sink, sink2;
    bool has_backward;
    int bytes; /* buffer: index of pooling, DROPOUT mask */
    cr_convolution_step *convolution;
    cr_dense_step *dense;
    double forward_s, backward_s;
} cr_step;

typedef struct cr_cpu_program {
    cr_program head; /* filled by the dispatcher after creation: `net` and `params` here are the ones to use */
    const cr_net *net;
    cr_program_params params;
    cr_engine *engine; /* the backend's */
    cr_isa isa;
    cr_format spatial; /* of convolutions' values */
    bool bf16;         /* type of convolutions' values */
    cr_value *values;
    cr_step *steps;
    cr_buffer_plan plan;
    int n_values, n_steps;
    int image, metadata, logits; /* values, CR_NONE where absent */
    int logits_gradient;         /* buffer */
    int augment_work; /* buffer: augmented planes of each sample and of one mixture, on their way to the image's
                   format */
    int channel_work; /* buffer for sums over channels, kept */
    int fold_work;    /* buffer for weights on their way, at time -1 */
    char *arena;
    size_t arena_bytes;
    bool prepared; /* what is derived from the state is that of … */
    const float *prepared_state;
    uint64_t prepared_version;
    int64_t n_runs;
    double input_s;
} cr_cpu_program;

static inline int cr_backward_time(const cr_cpu_program *program, int step)
{
    return 2 * program->n_steps - step;
}

/* Whether a layer learns in this program: it has gradients, and batch statistics. */
static inline bool cr_layer_learns(const cr_cpu_program *program, int layer)
{
    return program->params.training && layer >= program->params.frozen_layers;
}

static inline int cr_step_index(const cr_cpu_program *program, const cr_step *step)
{
    return (int)(step - program->steps);
}

/* arena.c */
/* A new buffer alive at `time`; *buffer = CR_NONE for 0 bytes. */
CR_NODISCARD cr_status cr_buffer_add(cr_cpu_program *program, size_t bytes, int time, int *buffer);
void cr_buffer_use(cr_cpu_program *program, int buffer, int time); /* accepts CR_NONE */
void cr_buffer_keep(cr_cpu_program *program, int buffer);
CR_NODISCARD cr_status cr_arena_create(cr_cpu_program *program); /* places all buffers */
void *cr_buffer_data(const cr_cpu_program *program, int buffer); /* null for CR_NONE */
void *cr_value_data(const cr_cpu_program *program, int value);

/* lower.c: values and steps of the net. */
CR_NODISCARD cr_status cr_program_lower(cr_cpu_program *program);
/* plan.c: kernels and buffers of all steps, gradients' ways. */
CR_NODISCARD cr_status cr_program_plan(cr_cpu_program *program);
/* Registers `buffer`, written at `time`, as a part of the gradient of `value`. */
cr_sink cr_gradient_add(cr_cpu_program *program, int value, int buffer, int time);
/* A new buffer as gradient of `value`, or nothing when the value wants none. */
CR_NODISCARD cr_status cr_gradient_new(cr_cpu_program *program, int value, int time, cr_sink *sink);
/* The sink's last act: adds what was written to where it belongs. */
void cr_sink_finish(const cr_cpu_program *program, int value, cr_sink sink);
/* The whole gradient of a value in one buffer (the first part). */
void *cr_gradient_whole(const cr_cpu_program *program, int value);

/* run.c */
CR_NODISCARD cr_status cr_program_train_cpu(cr_program *program, const float *state, const cr_batch *batch,
                                            float *gradient, cr_batch_result *result);
CR_NODISCARD cr_status cr_program_evaluate_cpu(cr_program *program, const float *state, const cr_batch *batch,
                                               float *logits);

/* describe.c */
struct json_t *cr_program_describe_cpu(const cr_program *program);
struct json_t *cr_program_times_cpu(const cr_program *program);

#endif
