/* The maximum's gradient is gathered: every input reads the windows that cover it, so the order of additions is fixed
 * and nothing is cleared first. */
#include "norm_element.h"
#include "pool_place.h"

CR_KERNEL_PART int index_of(const cr_pool_index *bytes, int k)
{
    return (int)(bytes->w[k / 4] >> 8 * (k % 4) & 0xffU);
}

/* Of eight channels. */
typedef struct pool_norm {
    cr_eight mean, scale, k1, k2;
} pool_norm;

CR_KERNEL_PART void load_norm(const cr_pool_job *a, int eight, pool_norm *norm)
{
    norm->mean = cr_eight_load(a->arrays.mean, eight, false);
    norm->scale = cr_eight_load(a->arrays.scale, eight, false);
    norm->k1 = cr_eight_load(a->k1, eight, false);
    norm->k2 = cr_eight_load(a->k2, eight, false);
}

CR_KERNEL_PART void through_norm(cr_eight *total, const cr_packed *x, const pool_norm *norm, bool bf16)
{
    const cr_eight from = cr_packed_numbers(x, bf16);
    for (int k = 0; k < CR_EIGHT; k++)
        total->v[k] =
            cr_norm_dx(total->v[k], from.v[k], norm->mean.v[k], norm->scale.v[k], norm->k1.v[k], norm->k2.v[k]);
}

/* First and one-past-last window along one axis that cover input coordinate `at`: window o covers o·stride - padding …
 * + kernel - 1. */
CR_KERNEL_PART void cover(const cr_pool_job *a, int at, int n_windows, int *first, int *end)
{
    const int stride = (int)a->stride, padding = (int)a->padding;
    const int from = at + padding - (int)a->kernel; /* o·stride > from */
    *first = from < 0 ? 0 : from / stride + 1;
    *end = cr_pool_smaller((at + padding) / stride + 1, n_windows);
}

CR_GRID_KERNEL(max_backward, cr_pool_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const int eights = (int)(a.channels / CR_EIGHT), kernel = (int)a.kernel;
    const int stride = (int)a.stride, padding = (int)a.padding;
    const int out_height = (int)a.out_height, out_width = (int)a.out_width;
    cr_pool_place at;
    if (!cr_pool_place_of(i, a.n, a.height, a.width, eights, &at))
        return;
    int oy0, oy1, ox0, ox1;
    cover(&a, at.y, out_height, &oy0, &oy1);
    cover(&a, at.x, out_width, &ox0, &ox1);
    cr_eight total = {{0}}, more = {{0}};
    for (int oy = oy0; oy < oy1; oy++)
        for (int ox = ox0; ox < ox1; ox++) {
            const int from = ((at.n * out_height + oy) * out_width + ox) * eights + at.eight;
            const int position = (at.y - oy * stride + padding) * kernel + at.x - ox * stride + padding;
            const cr_pool_index index = ((const cr_pool_index *)a.index)[from];
            const cr_eight g = cr_eight_load(a.dy, from, a.bf16);
            if (a.dy1)
                more = cr_eight_load(a.dy1, from, a.bf16);
            for (int k = 0; k < CR_EIGHT; k++)
                total.v[k] += index_of(&index, k) == position ? g.v[k] + more.v[k] : 0.0F;
        }
    if (a.arrays.mean) {
        pool_norm norm;
        const cr_packed x = cr_packed_load(a.x, i, a.bf16);
        load_norm(&a, at.eight, &norm);
        through_norm(&total, &x, &norm, a.bf16);
    }
    cr_eight_store(a.out, i, &total, a.bf16);
}

/* A thread's two by two inputs lie under four of the usual windows: the first covers all of them, the next the right
 * ones, the third the lower ones, the last a corner. */
typedef struct usual_windows {
    cr_packed g[4];
    cr_pool_index index[4];
} usual_windows;

