/* A convolution step: the convolution itself, then norm, residual, ReLU and pooling by own kernels. */
#include "cuda_program.h"

static cr_norm_arrays arrays_of(const cr_cuda_program *program, const cr_step *step)
{
    int64_t channels = cr_cuda_padded(step->convolution->shape.channels);
    cr_norm_arrays arrays;
    arrays.mean = cr_cuda_buffer(program, step->convolution->arrays);
    arrays.scale = arrays.mean + channels;
    arrays.shift = arrays.scale + channels;
    arrays.inverse = arrays.shift + channels;
    return arrays;
}

static int64_t pixels_of(const cr_cuda_program *program, cr_shape shape)
{
    return program->params.micro_batch * shape.height * shape.width;
}

/* Of the whole result, or of what was pooled from it. */
static cr_norm_job norm_job(const cr_cuda_run *run, const cr_step *step, bool pooled)
{
    const cr_cuda_program *program = run->program;
    const cr_convolution_step *own = step->convolution;
    float *k1 = cr_cuda_buffer(program, program->factors_work);
    int64_t channels = cr_cuda_padded(own->shape.channels);
    return (cr_norm_job){.x = cr_cuda_buffer(program, pooled ? own->pooled : own->x),
                         .y = cr_cuda_value_data(program, step->dst),
                         .arrays = arrays_of(program, step),
                         .k1 = k1,
                         .k2 = k1 ? k1 + channels : NULL,
                         .partials = cr_cuda_buffer(program, program->sums_work),
                         .pixels = pixels_of(program, pooled ? program->lowered.values[step->dst].shape : own->shape),
                         .channels = channels,
                         .mask = own->mask,
                         .relu = step->layer->relu,
                         .bf16 = program->bf16};
}

static cr_norm_finish_job finish_job(const cr_cuda_run *run, const cr_step *step, const cr_norm_job *norm)
{
    const cr_cuda_program *program = run->program;
    const cr_layer *layer = step->layer;
    float *k1 = cr_cuda_buffer(program, program->factors_work);
    cr_norm_finish_job job = {.partials = norm->partials,
                              .pixels = norm->pixels,
                              .channels = norm->channels,
                              .n_channels = step->convolution->shape.channels,
                              .count = (double)pixels_of(program, step->convolution->shape),
                              .arrays = norm->arrays,
                              .k1 = k1,
                              .k2 = k1 ? k1 + norm->channels : NULL,
                              .bias = cr_cuda_tensor(run, layer->bias),
                              .weight = cr_cuda_tensor(run, layer->bn_weight),
                              .shift = cr_cuda_tensor(run, layer->bn_bias),
                              .mean = cr_cuda_tensor(run, layer->bn_mean),
                              .variance = cr_cuda_tensor(run, layer->bn_var)};
    if (!run->gradient)
        return job;
    job.d_bias = cr_cuda_tensor_gradient(run, layer->bias);
    job.d_weight = cr_cuda_tensor_gradient(run, layer->bn_weight);
    job.d_shift = cr_cuda_tensor_gradient(run, layer->bn_bias);
    job.d_mean = cr_cuda_tensor_gradient(run, layer->bn_mean);
    job.d_variance = cr_cuda_tensor_gradient(run, layer->bn_var);
    return job;
}

static cr_pool_job pool_job(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    const cr_layer *pool = step->pool;
    const cr_convolution_step *own = step->convolution;
    cr_shape out = program->lowered.values[step->dst].shape;
    return (cr_pool_job){.x = cr_cuda_buffer(program, own->x),
                         .index = cr_cuda_buffer(program, step->bytes),
                         .n = program->params.micro_batch,
                         .height = own->shape.height,
                         .width = own->shape.width,
                         .out_height = out.height,
                         .out_width = out.width,
                         .channels = cr_cuda_padded(own->shape.channels),
                         .kernel = pool->kernel,
                         .stride = pool->stride,
                         .padding = pool->padding,
                         .bf16 = program->bf16};
}

