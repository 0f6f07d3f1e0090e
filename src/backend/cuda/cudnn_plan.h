/* A convolution pass as a plan of cuDNN's graph API: one operation, an engine with its knobs.
 *
 * Conditions for every engine: it is not marked as non-deterministic, asks for at most 64 MB of workspace, and, with
 * bf16, computes on tensor cores or, with float32, does not (those round their inputs to 10 bits) nor transforms by
 * FFT. The rule: the first such engine of the heuristics' list (mode A, then the fallbacks; bf16 without tensor cores
 * only where nothing else is left). Nothing is measured for it, so the same cuDNN on the same kind of GPU makes the
 * same plan. A measurement chooses among the first such engines of the list that the rule's comes from. */
#ifndef CRISOL_CUDNN_PLAN_H
#define CRISOL_CUDNN_PLAN_H

#include "convolution_run.h"
#include "cudnn_calls.h"

/* What a plan is made for: a GPU by its handle, or by a description where there is none (a test's). One is null. */
typedef struct cr_cudnn_target {
    const cr_cudnn_calls *calls;
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t description;
} cr_cudnn_target;

enum {
    CR_CUDNN_WORKSPACE_MAX = 64 << 20,
    CR_CUDNN_UID_X = 1,
    CR_CUDNN_UID_W = 2,
    CR_CUDNN_UID_Y = 3
};

typedef struct cr_cudnn_plan {
    cudnnBackendDescriptor_t plan;
    int64_t workspace_bytes;
    int64_t engine;   /* its global index */
    int place;        /* in the list that it was chosen from */
    bool is_fallback; /* that list was the fallbacks' */
    bool has_tensor_cores, is_deterministic, transforms;
    cr_plan_knob knobs[CR_PLAN_MAX_KNOBS];
    int n_knobs; /* of a listed or restored plan; 0 for the rule's, which nobody stores */
} cr_cudnn_plan;

/* By the rule. Errors: CR_INTERNAL when no engine passes. `layer` names the layer in errors. */
CR_NODISCARD cr_status cr_cudnn_plan_choose(const cr_cudnn_target *target, const cr_conv_shape *shape,
                                            cr_conv_pass pass, const char *layer, cr_cudnn_plan *plan);
typedef enum cr_cudnn_range {
    CR_CUDNN_FIRST_LIST, /* that the rule's choice comes from */
    CR_CUDNN_ALL_LISTS
} cr_cudnn_range;
/* The rule's choice and those behind it that fulfil the conditions: at most `most`, *n of them. Errors: as above. */
CR_NODISCARD cr_status cr_cudnn_plan_list(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                                          const char *layer, cr_cudnn_range range, int most, cr_cudnn_plan *plans,
                                          int *n);
/* The engine that is stored, with the knobs that are stored, whatever the heuristics say now. Errors: CR_BAD_DATA when
 * cuDNN does not have it for this convolution or does not take the knobs, or when it does not fulfil the conditions. */
CR_NODISCARD cr_status cr_cudnn_plan_restore(const cr_cudnn_target *target, const cr_plan *stored, const char *layer,
                                             cr_cudnn_plan *plan);
void cr_cudnn_plan_clear(const cr_cudnn_target *target, cr_cudnn_plan *plan);

/* A description from cuDNN's JSON text (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION). */
CR_NODISCARD cr_status cr_cudnn_describe_device(const cr_cudnn_calls *calls, const char *json,
                                                cudnnBackendDescriptor_t *description);

#endif
