/* Large flat arrays: the gradient tree's additions and the sum of squares. */
#include "kernel.h"
#include "kernels.h"

typedef struct add_args {
    int64_t n;
    const float *left, *right;
    float *out;
} add_args;

CR_GRID_KERNEL(add, add_args)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n)
        a.out[i] = a.left[i] + a.right[i];
}

void cr_kernel_add(int64_t n, const float *left, const float *right, float *out, cudaStream_t stream)
{
    const add_args args = {n, left, right, out};
    if (n > 0)
        CR_LAUNCH(add, cr_kernel_blocks(n), 1, CR_KERNEL_THREADS, stream, &args);
}

/* As src/optim/sum_of_squares.c: chunks of 4,096 numbers, 16 partial sums within a chunk, then a balanced tree over the
 * chunks whose odd ones move up alone. */
enum {
    CHUNK = 4096,
    LANES = 16,
    CHUNKS_A_BLOCK = CR_KERNEL_THREADS / LANES
};

typedef struct squares_args {
    int64_t n, n_chunks;
    const float *values;
    double *work; /* [2][n_chunks] */
    double *sum;
} squares_args;

static int64_t n_chunks_of(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

size_t cr_squares_work_bytes(int64_t n)
{
    return (size_t)n_chunks_of(n) * 2 * sizeof(double);
}

CR_BLOCK_KERNEL(chunk_squares, squares_args)
{
    CR_SHARED double lanes[CHUNKS_A_BLOCK][LANES];
    const int slot = CR_THREAD / LANES, lane = CR_THREAD % LANES;
    const int64_t chunk = CR_BLOCK * CHUNKS_A_BLOCK + slot, begin = chunk * CHUNK;
    double sum = 0;
    for (int64_t i = begin + lane; i < begin + CHUNK && i < a.n; i += LANES)
        sum += (double)a.values[i] * (double)a.values[i];
    lanes[slot][lane] = sum;
    CR_BARRIER();
    for (int width = LANES / 2; width > 0; width /= 2) {
        if (lane < width)
            lanes[slot][lane] += lanes[slot][lane + width];
        CR_BARRIER();
    }
    if (lane == 0 && chunk < a.n_chunks)
        a.work[chunk] = lanes[slot][0];
}

/* One block, level by level, between the two halves of `work`. */
CR_BLOCK_KERNEL(tree, squares_args)
{
    const double *from = a.work;
    double *to = a.work + a.n_chunks;
    for (int64_t count = a.n_chunks; count > 1; count = (count + 1) / 2) {
        for (int64_t i = CR_THREAD; i < (count + 1) / 2; i += CR_THREADS)
            to[i] = 2 * i + 1 < count ? from[2 * i] + from[2 * i + 1] : from[2 * i];
        CR_BARRIER();
        const double *was = from;
        from = to;
        to = (double *)was;
    }
    if (CR_THREAD == 0)
        *a.sum = a.n_chunks > 0 ? from[0] : 0.0;
}

void cr_kernel_sum_of_squares(int64_t n, const float *values, double *work, double *sum, cudaStream_t stream)
{
    const squares_args args = {n, n_chunks_of(n), values, work, sum};
    if (n > 0)
        CR_LAUNCH(chunk_squares, (args.n_chunks + CHUNKS_A_BLOCK - 1) / CHUNKS_A_BLOCK, 1, CR_KERNEL_THREADS, stream,
                  &args);
    CR_LAUNCH(tree, 1, 1, CR_KERNEL_THREADS, stream, &args);
}
