/* The maximum over windows of spatial values, and where it was. */
#include "pool_place.h"

#include <math.h>

CR_KERNEL_PART int larger(int a, int b)
{
    return a > b ? a : b;
}

CR_KERNEL_PART void store_index(uint8_t *index, int64_t i, const int where[CR_EIGHT])
{
    cr_pool_index bytes = {{0}};
    for (int k = 0; k < CR_EIGHT; k++)
        bytes.w[k / 4] |= (uint32_t)where[k] << 8 * (k % 4);
    ((cr_pool_index *)index)[i] = bytes;
}

/* Of eight channels: the largest so far, of values whose sign is turned where the smallest is looked for. */
typedef struct pool_best {
    cr_eight value;
    int where[CR_EIGHT];
} pool_best;

/* A scale's signs, where the numbers' own are. */
CR_KERNEL_PART cr_packed signs_of(const float *scale, int eight, bool bf16)
{
    cr_packed signs = {{{0}}, {{0}}};
    if (!scale)
        return signs;
    cr_packed bits = cr_packed_load(scale, eight, false);
    for (int k = 0; k < 4; k++)
        if (bf16) {
            const cr_words *half = k < 2 ? &bits.low : &bits.high;
            signs.low.w[k] = half->w[2 * k % 4] >> 16 & 0x8000U;
            signs.low.w[k] |= half->w[2 * k % 4 + 1] & 0x80000000U;
        } else {
            signs.low.w[k] = bits.low.w[k] & 0x80000000U;
            signs.high.w[k] = bits.high.w[k] & 0x80000000U;
        }
    return signs;
}

CR_KERNEL_PART cr_packed turned(const cr_packed *x, const cr_packed *signs, bool bf16)
{
    cr_packed out = *x;
    for (int k = 0; k < 4; k++) {
        out.low.w[k] ^= signs->low.w[k];
        if (!bf16)
            out.high.w[k] ^= signs->high.w[k];
    }
    return out;
}

CR_KERNEL_PART void begin_best(pool_best *best, int first)
{
    for (int k = 0; k < CR_EIGHT; k++) {
        best->value.v[k] = -INFINITY;
        best->where[k] = first;
    }
}

CR_KERNEL_PART void take_better(pool_best *best, const cr_packed *x, const cr_packed *signs, int position, bool bf16)
{
    const cr_packed bits = turned(x, signs, bf16);
    const cr_eight value = cr_packed_numbers(&bits, bf16);
    for (int k = 0; k < CR_EIGHT; k++)
        if (value.v[k] > best->value.v[k] || value.v[k] != value.v[k]) { /* NaN wins, so that it is noticed */
            best->value.v[k] = value.v[k];
            best->where[k] = position;
        }
}

CR_KERNEL_PART void store_best(const cr_pool_job *a, int64_t i, const pool_best *best, const cr_packed *signs,
                               bool bf16)
{
    cr_eight out;
    for (int k = 0; k < CR_EIGHT; k++) {
        uint32_t sign = bf16      ? signs->low.w[k / 2] << (k % 2 ? 0 : 16) & 0x80000000U
                        : (k < 4) ? signs->low.w[k % 4]
                                  : signs->high.w[k % 4];
        out.v[k] = cr_float_of_bits(cr_bits_of_float(best->value.v[k]) ^ sign);
    }
    cr_eight_store(a->out, i, &out, bf16);
    if (a->index)
        store_index(a->index, i, best->where);
}

CR_GRID_KERNEL(max_forward, cr_pool_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const int eights = (int)(a.channels / CR_EIGHT), kernel = (int)a.kernel;
    const int height = (int)a.height, width = (int)a.width;
    cr_pool_place at;
    if (!cr_pool_place_of(i, a.n, a.out_height, a.out_width, eights, &at))
        return;
    const int top = at.y * (int)a.stride - (int)a.padding, left = at.x * (int)a.stride - (int)a.padding;
    const int y0 = larger(top, 0), y1 = cr_pool_smaller(top + kernel, height);
    const int x0 = larger(left, 0), x1 = cr_pool_smaller(left + kernel, width);
    const cr_packed signs = signs_of(a.scale, at.eight, a.bf16);
    pool_best best;
    begin_best(&best, (y0 - top) * kernel + x0 - left);
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            const cr_packed value = cr_packed_load(a.x, ((at.n * height + y) * width + x) * eights + at.eight, a.bf16);
            take_better(&best, &value, &signs, (y - top) * kernel + x - left, a.bf16);
        }
    store_best(&a, i, &best, &signs, a.bf16);
}

