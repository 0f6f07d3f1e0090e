/* Inside of a CPU program: the lowered net (lowered.h), how each value lies in memory, and the arena of all buffers.
 * Preparing weights comes before all steps, at time -1. */
#ifndef CRISOL_BACKEND_CPU_PROGRAM_H
#define CRISOL_BACKEND_CPU_PROGRAM_H

#include "dnnl_calls.h"
#include "lowered.h"
#include "place.h"

enum {
    CR_TIME_PREPARE = -1 /* before the first step */
};

typedef struct cr_cpu_program {
    cr_program head; /* filled by the dispatcher after creation: `net` and `params` here are the ones to use */
    const cr_net *net;
    cr_program_params params;
    cr_engine *engine; /* the backend's */
    cr_format formats[CR_N_FORMS];
    bool bf16; /* all forms but the plain one */
    cr_lowered lowered;
    cr_place *places; /* [its values] */
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

/* arena.c */
/* A new buffer alive at `time`; *buffer = CR_NONE for 0 bytes. */
CR_NODISCARD cr_status cr_buffer_add(cr_cpu_program *program, size_t bytes, int time, int *buffer);
void cr_buffer_use(cr_cpu_program *program, int buffer, int time); /* accepts CR_NONE */
void cr_buffer_keep(cr_cpu_program *program, int buffer);
CR_NODISCARD cr_status cr_arena_create(cr_cpu_program *program); /* places all buffers */
void *cr_buffer_data(const cr_cpu_program *program, int buffer); /* null for CR_NONE */
void *cr_value_data(const cr_cpu_program *program, int value);

/* plan.c: steps, places of values, kernels and all buffers. */
CR_NODISCARD cr_status cr_program_plan(cr_cpu_program *program);

/* run.c */
CR_NODISCARD cr_status cr_program_train_cpu(cr_program *program, const float *state, const cr_batch *batch,
                                            float *gradient, cr_batch_result *result);
CR_NODISCARD cr_status cr_program_evaluate_cpu(cr_program *program, const float *state, const cr_batch *batch,
                                               float *logits);
/* A sink's last act: adds what was written to where it belongs. */
void cr_sink_finish(const cr_cpu_program *program, int value, cr_sink sink);
/* The whole gradient of a value in one buffer (the first part). */
void *cr_gradient_whole(const cr_cpu_program *program, int value);

/* describe.c */
struct json_t *cr_program_describe_cpu(const cr_program *program);
struct json_t *cr_program_times_cpu(const cr_program *program);

#endif