/* It reads blocks of the image's pixels. */
static bool is_stem(const cr_cuda_program *program, const cr_step *step)
{
    return program->lowered.values[step->src].form == CR_FORM_INPUT;
}

static cr_stem_job stem_job(const cr_cuda_program *program, const cr_step *step)
{
    const cr_layer *layer = step->layer;
    int64_t out = step->convolution->shape.channels;
    return (cr_stem_job){.out = out,
                         .in = program->lowered.values[step->src].shape.channels,
                         .out_padded = cr_cuda_padded(out),
                         .kernel = layer->kernel,
                         .padding = layer->padding,
                         .wide = program->stem.kernel,
                         .bf16 = program->bf16};
}

static cr_weights_job weights_job(const cr_cuda_program *program, const cr_step *step)
{
    const cr_layer *layer = step->layer;
    int64_t in = program->lowered.values[step->src].shape.channels, out = step->convolution->shape.channels;
    return (cr_weights_job){.out = out,
                            .in = in,
                            .out_padded = cr_cuda_padded(out),
                            .in_padded = cr_cuda_padded(in),
                            .area = layer->kernel * layer->kernel,
                            .bf16 = program->bf16};
}

static void pack_stem(const cr_cuda_run *run, const cr_step *step)
{
    cr_stem_job stem = stem_job(run->program, step);
    stem.state = (float *)cr_cuda_tensor(run, step->layer->weight); /* read only */
    stem.packed = cr_cuda_buffer(run->program, step->convolution->packed);
    cr_kernel_stem_pack(&stem, run->stream);
}

static void make_constants(const cr_cuda_run *run, const cr_step *step)
{
    cr_norm_job norm = norm_job(run, step, false);
    cr_norm_finish_job finish = finish_job(run, step, &norm);
    cr_kernel_norm_constants(&finish, run->stream);
}

void cr_cuda_convolutions_prepare(const cr_cuda_run *run)
{
    cr_weights_job jobs[64]; /* most layers are too small for a launch of their own */
    const cr_cuda_program *program = run->program;
    int n = 0;
    for (int s = 0; s < program->lowered.n_steps; s++) {
        const cr_step *step = &program->lowered.steps[s];
        if (step->kind != CR_STEP_CONVOLUTION)
            continue;
        if (!step->learns)
            make_constants(run, step);
        if (is_stem(program, step)) {
            pack_stem(run, step);
            continue;
        }
        if (n == (int)(sizeof jobs / sizeof *jobs)) {
            cr_kernel_weights_pack(jobs, n, run->stream);
            n = 0;
        }
        jobs[n] = weights_job(program, step);
        jobs[n].state = (float *)cr_cuda_tensor(run, step->layer->weight); /* read only */
        jobs[n++].packed = cr_cuda_buffer(program, step->convolution->packed);
    }
    cr_kernel_weights_pack(jobs, n, run->stream);
}

static cr_status run_pass(const cr_cuda_run *run, const cr_step *step, cr_conv_pass pass, void *x, void *w)
{
    const cr_cuda_program *program = run->program;
    bool on_side = pass == CR_CONV_WEIGHTS;
    return cr_conv_plan_run(step->convolution->plans[pass], x, w, cr_cuda_buffer(program, step->convolution->x),
                            cr_cuda_buffer(program, on_side ? program->side_workspace : program->workspace),
                            on_side ? run->side : run->stream);
}

