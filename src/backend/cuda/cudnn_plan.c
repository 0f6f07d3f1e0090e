#include "cudnn_plan.h"

#include "cudnn_descriptors.h"

#include <stdlib.h>
#include <string.h>

static const char *const pass_texts[CR_CONV_N_PASSES] = {"forward", "the gradient of its input",
                                                         "the gradient of its weights"};

typedef struct engine_facts {
    int64_t index;
    bool notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
} engine_facts;

/* The engine that a configuration belongs to. */
static cr_status read_engine(const cr_cudnn_calls *calls, cudnnBackendDescriptor_t config, engine_facts *facts)
{
    cr_status status = CR_OK;
    cudnnBackendDescriptor_t engine = NULL;
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;
    memset(facts, 0, sizeof *facts);
    CR_TRY(
        cr_cudnn_check(calls, calls->BackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), "an engine"));
    CR_TRY(cr_cudnn_check(
        calls,
        calls->BackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine),
        "an engine"));
    CR_TRY(cr_cudnn_check(
        calls,
        calls->BackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &facts->index),
        "an engine's index"));
    CR_TRY(
        cr_cudnn_check(calls,
                       calls->BackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                                  CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes),
                       "an engine's notes"));
    for (int64_t i = 0; i < n && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        if ((int)notes[i] >= 0 && (int)notes[i] < CUDNN_NUMERICAL_NOTE_TYPE_COUNT)
            facts->notes[notes[i]] = true;
done:
    cr_cudnn_drop(calls, &engine);
    return status;
}

/* What a fixed list of ways of choosing demands; tried one after the other. */
typedef struct choice {
    cudnnBackendHeurMode_t mode;
    bool tensor_cores; /* bf16 alone */
} choice;

static bool passes(const engine_facts *facts, const cr_conv_shape *shape, const choice *rule)
{
    const bool *notes = facts->notes;
    bool transforms = notes[CUDNN_NUMERICAL_NOTE_WINOGRAD] || notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4] ||
                      notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6] || notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13];
    if (notes[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC] || notes[CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION] ||
        notes[CUDNN_NUMERICAL_NOTE_FFT])
        return false;
    if (shape->bf16)
        return !transforms && (notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE] || !rule->tensor_cores);
    return !notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE] && !notes[CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS] &&
           (shape->winograd || !transforms);
}

/* The configuration's plan; *plan stays null where cuDNN refuses or the workspace is too large: the next is tried. */
static cr_status try_plan(const cr_cudnn_target *target, cudnnBackendDescriptor_t config, cr_cudnn_plan *plan)
{
    const cr_cudnn_calls *calls = target->calls;
    const cr_cudnn_attribute attributes[] = {
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config},
        {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle},
        {CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target->description}};
    cr_cudnn_attribute two[] = {attributes[0], target->handle ? attributes[1] : attributes[2]};
    int64_t n = 0;
    if (cr_cudnn_make(calls, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "a plan", two, 2, &plan->plan) != CR_OK)
        return CR_OK;
    cr_status status = cr_cudnn_check(calls,
                                      calls->BackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                                 CUDNN_TYPE_INT64, 1, &n, &plan->workspace_bytes),
                                      "a plan's workspace");
    if (status != CR_OK || plan->workspace_bytes > CR_CUDNN_WORKSPACE_MAX)
        cr_cudnn_drop(calls, &plan->plan);
    return status;
}

static cr_status choose_from(const cr_cudnn_target *target, const cr_conv_shape *shape, const choice *rule,
                             cudnnBackendDescriptor_t *configs, int64_t n, cr_cudnn_plan *plan)
{
    cr_status status = CR_OK;
    for (int64_t i = 0; i < n && !plan->plan; i++) {
        engine_facts facts;
        CR_TRY(read_engine(target->calls, configs[i], &facts));
        if (!passes(&facts, shape, rule))
            continue;
        CR_TRY(try_plan(target, configs[i], plan));
        plan->engine = facts.index;
        plan->place = (int)i;
        plan->is_fallback = rule->mode == CUDNN_HEUR_MODE_FALLBACK;
        plan->has_tensor_cores = facts.notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE];
        plan->is_deterministic = !facts.notes[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC];
    }
done:
    return status;
}

/* The list of a mode. *n configurations, some of which may stay empty when cuDNN fills fewer. */
static cr_status list_configs(const cr_cudnn_target *target, cudnnBackendDescriptor_t graph,
                              cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t **configs, int64_t *room,
                              int64_t *n)
{
    cr_status status = CR_OK;
    const cr_cudnn_calls *calls = target->calls;
    cudnnBackendDescriptor_t heuristics = NULL;
    const cr_cudnn_attribute attributes[] = {
        {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph},
        {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode},
        {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target->description}};
    *room = *n = 0;
    CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristics", attributes,
                         target->description ? 3 : 2, &heuristics));
    CR_TRY(cr_cudnn_check(calls,
                          calls->BackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, room, NULL),
                          "heuristics"));
    *configs = calloc((size_t)*room + 1, sizeof **configs);
    if (!*configs) {
        status = cr_fail_memory("heuristics", (size_t)*room * sizeof **configs);
        goto done;
    }
    for (int64_t i = 0; i < *room; i++)
        CR_TRY(cr_cudnn_check(calls, calls->BackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &(*configs)[i]),
                              "heuristics"));
    if (*room > 0)
        CR_TRY(cr_cudnn_check(calls,
                              calls->BackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, *room, n, *configs),
                              "heuristics"));
    *n = *n < *room ? *n : *room;
done:
    cr_cudnn_drop(calls, &heuristics);
    return status;
}

cr_status cr_cudnn_plan_choose(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                               const char *layer, cr_cudnn_plan *plan)
{
    static const choice rules[] = {
        {CUDNN_HEUR_MODE_A, true}, {CUDNN_HEUR_MODE_FALLBACK, true}, {CUDNN_HEUR_MODE_FALLBACK, false}};
    cr_status status = CR_OK;
    cudnnBackendDescriptor_t graph = NULL;
    memset(plan, 0, sizeof *plan);
    CR_TRY(cr_cudnn_graph_make(target, shape, pass, &graph));
    for (size_t r = 0; r < sizeof rules / sizeof *rules && !plan->plan; r++) {
        cudnnBackendDescriptor_t *configs = NULL;
        int64_t room, n;
        status = list_configs(target, graph, rules[r].mode, &configs, &room, &n);
        if (status == CR_OK)
            status = choose_from(target, shape, &rules[r], configs, n, plan);
        for (int64_t i = 0; configs && i < room; i++)
            cr_cudnn_drop(target->calls, &configs[i]);
        free(configs);
        CR_TRY(status);
    }
    if (!plan->plan)
        status = cr_fail(CR_INTERNAL, "cuDNN has no deterministic plan within %d MB for %s of layer %s",
                         CR_CUDNN_WORKSPACE_MAX >> 20, pass_texts[pass], layer);
done:
    cr_cudnn_drop(target->calls, &graph);
    return status;
}

void cr_cudnn_plan_clear(const cr_cudnn_target *target, cr_cudnn_plan *plan)
{
    cr_cudnn_drop(target->calls, &plan->plan);
}

cr_status cr_cudnn_describe_device(const cr_cudnn_calls *calls, const char *json, cudnnBackendDescriptor_t *description)
{
    const cr_cudnn_attribute attributes[] = {
        {CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json), json}};
    return cr_cudnn_make(calls, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "a GPU's description", attributes, 1, description);
}
