/* Batch norm's passes over values: z, ReLU and residual forward; the gradient of its input backward. A thread takes
 * eight channels of a pixel at a time, and a few of them whose loads are under way together; where a block's width is a
 * multiple of a pixel's, they are of the same channels, whose constants it then loads once. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"
#include "value_element.h"

enum {
    AHEAD = 4,                       /* eights a thread */
    SPAN = AHEAD * CR_KERNEL_THREADS /* eights a block */
};

static int64_t n_blocks(const cr_norm_job *job)
{
    return (job->pixels * (job->channels / CR_EIGHT) + SPAN - 1) / SPAN;
}

/* Of eight channels. Numbers of eights fit 32 bits: a program with more is refused. */
typedef struct norm_constants {
    cr_eight mean, scale, shift, k1, k2;
} norm_constants;

CR_KERNEL_PART void load_constants(const cr_norm_job *a, int64_t i, bool with_shift, bool with_k,
                                   norm_constants *constants)
{
    const int64_t eight = (uint32_t)i % (uint32_t)(a->channels / CR_EIGHT);
    constants->mean = cr_eight_load(a->arrays.mean, eight, false);
    constants->scale = cr_eight_load(a->arrays.scale, eight, false);
    if (with_shift)
        constants->shift = cr_eight_load(a->arrays.shift, eight, false);
    if (with_k) {
        constants->k1 = cr_eight_load(a->k1, eight, false);
        constants->k2 = cr_eight_load(a->k2, eight, false);
    }
}

CR_KERNEL_PART bool same_channels(const cr_norm_job *a)
{
    return CR_KERNEL_THREADS % (uint32_t)(a->channels / CR_EIGHT) == 0;
}

CR_KERNEL_PART void apply_to(const cr_norm_job *a, bool bf16, bool adds)
{
    const int64_t end = a->pixels * (a->channels / CR_EIGHT), first = CR_BLOCK * SPAN + CR_THREAD;
    const bool same = same_channels(a);
    cr_packed x[AHEAD], add[AHEAD];
    norm_constants c;
    for (int u = 0; u < AHEAD; u++) {
        const int64_t i = first + u * CR_KERNEL_THREADS;
        if (i < end) {
            x[u] = cr_packed_load(a->x, i, bf16);
            if (adds)
                add[u] = cr_packed_load(a->add, i, bf16);
        }
    }
    load_constants(a, first, true, false, &c);
    for (int u = 0; u < AHEAD; u++) {
        const int64_t i = first + u * CR_KERNEL_THREADS;
        if (i >= end)
            continue;
        const cr_eight from = cr_packed_numbers(&x[u], bf16);
        cr_eight more = {{0}}, y;
        if (adds)
            more = cr_packed_numbers(&add[u], bf16);
        if (!same && u > 0)
            load_constants(a, i, true, false, &c);
        for (int k = 0; k < CR_EIGHT; k++) {
            float z = cr_norm_z(from.v[k], c.mean.v[k], c.scale.v[k], c.shift.v[k]);
            if (adds)
                z += more.v[k];
            y.v[k] = a->relu ? cr_norm_relu(z) : z;
        }
        cr_eight_store(a->out, i, &y, bf16);
    }
}

CR_GRID_KERNEL(apply_bf16, cr_norm_job)
{
    if (a.add)
        apply_to(&a, true, true);
    else
        apply_to(&a, true, false);
}

CR_GRID_KERNEL(apply_f32, cr_norm_job)
{
    if (a.add)
        apply_to(&a, false, true);
    else
        apply_to(&a, false, false);
}

void cr_kernel_norm_apply(const cr_norm_job *job, cudaStream_t stream)
{
    if (job->bf16)
        CR_LAUNCH(apply_bf16, n_blocks(job), 1, CR_KERNEL_THREADS, stream, job);
    else
        CR_LAUNCH(apply_f32, n_blocks(job), 1, CR_KERNEL_THREADS, stream, job);
}

CR_KERNEL_PART void backward_to(const cr_norm_job *a, bool bf16, cr_mask_from mask)
{
    const int64_t end = a->pixels * (a->channels / CR_EIGHT), first = CR_BLOCK * SPAN + CR_THREAD;
    const bool same = same_channels(a), from_x = mask == CR_MASK_FROM_X;
    cr_packed x[AHEAD], g[AHEAD], y[AHEAD];
    norm_constants c;
    for (int u = 0; u < AHEAD; u++) {
        const int64_t i = first + u * CR_KERNEL_THREADS;
        if (i < end) {
            x[u] = cr_packed_load(a->x, i, bf16);
            g[u] = cr_packed_load(a->g0, i, bf16);
            if (mask == CR_MASK_FROM_Y)
                y[u] = cr_packed_load(a->y, i, bf16);
        }
    }
    load_constants(a, first, from_x, true, &c);
    for (int u = 0; u < AHEAD; u++) {
        const int64_t i = first + u * CR_KERNEL_THREADS;
        if (i >= end)
            continue;
        const cr_eight from = cr_packed_numbers(&x[u], bf16), dz = cr_packed_numbers(&g[u], bf16);
        cr_eight open = from, dx;
        if (mask == CR_MASK_FROM_Y)
            open = cr_packed_numbers(&y[u], bf16);
        if (!same && u > 0)
            load_constants(a, i, from_x, true, &c);
        for (int k = 0; k < CR_EIGHT; k++) {
            const float sign = from_x ? cr_norm_z(from.v[k], c.mean.v[k], c.scale.v[k], c.shift.v[k]) : open.v[k];
            const float g_k = mask == CR_MASK_FROM_NOTHING || sign > 0.0F ? dz.v[k] : 0.0F;
            dx.v[k] = cr_norm_dx(g_k, from.v[k], c.mean.v[k], c.scale.v[k], c.k1.v[k], c.k2.v[k]);
        }
        cr_eight_store(a->out, i, &dx, bf16);
    }
}

CR_KERNEL_PART void backward_masked(const cr_norm_job *a, bool bf16)
{
    if (a->mask == CR_MASK_FROM_X)
        backward_to(a, bf16, CR_MASK_FROM_X);
    else if (a->mask == CR_MASK_FROM_Y)
        backward_to(a, bf16, CR_MASK_FROM_Y);
    else
        backward_to(a, bf16, CR_MASK_FROM_NOTHING);
}

CR_GRID_KERNEL(backward_apply_bf16, cr_norm_job)
{
    backward_masked(&a, true);
}

CR_GRID_KERNEL(backward_apply_f32, cr_norm_job)
{
    backward_masked(&a, false);
}

void cr_kernel_norm_backward_apply(const cr_norm_job *job, cudaStream_t stream)
{
    if (job->bf16)
        CR_LAUNCH(backward_apply_bf16, n_blocks(job), 1, CR_KERNEL_THREADS, stream, job);
    else
        CR_LAUNCH(backward_apply_f32, n_blocks(job), 1, CR_KERNEL_THREADS, stream, job);
}
