/* The CPU backend's face: opens oneDNN, compiles programs. */
#include "convolution.h"
#include "dense.h"
#include "weights.h"

#include <stdlib.h>

typedef struct cpu_context {
    cr_engine *engine;
    char library[64];
} cpu_context;

static void destroy_program(cr_program **head)
{
    if (!head || !*head)
        return;
    cr_cpu_program *program = (cr_cpu_program *)*head;
    for (int s = 0; program->lowered.steps && s < program->lowered.n_steps; s++) {
        cr_convolution_step_destroy(&program->lowered.steps[s].convolution);
        cr_dense_step_destroy(&program->lowered.steps[s].dense);
    }
    free(program->arena);
    free(program->places);
    cr_lowered_clear(&program->lowered);
    free(program);
    *head = NULL;
}

/* Formats by processor: oneDNN's kernels for AVX-512 want blocks of 16 channels, those for AMX and, where blocks would
 * be of 8, for AVX2 take channels last. */
static cr_status choose_formats(cr_cpu_program *program)
{
    cr_isa isa = cr_engine_isa();
    program->bf16 = program->params.precision == CR_PRECISION_BF16;
    if (program->bf16 && isa < CR_ISA_AVX512_BF16)
        return cr_fail(CR_BAD_CONFIG, "this processor has no bf16 instructions (AVX512_BF16 or AMX), without which "
                                      "bf16 is slower than f32: set train.precision to f32");
    bool blocked = isa >= CR_ISA_AVX512 && !(program->bf16 && isa == CR_ISA_AMX);
    program->formats[CR_FORM_PLAIN] = CR_FORMAT_PLAIN;
    program->formats[CR_FORM_SPATIAL] = blocked ? CR_FORMAT_BLOCKED : CR_FORMAT_NHWC;
    program->formats[CR_FORM_INPUT] = blocked ? CR_FORMAT_PLAIN : CR_FORMAT_NHWC;
    return CR_OK;
}

static cr_status create_program(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                cr_program **head)
{
    cr_status status = CR_OK;
    const cpu_context *context = backend->context;
    cr_cpu_program *program = calloc(1, sizeof *program);
    if (!program)
        return cr_fail_memory("a program", sizeof *program);
    program->net = net;
    program->params = *params;
    program->engine = context->engine;
    program->channel_work = program->fold_work = program->augment_work = CR_NONE;
    cr_engine_set_threads(params->n_threads);
    CR_TRY(choose_formats(program));
    CR_TRY(cr_program_plan(program));
    *head = &program->head;
    return CR_OK;
done:
    *head = &program->head;
    destroy_program(head);
    return status;
}

static void destroy_backend(cr_backend **backend)
{
    if (!backend || !*backend)
        return;
    cpu_context *context = (*backend)->context;
    if (context)
        cr_engine_destroy(&context->engine);
    free(context);
    free(*backend);
    *backend = NULL;
}

static void import_state(cr_backend *backend, const cr_net *net, const float *canonical, float *native)
{
    (void)backend;
    cr_weights_import(net, canonical, native);
}

static void export_state(cr_backend *backend, const cr_net *net, const float *native, float *canonical)
{
    (void)backend;
    cr_weights_export(net, native, canonical);
}

static const char *library_text(const cr_backend *backend)
{
    const cpu_context *context = backend->context;
    return context->library;
}

static const cr_backend_ops cpu_ops = {.name = "cpu",
                                       .program_create = create_program,
                                       .program_destroy = destroy_program,
                                       .train = cr_program_train_cpu,
                                       .evaluate = cr_program_evaluate_cpu,
                                       .destroy = destroy_backend,
                                       .state_import = import_state,
                                       .state_export = export_state,
                                       .program_describe = cr_program_describe_cpu,
                                       .program_times = cr_program_times_cpu,
                                       .library = library_text};

cr_status cr_backend_open_cpu(cr_backend **backend)
{
    cr_status status = CR_OK;
    cr_backend *created = calloc(1, sizeof *created);
    cpu_context *context = calloc(1, sizeof *context);
    if (!created || !context) {
        free(created);
        free(context);
        return cr_fail_memory("the CPU backend", sizeof *created + sizeof *context);
    }
    created->ops = &cpu_ops;
    created->context = context;
    CR_TRY(cr_engine_create(&context->engine));
    cr_engine_describe(context->library, sizeof context->library);
done:
    if (status != CR_OK)
        destroy_backend(&created);
    *backend = created;
    return status;
}
