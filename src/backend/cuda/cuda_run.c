/* One micro-batch through a program: the batch to the device, a captured graph of all kernels, the results back. */
#include "cuda_program.h"

#include "crisol/clock.h"

/* One step; a profile adds the time that it took on the device. */
static cr_status queue_step(const cr_cuda_run *run, cr_step *step, bool backward)
{
    cr_status status = CR_OK;
    float milliseconds = 0;
    cr_cuda_program *program = run->program;
    bool profile = program->params.profile;
    if (profile)
        CR_TRY(cr_cuda_check(cudaEventRecord(program->before, run->stream), "a clock"));
    CR_TRY(backward ? cr_cuda_step_backward(run, step) : cr_cuda_step_forward(run, step));
    if (!profile)
        goto done;
    CR_TRY(cr_cuda_check(cudaEventRecord(program->after, run->stream), "a clock"));
    CR_TRY(cr_cuda_check(cudaEventSynchronize(program->after), "a clock"));
    CR_TRY(cr_cuda_check(cudaEventElapsedTime(&milliseconds, program->before, program->after), "a clock"));
    *(backward ? &step->backward_s : &step->forward_s) += (double)milliseconds * 1e-3;
done:
    return status;
}

cr_status cr_cuda_join(const cr_cuda_run *run)
{
    cr_status status = CR_OK;
    cr_cuda *cuda = run->program->cuda;
    if (!run->program->is_forked)
        goto done;
    CR_TRY(cr_cuda_check(cudaEventRecord(cuda->joined, run->side), "a gradient of weights"));
    CR_TRY(cr_cuda_check(cudaStreamWaitEvent(run->stream, cuda->joined, 0), "a gradient of weights"));
    run->program->is_forked = false;
done:
    return status;
}

cr_status cr_cuda_fork(const cr_cuda_run *run)
{
    cr_status status = CR_OK;
    cr_cuda *cuda = run->program->cuda;
    if (run->side == run->stream)
        goto done;
    CR_TRY(cr_cuda_join(run));
    CR_TRY(cr_cuda_check(cudaEventRecord(cuda->forked, run->stream), "a gradient of weights"));
    CR_TRY(cr_cuda_check(cudaStreamWaitEvent(run->side, cuda->forked, 0), "a gradient of weights"));
    run->program->is_forked = true;
done:
    return status;
}

/* The kernels of a whole run. */
static cr_status queue(const cr_cuda_run *run)
{
    cr_status status = CR_OK;
    cr_cuda_program *program = run->program;
    const cr_net *net = program->net;
    const cr_cuda_inputs *inputs = &program->inputs;
    if (run->gradient) /* padding, and tensors that the logits do not depend on, stay 0 */
        CR_TRY(cr_cuda_check(
            cudaMemsetAsync(run->gradient, 0, (size_t)(net->n_params + net->n_stats) * sizeof(float), run->stream),
            "a gradient"));
    for (int s = 0; s < program->lowered.n_steps; s++)
        CR_TRY(queue_step(run, &program->lowered.steps[s], false));
    if (!run->gradient)
        goto done;
    cr_loss_job loss = {.head = (const cr_batch_head *)(inputs->block + inputs->at.head),
                        .logits = cr_cuda_value_data(program, program->lowered.logits),
                        .labels = (const int32_t *)(inputs->block + inputs->at.labels),
                        .losses = cr_cuda_buffer(program, program->losses),
                        .dlogits = cr_cuda_buffer(program, program->lowered.logits_gradient),
                        .n = program->params.micro_batch,
                        .n_classes = net->n_classes};
    cr_kernel_loss(&loss, run->stream);
    CR_TRY(cr_cuda_marks_set(run, program->lowered.n_steps));
    for (int s = program->lowered.n_steps - 1; s >= 0; s--) {
        if (!program->lowered.steps[s].has_backward)
            continue;
        CR_TRY(queue_step(run, &program->lowered.steps[s], true));
        CR_TRY(cr_cuda_marks_set(run, s));
    }
    CR_TRY(cr_cuda_join(run));
done:
    program->is_forked = false;
    return status;
}

static cr_status capture(const cr_cuda_run *run, cudaGraphExec_t *captured)
{
    cr_status status = CR_OK;
    cudaStream_t stream = run->program->cuda->capture;
    cudaGraph_t graph = NULL;
    cr_cuda_run recorded = *run;
    recorded.stream = stream;
    CR_TRY(cr_cuda_check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "a captured run"));
    status = queue(&recorded);
    cudaError_t ended = cudaStreamEndCapture(stream, &graph); /* also after a failure, or the stream stays unusable */
    CR_TRY(status);
    CR_TRY(cr_cuda_check(ended, "a captured run"));
    CR_TRY(cr_cuda_check(cudaGraphInstantiate(captured, graph, 0), "a captured run"));
done:
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

/* A run's graph is captured once for each pair of arrays: a tree stack hands out a few. The first run of a program
 * goes without, since libraries load their kernels then, which no capture allows. */