cr_status cr_cuda_convolution_forward(const cr_cuda_run *run, const cr_step *step)
{
    cr_status status = CR_OK;
    const cr_cuda_program *program = run->program;
    const cr_convolution_step *own = step->convolution;
    bool pools = step->pool;
    CR_TRY(run_pass(run, step, CR_CONV_FORWARD, cr_cuda_value_data(program, step->src),
                    cr_cuda_buffer(program, own->packed)));
    cr_norm_job whole = norm_job(run, step, false), norm = norm_job(run, step, pools);
    cr_norm_finish_job finish = finish_job(run, step, &whole);
    if (step->learns && finish.weight) {
        cr_kernel_norm_statistics(&whole, run->stream);
        cr_kernel_norm_finish_forward(&finish, run->stream);
    } else if (step->learns) {
        cr_kernel_norm_constants(&finish, run->stream);
    }
    if (pools) {
        cr_pool_job pool = pool_job(run, step);
        pool.scale = whole.arrays.scale;
        pool.out = cr_cuda_buffer(program, own->pooled);
        cr_kernel_max_pool_forward(&pool, run->stream);
    }
    norm.add = cr_cuda_value_data(program, step->src2);
    norm.out = cr_cuda_value_data(program, step->dst);
    cr_kernel_norm_apply(&norm, run->stream);
done:
    return status;
}

/* The gradient of the convolution's result, written over that result. */
static void norm_backward(const cr_cuda_run *run, const cr_step *step)
{
    const cr_cuda_program *program = run->program;
    const cr_convolution_step *own = step->convolution;
    const cr_value *dst = &program->lowered.values[step->dst];
    bool pools = step->pool;
    void *g0 = cr_cuda_buffer(program, dst->gradients[0]);
    cr_norm_job sums = norm_job(run, step, pools);
    sums.g0 = g0;
    sums.g1 = dst->n_gradients == 2 ? cr_cuda_buffer(program, dst->gradients[1]) : NULL;
    sums.out = own->writes_dz ? g0 : NULL;
    cr_kernel_norm_backward_sums(&sums, run->stream);
    cr_norm_finish_job finish = finish_job(run, step, &sums);
    cr_kernel_norm_finish_backward(&finish, run->stream);
    if (pools) {
        cr_pool_job pool = pool_job(run, step);
        pool.dy = g0;
        pool.out = cr_cuda_buffer(program, own->x);
        pool.arrays = sums.arrays;
        pool.k1 = sums.k1;
        pool.k2 = sums.k2;
        cr_kernel_max_pool_backward(&pool, run->stream);
        return;
    }
    sums.g1 = NULL;
    sums.mask = own->writes_dz ? CR_MASK_FROM_NOTHING : own->mask;
    sums.out = cr_cuda_buffer(program, own->x);
    cr_kernel_norm_backward_apply(&sums, run->stream);
}

static cr_status weights_backward(const cr_cuda_run *run, const cr_step *step)
{
    cr_status status = CR_OK;
    const cr_cuda_program *program = run->program;
    void *d_packed = cr_cuda_buffer(program, step->convolution->d_packed);
    float *d_state = cr_cuda_tensor_gradient(run, step->layer->weight);
    CR_TRY(cr_cuda_fork(run));
    CR_TRY(run_pass(run, step, CR_CONV_WEIGHTS, cr_cuda_value_data(program, step->src), d_packed));
    if (is_stem(program, step)) {
        cr_stem_job stem = stem_job(program, step);
        stem.state = d_state;
        stem.packed = d_packed;
        cr_kernel_stem_unpack(&stem, run->side);
    } else {
        cr_weights_job weights = weights_job(program, step);
        weights.state = d_state;
        weights.packed = d_packed;
        cr_kernel_weights_unpack(&weights, run->side);
    }
done:
    return status;
}

cr_status cr_cuda_convolution_backward(const cr_cuda_run *run, const cr_step *step)
{
    cr_status status = CR_OK;
    const cr_cuda_program *program = run->program;
    const cr_convolution_step *own = step->convolution;
    norm_backward(run, step);
    cr_cuda_sink_finish(run, step->src2, step->sink2);
    CR_TRY(weights_backward(run, step));
    if (step->sink.buffer == CR_NONE)
        goto done;
    CR_TRY(run_pass(run, step, CR_CONV_DATA, cr_cuda_buffer(program, step->sink.buffer),
                    cr_cuda_buffer(program, own->packed)));
    cr_cuda_sink_finish(run, step->src, step->sink);
done:
    return status;
}
