/* A net lowered: its layers as *steps* over *values*, and the *buffers* that hold them. Every backend's program is
 * built on it and adds its kernels, their own buffers, and the memory.
 *
 * Time. Forward step s runs at time s, the loss at time n_steps, its backward at time 2·n_steps - s. A buffer lives
 * from its first to its last use, and buffers whose lives do not meet may share memory (buffer_plan.h). */
#ifndef CRISOL_BACKEND_LOWERED_H
#define CRISOL_BACKEND_LOWERED_H

#include "buffer_plan.h"

#include "crisol/backend.h"

enum {
    CR_POOL_MAX_KERNEL = 16 /* positions of a window are numbered by a byte */
};

/* The forms that a value of the net may have in a program. */
typedef enum cr_form {
    CR_FORM_PLAIN,   /* float32, [n, C, H, W]: dense layers, dropout, concat, logits */
    CR_FORM_SPATIAL, /* as convolutions want it */
    CR_FORM_INPUT,   /* the image as the first convolution wants it, where that is another form */
    CR_N_FORMS
} cr_form;

typedef struct cr_form_size {
    int64_t lanes; /* channels are padded to a multiple of it */
    size_t number_bytes;
    int64_t border; /* rows and columns beside the value's own */
} cr_form_size;

typedef struct cr_forms { /* what a backend says about its own */
    cr_form_size sizes[CR_N_FORMS];
    cr_form image; /* SPATIAL or INPUT: the form of the net's image, and in which convolutions read it */
} cr_forms;

/* A value of the net in one form. Its gradient arrives in at most two parts, whose sum it is: what reads the gradient
 * adds them on its way, instead of a pass of its own. */
typedef struct cr_value {
    cr_shape shape;
    cr_form form;
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
    CR_STEP_CONVERT /* the same value in another form */
} cr_step_kind;

/* Kernels of a step and their own buffers. Each backend defines what it has of these. */
typedef struct cr_convolution_step cr_convolution_step;
typedef struct cr_dense_step cr_dense_step;

typedef struct cr_step {
    cr_step_kind kind;
    int time;              /* forward */
    const cr_layer *layer; /* of the net; CONVERT: the one it is made for */
    const cr_layer *pool;  /* CONVOLUTION: the layer that pools its result at once, or null */
    bool learns;           /* the layer has gradients, and batch statistics */
    int src, src2, dst;    /* values, CR_NONE where absent */
    bool has_backward;
    cr_sink sink, sink2; /* of src, src2 */
    int bytes;           /* buffer, training: positions that a pooling chose, or DROPOUT's mask */
    cr_convolution_step *convolution;
    cr_dense_step *dense;
    double forward_s, backward_s; /* profile: sums over all runs */
} cr_step;

typedef struct cr_lowered {
    cr_value *values;
    cr_step *steps;
    int n_values, n_steps;
    int image, metadata, logits; /* values, CR_NONE where absent */
    int logits_gradient;         /* buffer, training */
    cr_buffer_plan plan;
    cr_forms forms;
    int64_t micro_batch;
    bool training;
} cr_lowered;

static inline int cr_backward_time(const cr_lowered *lowered, const cr_step *step)
{
    return 2 * lowered->n_steps - step->time;
}

/* lower.c: values and steps; no buffer yet. The net must outlive them. `lowered` starts empty; cr_lowered_clear() frees
 * what is the lowering's, after a failure too. Errors: CR_BAD_CONFIG for windows wider than CR_POOL_MAX_KERNEL. */
CR_NODISCARD cr_status cr_net_lower(const cr_net *net, const cr_program_params *params, const cr_forms *forms,
                                    cr_lowered *lowered);
void cr_lowered_clear(cr_lowered *lowered);

/* Numbers of a micro-batch of such values, padding included, and their bytes. */
int64_t cr_form_elements(const cr_lowered *lowered, cr_shape shape, cr_form form);
size_t cr_form_bytes(const cr_lowered *lowered, cr_shape shape, cr_form form);
size_t cr_value_bytes(const cr_lowered *lowered, int value);
int64_t cr_value_units(const cr_lowered *lowered, int value); /* numbers a sample, without padding */

/* lowered_buffers.c: buffers of values and gradients, in this order: inputs, forward steps, loss, backward steps from
 * the last. */
CR_NODISCARD cr_status cr_lowered_plan_inputs(cr_lowered *lowered);
/* A buffer for the result, unless the backend has chosen one (it may be that of another value), and one for what
 * backward has to remember. The sources live until then. */
CR_NODISCARD cr_status cr_lowered_plan_forward(cr_lowered *lowered, cr_step *step);
CR_NODISCARD cr_status cr_lowered_plan_loss(cr_lowered *lowered);
/* The gradient's way through a step, if it takes one (has_backward): what arrives and was remembered lives until then,
 * and the sources' gradients get their sinks. */
CR_NODISCARD cr_status cr_lowered_plan_backward(cr_lowered *lowered, cr_step *step);

/* lowered_times.c: cr_program_times(), after a row `input` of what comes before the steps. `kernel_of` names a step's
 * kernel. */
struct json_t *cr_lowered_times(const cr_lowered *lowered, const char *input, double input_s, int64_t n_runs,
                                const char *(*kernel_of)(const cr_step *step));

#endif
