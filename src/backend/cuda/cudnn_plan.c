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

static bool transforms(const engine_facts *facts)
{
    const bool *notes = facts->notes;
    return notes[CUDNN_NUMERICAL_NOTE_WINOGRAD] || notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4] ||
           notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6] || notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13];
}

static bool passes(const engine_facts *facts, const cr_conv_shape *shape, const choice *rule)
{
    const bool *notes = facts->notes;
    if (notes[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC] || notes[CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION] ||
        notes[CUDNN_NUMERICAL_NOTE_FFT])
        return false;
    if (shape->bf16)
        return !transforms(facts) && (notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE] || !rule->tensor_cores);
    return !notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE] && !notes[CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS] &&
           (shape->winograd || !transforms(facts));
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

static void note_engine(const engine_facts *facts, cr_cudnn_plan *plan)
{
    plan->engine = facts->index;
    plan->has_tensor_cores = facts->notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE];
    plan->transforms = transforms(facts);
    plan->is_deterministic = !facts->notes[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC];
}

/* The settings that a configuration has. */
static cr_status read_knobs(const cr_cudnn_calls *calls, cudnnBackendDescriptor_t config, cr_cudnn_plan *plan)
{
    cr_status status = CR_OK;
    cudnnBackendDescriptor_t knobs[CR_PLAN_MAX_KNOBS] = {NULL};
    int64_t n = 0, one;
    for (int k = 0; k < CR_PLAN_MAX_KNOBS; k++)
        CR_TRY(cr_cudnn_check(calls, calls->BackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &knobs[k]),
                              "a knob"));
    CR_TRY(cr_cudnn_check(calls,
                          calls->BackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, CR_PLAN_MAX_KNOBS, &n, knobs),
                          "knobs"));
    if (n > CR_PLAN_MAX_KNOBS) {
        status = cr_fail(CR_INTERNAL, "cuDNN: engine %lld has %lld knobs", (long long)plan->engine, (long long)n);
        goto done;
    }
    for (int k = 0; k < n; k++) {
        cudnnBackendKnobType_t type = CUDNN_KNOB_TYPE_COUNTS;
        CR_TRY(cr_cudnn_check(calls,
                              calls->BackendGetAttribute(knobs[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
                                                         CUDNN_TYPE_KNOB_TYPE, 1, &one, &type),
                              "a knob's type"));
        plan->knobs[k].type = type;
        CR_TRY(cr_cudnn_check(calls,
                              calls->BackendGetAttribute(knobs[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64,
                                                         1, &one, &plan->knobs[k].value),
                              "a knob's value"));
        plan->n_knobs = k + 1;
    }
done:
    for (int k = 0; k < CR_PLAN_MAX_KNOBS; k++)
        cr_cudnn_drop(calls, &knobs[k]);
    return status;
}

/* Adds those of a list that pass. */
static cr_status choose_from(const cr_cudnn_target *target, const cr_conv_shape *shape, const choice *rule,
                             cudnnBackendDescriptor_t *configs, int64_t n_configs, int most, cr_cudnn_plan *plans,
                             int *n)
{
    cr_status status = CR_OK;
    for (int64_t i = 0; i < n_configs && *n < most; i++) {
        engine_facts facts;
        cr_cudnn_plan *plan = &plans[*n];
        CR_TRY(read_engine(target->calls, configs[i], &facts));
        if (!passes(&facts, shape, rule))
            continue;
        memset(plan, 0, sizeof *plan);
        CR_TRY(try_plan(target, configs[i], plan));
        if (!plan->plan)
            continue;
        ++*n;
        note_engine(&facts, plan);
        plan->place = (int)i;
        plan->is_fallback = rule->mode == CUDNN_HEUR_MODE_FALLBACK;
        if (most > 1)
            CR_TRY(read_knobs(target->calls, configs[i], plan));
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

cr_status cr_cudnn_plan_list(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                             const char *layer, cr_cudnn_range range, int most, cr_cudnn_plan *plans, int *n)
{
    static const choice rules[] = {
        {CUDNN_HEUR_MODE_A, true}, {CUDNN_HEUR_MODE_FALLBACK, true}, {CUDNN_HEUR_MODE_FALLBACK, false}};
    cr_status status = CR_OK;
    cudnnBackendDescriptor_t graph = NULL;
    *n = 0;
    CR_TRY(cr_cudnn_graph_make(target, shape, pass, &graph));
    for (size_t r = 0; r < sizeof rules / sizeof *rules && (*n == 0 || range == CR_CUDNN_ALL_LISTS); r++) {
        cudnnBackendDescriptor_t *configs = NULL;
        int64_t room, n_configs;
        status = list_configs(target, graph, rules[r].mode, &configs, &room, &n_configs);
        if (status == CR_OK)
            status = choose_from(target, shape, &rules[r], configs, n_configs, most, plans, n);
        for (int64_t i = 0; configs && i < room; i++)
            cr_cudnn_drop(target->calls, &configs[i]);
        free(configs);
        CR_TRY(status);
    }
    if (*n == 0)
        status = cr_fail(CR_INTERNAL, "cuDNN has no deterministic plan within %d MB for %s of layer %s",
                         CR_CUDNN_WORKSPACE_MAX >> 20, pass_texts[pass], layer);
done:
    cr_cudnn_drop(target->calls, &graph);
    for (int i = 0; i < *n && status != CR_OK; i++)
        cr_cudnn_plan_clear(target, &plans[i]);
    if (status != CR_OK)
        *n = 0;
    return status;
}

cr_status cr_cudnn_plan_choose(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                               const char *layer, cr_cudnn_plan *plan)
{
    int n;
    memset(plan, 0, sizeof *plan);
    return cr_cudnn_plan_list(target, shape, pass, layer, CR_CUDNN_FIRST_LIST, 1, plan, &n);
}

/* A configuration of a graph by the engine's number and its knobs. */
static cr_status make_config(const cr_cudnn_target *target, cudnnBackendDescriptor_t graph, const cr_plan *stored,
                             cudnnBackendDescriptor_t *config)
{
    cr_status status = CR_OK;
    const cr_cudnn_calls *calls = target->calls;
    cudnnBackendDescriptor_t engine = NULL, knobs[CR_PLAN_MAX_KNOBS] = {NULL};
    const cr_cudnn_attribute of_engine[] = {
        {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph},
        {CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &stored->engine},
        {CUDNN_ATTR_ENGINE_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target->description}};
    const cr_cudnn_attribute of_config[] = {
        {CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine},
        {CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, stored->n_knobs, knobs}};
    CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "an engine", of_engine, target->description ? 3 : 2,
                         &engine));
    for (int k = 0; k < stored->n_knobs; k++) {
        const cudnnBackendKnobType_t type = (cudnnBackendKnobType_t)stored->knobs[k].type;
        const cr_cudnn_attribute of_knob[] = {
            {CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type},
            {CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &stored->knobs[k].value}};
        CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "a knob", of_knob, 2, &knobs[k]));
    }
    CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine's settings", of_config,
                         stored->n_knobs > 0 ? 2 : 1, config));
