/* Dense layers: products in one fixed order with sums in double, so that their bits depend on nothing and their error
 * is that of one rounding. They are a few thousandths of a network's arithmetic. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"

enum {
    TILE = 16 /* squared: a block's threads */
};

CR_BLOCK_KERNEL(product, cr_product_job)
{
    CR_SHARED float left[TILE][TILE + 1], right[TILE][TILE + 1]; /* [m][k], [k][n]; one more against bank conflicts */
    const int row = CR_THREAD / TILE, column = CR_THREAD % TILE;
    const int64_t m0 = CR_BLOCK_ROW * TILE, n0 = CR_BLOCK * TILE;
    double sum = 0;
    for (int64_t k0 = 0; k0 < a.k; k0 += TILE) {
        /* neighbours of a warp read neighbours of memory */
        const int64_t m = m0 + (a.a_transposed ? column : row), ka = k0 + (a.a_transposed ? row : column);
        const int64_t n = n0 + (a.b_transposed ? row : column), kb = k0 + (a.b_transposed ? column : row);
        const float l = m < a.m && ka < a.k ? a.a[a.a_transposed ? ka * a.m + m : m * a.k + ka] : 0.0F;
        const float r = n < a.n && kb < a.k ? a.b[a.b_transposed ? n * a.k + kb : kb * a.n + n] : 0.0F;
        left[m - m0][ka - k0] = l;
        right[kb - k0][n - n0] = r;
        CR_BARRIER();
        for (int k = 0; k < TILE; k++)
            sum += (double)left[row][k] * (double)right[k][column];
        CR_BARRIER();
    }
    const int64_t m = m0 + row, n = n0 + column;
    if (m >= a.m || n >= a.n)
        return;
    float c = (float)(a.bias ? sum + (double)a.bias[n] : sum);
    a.c[m * a.n + n] = a.relu ? cr_norm_relu(c) : c;
}

void cr_kernel_product(const cr_product_job *job, cudaStream_t stream)
{
    CR_LAUNCH(product, (job->n + TILE - 1) / TILE, (job->m + TILE - 1) / TILE, TILE * TILE, stream, job);
}

CR_GRID_KERNEL(mask, cr_dense_mask_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    if (i < a.n * a.width && !(a.y[i] > 0.0F))
        a.dy[i] = 0.0F;
}

enum {
    COLUMNS = 8,
    LANES = CR_KERNEL_THREADS / COLUMNS
};

CR_BLOCK_KERNEL(bias_sums, cr_dense_mask_job)
{
    CR_SHARED double sums[LANES][COLUMNS];
    const int lane = CR_THREAD / COLUMNS, k = CR_THREAD % COLUMNS;
    const int64_t column = CR_BLOCK * COLUMNS + k;
    double sum = 0;
    if (column < a.width)
        for (int64_t i = lane; i < a.n; i += LANES)
            sum += (double)a.dy[i * a.width + column];
    sums[lane][k] = sum;
    CR_BARRIER();
    if (lane > 0 || column >= a.width)
        return;
    for (int l = 1; l < LANES; l++)
        sum += sums[l][k];
    a.d_bias[column] = (float)sum;
}

void cr_kernel_dense_mask(const cr_dense_mask_job *job, cudaStream_t stream)
{
    if (job->y)
        CR_LAUNCH(mask, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
    if (job->d_bias)
        CR_LAUNCH(bias_sums, (job->width + COLUMNS - 1) / COLUMNS, 1, CR_KERNEL_THREADS, stream, job);
}