CR_KERNEL_PART void load_windows(const cr_pool_job *a, const cr_pool_place *at, bool bf16, usual_windows *windows)
{
    const int out_height = (int)a->out_height, out_width = (int)a->out_width;
    const int eights = (int)(a->channels / CR_EIGHT);
    const cr_packed zero = {{{0}}, {{0}}};
    const cr_pool_index nowhere = {{0xffffffffU, 0xffffffffU}};
    for (int w = 0; w < 4; w++) {
        const int row = at->y + w / 2, column = at->x + w % 2;
        const int from = ((at->n * out_height + row) * out_width + column) * eights + at->eight;
        windows->g[w] = zero;
        windows->index[w] = nowhere;
        if (row < out_height && column < out_width) {
            windows->g[w] = cr_packed_load(a->dy, from, bf16);
            windows->index[w] = ((const cr_pool_index *)a->index)[from];
        }
    }
}

/* Input p of the four; additions in max_backward's order. */
CR_KERNEL_PART cr_eight sum_windows(const usual_windows *windows, int p, bool bf16)
{
    cr_eight total = {{0}};
    for (int w = 0; w < 4; w++) {
        const int row = p / 2 + 1 - 2 * (w / 2), column = p % 2 + 1 - 2 * (w % 2);
        if (row < 0 || column < 0)
            continue;
        const cr_eight g = cr_packed_numbers(&windows->g[w], bf16);
        for (int k = 0; k < CR_EIGHT; k++)
            total.v[k] += index_of(&windows->index[w], k) == row * CR_POOL_USUAL + column ? g.v[k] : 0.0F;
    }
    return total;
}

CR_KERNEL_PART void usual_backward(const cr_pool_job *a, bool bf16, bool normed)
{
    const int eights = (int)(a->channels / CR_EIGHT), height = (int)a->height, width = (int)a->width;
    cr_pool_place at;
    if (!cr_pool_place_of(CR_THREAD_OF_GRID, a->n, a->out_height, a->out_width, eights, &at))
        return;
    const int first = ((at.n * height + 2 * at.y) * width + 2 * at.x) * eights + at.eight;
    const bool lower = 2 * at.y + 1 < height, right = 2 * at.x + 1 < width;
    usual_windows windows;
    pool_norm norm = {{{0}}, {{0}}, {{0}}, {{0}}};
    cr_packed x[4] = {{{{0}}, {{0}}}};
    load_windows(a, &at, bf16, &windows);
    for (int p = 0; normed && p < 4; p++)
        if ((p < 2 || lower) && (p % 2 == 0 || right))
            x[p] = cr_packed_load(a->x, first + (p / 2 * width + p % 2) * eights, bf16);
    if (normed)
        load_norm(a, at.eight, &norm);
    for (int p = 0; p < 4; p++) {
        if ((p >= 2 && !lower) || (p % 2 == 1 && !right))
            continue;
        cr_eight total = sum_windows(&windows, p, bf16);
        if (normed)
            through_norm(&total, &x[p], &norm, bf16);
        cr_eight_store(a->out, first + (p / 2 * width + p % 2) * eights, &total, bf16);
    }
}

CR_GRID_KERNEL(usual_backward_bf16, cr_pool_job)
{
    if (a.arrays.mean)
        usual_backward(&a, true, true);
    else
        usual_backward(&a, true, false);
}

CR_GRID_KERNEL(usual_backward_f32, cr_pool_job)
{
    if (a.arrays.mean)
        usual_backward(&a, false, true);
    else
        usual_backward(&a, false, false);
}

void cr_kernel_max_pool_backward(const cr_pool_job *job, cudaStream_t stream)
{
    int64_t threads = job->n * job->height * job->width * (job->channels / CR_EIGHT);
    if (!cr_pool_is_usual(job) || job->dy1)
        CR_LAUNCH(max_backward, cr_kernel_blocks(threads), 1, CR_KERNEL_THREADS, stream, job);
    else if (job->bf16)
        CR_LAUNCH(usual_backward_bf16, cr_pool_usual_blocks(job), 1, CR_POOL_USUAL_THREADS, stream, job);
    else
        CR_LAUNCH(usual_backward_f32, cr_pool_usual_blocks(job), 1, CR_POOL_USUAL_THREADS, stream, job);
}
