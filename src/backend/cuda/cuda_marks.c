/* Marks of a gradient's buckets, in a run and in its captured graph: what is queued behind one finds the bucket
 * written, while backward goes on. */
#include "cuda_program.h"

/* The last step of backward that writes floats [begin, end); n_steps: none does, they are 0 from the start. */
static int last_writer(const cr_cuda_program *program, int64_t begin, int64_t end)
{
    const cr_lowered *lowered = &program->lowered;
    for (int s = 0; s < lowered->n_steps; s++) {
        const cr_step *step = &lowered->steps[s];
        const cr_layer *layer = step->layer;
        const int tensors[] = {layer->weight, layer->bias, layer->bn_weight, layer->bn_bias};
        if (!step->has_backward || (step->kind != CR_STEP_CONVOLUTION && step->kind != CR_STEP_DENSE))
            continue;
        for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
            int64_t at = tensors[i] < 0 ? end : program->net->tensors[tensors[i]].offset;
            if (at >= begin && at < end)
                return s;
        }
    }
    return lowered->n_steps; /* statistics are written by the forward pass */
}

void cr_cuda_marks_place(cr_cuda_program *program)
{
    const cr_buckets *buckets = &program->params.buckets;
    int64_t n = program->net->n_params + program->net->n_stats;
    for (int b = 0; b < buckets->n; b++)
        program->mark_after[b] = last_writer(program, buckets->begin[b], cr_bucket_end(buckets, b, n));
}

/* A mark in a graph is set anew by each launch, and waited for outside of it: that is an external event. Outside of a
 * capture, the runtime wants an ordinary one. */
static cr_status set_mark(const cr_cuda_run *run, int bucket)
{
    cr_status status = CR_OK;
    cr_cuda *cuda = run->program->cuda;
    unsigned kind = run->stream == cuda->capture ? cudaEventRecordExternal : cudaEventRecordDefault;
    if (run->side != run->stream) { /* the side has waited for the stream, and the stream need not wait for the side */
        CR_TRY(cr_cuda_check(cudaEventRecord(cuda->forked, run->stream), "a mark"));
        CR_TRY(cr_cuda_check(cudaStreamWaitEvent(run->side, cuda->forked, 0), "a mark"));
        run->program->is_forked = true;
    }
    CR_TRY(cr_cuda_check(cudaEventRecordWithFlags(cuda->marks[bucket], run->side, kind), "a mark"));
done:
    return status;
}

cr_status cr_cuda_marks_set(const cr_cuda_run *run, int step)
{
    cr_status status = CR_OK;
    const cr_cuda_program *program = run->program;
    for (int b = 0; b < program->params.buckets.n; b++)
        if (program->mark_after[b] == step)
            CR_TRY(set_mark(run, b));
done:
    return status;
}