enum {
    CELLS = CR_POOL_USUAL * CR_POOL_USUAL
};

/* The larger one, or NaN if either is; of zeros of both signs any. One instruction. */
CR_KERNEL_PART float larger_or_nan(float best, float value)
{
#if defined(__CUDA_ARCH__)
    float out;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(best), "f"(value));
    return out;
#else
    return value > best || value != value ? value : best;
#endif
}

/* What no value is below. */
CR_KERNEL_PART cr_packed least_numbers(bool bf16)
{
    cr_packed least;
    for (int k = 0; k < 4; k++)
        least.low.w[k] = least.high.w[k] = bf16 ? 0xff80ff80U : 0xff800000U;
    return least;
}

CR_KERNEL_PART void usual_forward(const cr_pool_job *a, bool bf16)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const int eights = (int)(a->channels / CR_EIGHT), height = (int)a->height, width = (int)a->width;
    cr_pool_place at;
    if (!cr_pool_place_of(i, a->n, a->out_height, a->out_width, eights, &at))
        return;
    const int top = 2 * at.y - 1, left = 2 * at.x - 1;
    const cr_packed signs = signs_of(a->scale, at.eight, bf16), least = least_numbers(bf16);
    const cr_packed outside = turned(&least, &signs, bf16); /* never chosen */
    cr_packed x[CELLS];
    for (int w = 0; w < CELLS; w++) {
        const int row = top + w / CR_POOL_USUAL, column = left + w % CR_POOL_USUAL;
        x[w] = outside;
        if (row >= 0 && row < height && column >= 0 && column < width)
            x[w] = cr_packed_load(a->x, ((at.n * height + row) * width + column) * eights + at.eight, bf16);
    }
    for (int w = 0; w < CELLS; w++)
        x[w] = turned(&x[w], &signs, bf16);
    const int first = (top < 0 ? CR_POOL_USUAL : 0) + (left < 0 ? 1 : 0);
    pool_best best;
    for (int k = 0; k < CR_EIGHT; k++) {
        float value = -INFINITY;
        int where = first;
        for (int w = 0; w < CELLS; w++)
            value = larger_or_nan(value, cr_packed_numbers(&x[w], bf16).v[k]);
        for (int w = CELLS - 1; w >= 0; w--) /* the first of equals; of a NaN the window's first */
            where = cr_packed_numbers(&x[w], bf16).v[k] == value ? w : where;
        best.value.v[k] = value;
        best.where[k] = value == -INFINITY ? first : where; /* not outside, which is equal */
    }
    store_best(a, i, &best, &signs, bf16);
}

CR_GRID_KERNEL(usual_forward_bf16, cr_pool_job)
{
    usual_forward(&a, true);
}

CR_GRID_KERNEL(usual_forward_f32, cr_pool_job)
{
    usual_forward(&a, false);
}

void cr_kernel_max_pool_forward(const cr_pool_job *job, cudaStream_t stream)
{
    int64_t threads = job->n * job->out_height * job->out_width * (job->channels / CR_EIGHT);
    if (!cr_pool_is_usual(job))
        CR_LAUNCH(max_forward, cr_kernel_blocks(threads), 1, CR_KERNEL_THREADS, stream, job);
    else if (job->bf16)
        CR_LAUNCH(usual_forward_bf16, cr_pool_usual_blocks(job), 1, CR_POOL_USUAL_THREADS, stream, job);
    else
        CR_LAUNCH(usual_forward_f32, cr_pool_usual_blocks(job), 1, CR_POOL_USUAL_THREADS, stream, job);
}