done:
    for (int k = 0; k < CR_PLAN_MAX_KNOBS; k++)
        cr_cudnn_drop(calls, &knobs[k]);
    cr_cudnn_drop(calls, &engine);
    return status;
}

cr_status cr_cudnn_plan_restore(const cr_cudnn_target *target, const cr_plan *stored, const char *layer,
                                cr_cudnn_plan *plan)
{
    cr_status status = CR_OK;
    char what[160];
    cudnnBackendDescriptor_t graph = NULL, config = NULL;
    engine_facts facts;
    const choice conditions = {CUDNN_HEUR_MODE_A, !stored->is_fallback};
    memset(plan, 0, sizeof *plan);
    cr_conv_text(&stored->shape, stored->pass, what, sizeof what);
    CR_TRY(cr_cudnn_graph_make(target, &stored->shape, stored->pass, &graph));
    status = make_config(target, graph, stored, &config);
    if (status == CR_OK)
        status = read_engine(target->calls, config, &facts);
    if (status == CR_OK && !passes(&facts, &stored->shape, &conditions))
        status = cr_fail(CR_BAD_DATA, "it is not deterministic, or not of the precision");
    if (status == CR_OK)
        status = try_plan(target, config, plan);
    if (status == CR_OK && !plan->plan)
        status = cr_fail(CR_BAD_DATA, "cuDNN does not take its settings, or it needs more than %d MB",
                         CR_CUDNN_WORKSPACE_MAX >> 20);
    if (status != CR_OK) {
        status = cr_fail_context(CR_BAD_DATA, "engine %lld for the %s (layer %s) cannot be used as stored",
                                 (long long)stored->engine, what, layer);
        goto done;
    }
    note_engine(&facts, plan);
    plan->place = stored->place;
    plan->is_fallback = stored->is_fallback;
    plan->n_knobs = stored->n_knobs;
    memcpy(plan->knobs, stored->knobs, sizeof plan->knobs);
done:
    cr_cudnn_drop(target->calls, &config);
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
