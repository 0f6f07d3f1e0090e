/* The CUDA backend's face: opens a device, compiles programs. */
#include "cuda_program.h"
#include "cuda_trial.h"
#include "cudnn_handle.h"

#include <stdlib.h>

static void free_program(cr_cuda_program *program)
{
    for (int s = 0; program->lowered.steps && s < program->lowered.n_steps; s++) {
        cr_convolution_step *own = program->lowered.steps[s].convolution;
        for (int p = 0; own && p < CR_CONV_N_PASSES; p++)
            cr_conv_plan_destroy(&own->plans[p]);
        free(own);
    }
    for (int g = 0; g < program->n_graphs; g++)
        cudaGraphExecDestroy(program->graphs[g].run);
    if (program->before)
        cudaEventDestroy(program->before);
    if (program->after)
        cudaEventDestroy(program->after);
    cr_cuda_inputs_destroy(&program->inputs);
    cudaFree(program->arena);
    cr_lowered_clear(&program->lowered);
    free(program);
}

/* Frees wait for what the device still does with the program. */
static void destroy_program(cr_program **head)
{
    if (!head || !*head)
        return;
    cr_cuda_program *program = (cr_cuda_program *)*head;
    cr_cuda *cuda = program->cuda;
    bool entered = cr_cuda_enter(cuda) == CR_OK;
    if (entered)
        cudaStreamSynchronize(cuda->stream);
    free_program(program);
    if (entered)
        cr_cuda_leave(cuda);
    *head = NULL;
}

static cr_status compile(cr_cuda_program *program)
{
    cr_status status = CR_OK;
    CR_TRY(cr_cuda_inputs_create(program->net, &program->params, &program->inputs));
    CR_TRY(cr_cuda_plan(program));
    if (program->params.profile) {
        CR_TRY(cr_cuda_check(cudaEventCreate(&program->before), "a clock"));
        CR_TRY(cr_cuda_check(cudaEventCreate(&program->after), "a clock"));
    }
done:
    return status;
}

static cr_status create_program(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                cr_program **head)
{
    cr_cuda *cuda = backend->context;
    cr_cuda_program *program = calloc(1, sizeof *program);
    if (!program)
        return cr_fail_memory("a program", sizeof *program);
    program->net = net;
    program->params = *params;
    program->cuda = cuda;
    program->bf16 = params->precision == CR_PRECISION_BF16;
    program->losses = program->sums_work = program->factors_work = CR_NONE;
    program->workspace = program->side_workspace = program->sample_plans = CR_NONE;
    *head = &program->head;
    cr_status status = cr_cuda_enter(cuda);
    if (status == CR_OK) {
        status = compile(program);
        cr_cuda_leave(cuda);
    }
    if (status != CR_OK)
        destroy_program(head);
    return status;
}

static void destroy_backend(cr_backend **backend)
{
    if (!backend || !*backend)
        return;
    cr_cuda *cuda = (*backend)->context;
    if (cuda) {
        cudaSetDevice(cuda->device);
        cr_conv_trials_forget(cuda);
        cr_cudnn_handle_destroy(cuda);
        cr_cuda_streams_close(cuda);
        cudaFreeHost(cuda->sum);
        cudaFree(cuda->sum_work);
        cudaFree(cuda->spans);
        pthread_mutex_destroy(&cuda->lock);
    }
    free(cuda);
    free(*backend);
    *backend = NULL;
}

static const cr_memory *memory_of(const cr_backend *backend)
{
    const cr_cuda *cuda = backend->context;
    return &cuda->memory;
}

static const char *library_text(const cr_backend *backend)
{
    const cr_cuda *cuda = backend->context;
    return cuda->library;
}

static const cr_plan_target *target_of(const cr_backend *backend)
{
    const cr_cuda *cuda = backend->context;
    return &cuda->target;
}

static void use_plans(cr_backend *backend, cr_plans *plans, bool measures)
{
    cr_cuda *cuda = backend->context;
    cuda->plans = plans;
    cuda->measures = plans && measures;
}

static const cr_backend_ops cuda_ops = {.name = "cuda",
                                        .program_create = create_program,
                                        .program_destroy = destroy_program,
                                        .train = cr_cuda_train,
                                        .evaluate = cr_cuda_evaluate,
                                        .destroy = destroy_backend,
                                        .program_describe = cr_cuda_describe,
                                        .program_times = cr_cuda_times,
                                        .library = library_text,
                                        .memory = memory_of,
                                        .wait = cr_cuda_wait,
                                        .update = cr_cuda_update,
                                        .sum_of_squares = cr_cuda_sum_of_squares,
                                        .plan_target = target_of,
                                        .use_plans = use_plans,
                                        .keeps_images = true};

static cr_status open_device(cr_cuda *cuda)
{
    cr_status status = CR_OK;
    void *sum = NULL;
    CR_TRY(cr_cuda_check(cudaSetDevice(cuda->device), "opening it"));
    CR_TRY(cr_cuda_streams_open(cuda));
    CR_TRY(cr_cuda_check(cudaHostAlloc(&sum, sizeof *cuda->sum, cudaHostAllocDefault), "memory for a sum"));
    cuda->sum = sum;
    CR_TRY(cr_cudnn_handle_create(cuda));
    cr_cuda_note_library(cuda->target.library);
    cuda->memory = (cr_memory){.ops = &cr_cuda_memory_ops, .context = cuda, .queue = cuda->stream};
    cuda->lane = (cr_memory){.ops = &cr_cuda_memory_ops, .context = cuda, .queue = cuda->exchange};
done:
    return status;
}

cr_status cr_backend_open_cuda(int device, cr_backend **backend)
{
    cr_status status = CR_OK;
    cr_backend *created = calloc(1, sizeof *created);
    cr_cuda *cuda = calloc(1, sizeof *cuda);
    if (!created || !cuda) {
        free(created);
        free(cuda);
        return cr_fail_memory("the CUDA backend", sizeof *created + sizeof *cuda);
    }
    created->ops = &cuda_ops;
    created->context = cuda;
    cuda->device = device;
    pthread_mutex_init(&cuda->lock, NULL);
    CR_TRY(open_device(cuda));
done:
    if (status != CR_OK)
        destroy_backend(&created);
    *backend = created;
    return status;
}