static cr_status launch(const cr_cuda_run *run)
{
    cr_status status = CR_OK;
    cr_cuda_program *program = run->program;
    int g = 0;
    while (g < program->n_graphs &&
           (program->graphs[g].state != run->state || program->graphs[g].gradient != run->gradient))
        g++;
    if (program->n_runs == 0 || g == CR_CUDA_MAX_GRAPHS)
        return queue(run);
    if (g == program->n_graphs) {
        cr_cuda_graph graph = {.state = run->state, .gradient = run->gradient};
        CR_TRY(capture(run, &graph.run));
        program->graphs[program->n_graphs++] = graph;
    }
    status = cr_cuda_check(cudaGraphLaunch(program->graphs[g].run, run->stream), "a captured run");
done:
    return status;
}

/* What the program keeps of the state is made again when the state changed. */
static void prepare(const cr_cuda_run *run, uint64_t version)
{
    cr_cuda_program *program = run->program;
    if (program->prepared && program->prepared_state == run->state && program->prepared_version == version)
        return;
    cr_cuda_convolutions_prepare(run);
    program->prepared = true;
    program->prepared_state = run->state;
    program->prepared_version = version;
}

/* The network's inputs from the batch, in kernels whose arguments change from call to call. */
static void make_inputs(const cr_cuda_run *run, const cr_batch *batch, const uint8_t *images)
{
    const cr_cuda_program *program = run->program;
    const cr_cuda_inputs *inputs = &program->inputs;
    bool mixes = program->params.training && batch->mixes;
    const cr_mix *mix = mixes ? (const cr_mix *)(inputs->block + inputs->at.mixes) : NULL;
    if (program->lowered.image != CR_NONE) {
        cr_augment_job job = {.images = images,
                              .places = batch->places ? (const int64_t *)(inputs->block + inputs->at.places) : NULL,
                              .augments =
                                  batch->augments ? (const cr_augment *)(inputs->block + inputs->at.augments) : NULL,
                              .mixes = mix,
                              .plans = cr_cuda_buffer(program, program->sample_plans),
                              .out = cr_cuda_value_data(program, program->lowered.image),
                              .blocks = program->lowered.forms.image == CR_FORM_INPUT,
                              .before = program->stem.before,
                              .behind = program->stem.behind,
                              .n = inputs->n,
                              .size = program->net->image_size,
                              .bf16 = program->bf16};
        for (int c = 0; c < 3; c++) {
            job.mean[c] = cr_image_mean[c];
            job.deviation[c] = cr_image_deviation[c];
        }
        cr_kernel_augment(&job, run->stream);
    }
    if (program->lowered.metadata == CR_NONE)
        return;
    cr_metadata_job job = {.metadata = (const float *)(inputs->block + inputs->at.metadata),
                           .mixes = mix,
                           .out = cr_cuda_value_data(program, program->lowered.metadata),
                           .n = inputs->n,
                           .width = inputs->n_features};
    cr_kernel_metadata(&job, run->stream);
}

static cr_status run_batch(cr_cuda_program *program, const float *state, const cr_batch *batch, float *gradient,
                           const cr_batch_result *result)
{
    cr_status status = CR_OK;
    const uint8_t *images;
    double start = cr_clock_s();
    cr_cuda *cuda = program->cuda;
    cr_cuda_run run = {.program = program,
                       .stream = cuda->stream,
                       .side = program->params.profile ? cuda->stream : cuda->side, /* or times would mix */
                       .state = state,
                       .gradient = gradient};
    CR_TRY(cr_cuda_inputs_send(program->cuda, &program->inputs, batch, &images));
    prepare(&run, batch->state_version);
    make_inputs(&run, batch, images);
    program->input_s += cr_clock_s() - start;
    CR_TRY(program->params.profile ? queue(&run) : launch(&run));
    CR_TRY(cr_cuda_check(cudaGetLastError(), "a kernel"));
    program->n_runs++;
    CR_TRY(cr_cuda_inputs_receive(program->cuda, &program->inputs, cr_cuda_value_data(program, program->lowered.logits),
                                  cr_cuda_buffer(program, program->losses), result));
done:
    if (status != CR_OK)
        program->prepared = false;
    return status;
}

cr_status cr_cuda_train(cr_program *head, const float *state, const cr_batch *batch, float *gradient,
                        cr_batch_result *result)
{
    cr_cuda_program *program = (cr_cuda_program *)head;
    cr_status status = cr_cuda_enter(program->cuda);
    if (status != CR_OK)
        return status;
    status = run_batch(program, state, batch, gradient, result);
    cr_cuda_leave(program->cuda);
    return status;
}

cr_status cr_cuda_wait(cr_program *head)
{
    cr_cuda_program *program = (cr_cuda_program *)head;
    cr_status status = cr_cuda_enter(program->cuda);
    if (status != CR_OK)
        return status;
    status = cr_cuda_inputs_wait(&program->inputs);
    cr_cuda_leave(program->cuda);
    return status;
}

cr_status cr_cuda_evaluate(cr_program *head, const float *state, const cr_batch *batch, float *logits)
{
    cr_cuda_program *program = (cr_cuda_program *)head;
    cr_batch_result result = {.logits = logits};
    cr_status status = cr_cuda_enter(program->cuda);
    if (status != CR_OK)
        return status;
    status = run_batch(program, state, batch, NULL, &result);
    if (status == CR_OK)
        status = cr_cuda_inputs_wait(&program->inputs);
    cr_cuda_leave(program->cuda);
    return status;
}
