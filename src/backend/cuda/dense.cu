/* Dense layers: products in one fixed order with sums in double, so that their bits depend on nothing and their error
 * is that of one rounding. They are a few thousandths of a network's arithmetic, and small: a block has few results and
 * shares out their sums, or most of a GPU would wait. */
#include "kernel.h"
#include "kernels.h"
#include "norm_element.h"

enum {
    TILE = 8,             /* squared: a block's results */
    PAIRS = TILE / 2,     /* squared: threads that have two by two results each */
    SLICES = 16,          /* of a sum: each has every sixteenth product, in order */
    AT_ONCE = 8 * SLICES, /* products in shared memory */
    PRODUCT_THREADS = PAIRS * PAIRS * SLICES,
    LOADS = TILE * AT_ONCE / PRODUCT_THREADS /* a thread, of each factor */
};

#if defined(__CUDACC__)
typedef struct __align__(16) pair
{
    double v[2];
}
pair;
#else
typedef struct pair {
    double v[2];
} __attribute__((aligned(16))) pair;
#endif

/* The product of two floats is exact in double: fused or not, the sum has the same bits. */
CR_KERNEL_PART double add_product(double left, double right, double sum)
{
#if defined(__CUDA_ARCH__)
    return fma(left, right, sum);
#else
    return sum + left * right;
#endif
}

/* Which number of a factor's tile is a thread's `u`th: neighbours of a warp read neighbours of memory. */
CR_KERNEL_PART void tile_place(bool k_outermost, int u, int *line, int *k)
{
    const int i = u * PRODUCT_THREADS + CR_THREAD;
    *line = k_outermost ? i % TILE : i / AT_ONCE;
    *k = k_outermost ? i / TILE : i % AT_ONCE;
}

/* A factor's lines from `line0` on, products from k0 on. */
CR_KERNEL_PART void load_tile(const float *from, bool k_outermost, int64_t n_lines, int64_t n_k, int64_t line0,
                              int64_t k0, float out[LOADS])
{
    for (int u = 0; u < LOADS; u++) {
        int line, k;
        tile_place(k_outermost, u, &line, &k);
        const int64_t l = line0 + line, at = k0 + k;
        out[u] = l < n_lines && at < n_k ? from[k_outermost ? at * n_lines + l : l * n_k + at] : 0.0F;
    }
}

/* One more pair a row, against bank conflicts. */
typedef pair tile_row[PAIRS + 1];

CR_KERNEL_PART void store_tile(tile_row *tile, bool k_outermost, const float values[LOADS])
{
    for (int u = 0; u < LOADS; u++) {
        int line, k;
        tile_place(k_outermost, u, &line, &k);
        tile[k][line / 2].v[line % 2] = (double)values[u];
    }
}

/* This slice's part of four sums. */
CR_KERNEL_PART void add_slice(const tile_row *left, const tile_row *right, double sum[4])
{
    const int slice = CR_THREAD / (PAIRS * PAIRS), row = CR_THREAD / PAIRS % PAIRS, column = CR_THREAD % PAIRS;
    for (int u = 0; u < AT_ONCE / SLICES; u++) {
        const int k = u * SLICES + slice;
        const pair l = left[k][row], r = right[k][column];
        for (int i = 0; i < 4; i++)
            sum[i] = add_product(l.v[i / 2], r.v[i % 2], sum[i]);
    }
}

/* The slices' sums by a tree; afterwards the first slice's threads have all. */
CR_KERNEL_PART void add_slices(double sum[4])
{
    CR_SHARED double parts[4][PRODUCT_THREADS];
    for (int n = SLICES / 2; n > 0; n /= 2) {
        const int slice = CR_THREAD / (PAIRS * PAIRS);
        if (slice >= n && slice < 2 * n)
            for (int i = 0; i < 4; i++)
                parts[i][CR_THREAD] = sum[i];
        CR_BARRIER();
        if (slice < n)
            for (int i = 0; i < 4; i++)
                sum[i] += parts[i][CR_THREAD + n * PAIRS * PAIRS];
    }
}

CR_KERNEL_PART void store_result(const cr_product_job *a, int64_t m, int64_t n, double sum)
{
    if (m >= a->m || n >= a->n)
        return;
    const float c = (float)(a->bias ? sum + (double)a->bias[n] : sum);
    a->c[m * a->n + n] = a->relu ? cr_norm_relu(c) : c;
}

CR_BLOCK_KERNEL(product, cr_product_job)
{
    CR_SHARED tile_row left[AT_ONCE], right[AT_ONCE];
    const int64_t m0 = CR_BLOCK_ROW * TILE, n0 = CR_BLOCK * TILE;
    double sum[4] = {0};
    float l[LOADS], r[LOADS];
    load_tile(a.a, a.a_transposed, a.m, a.k, m0, 0, l);
    load_tile(a.b, !a.b_transposed, a.n, a.k, n0, 0, r);
    for (int64_t k0 = 0; k0 < a.k; k0 += AT_ONCE) {
        store_tile(left, a.a_transposed, l);
        store_tile(right, !a.b_transposed, r);
        CR_BARRIER();
        if (k0 + AT_ONCE < a.k) { /* under way while these are added */
            load_tile(a.a, a.a_transposed, a.m, a.k, m0, k0 + AT_ONCE, l);
            load_tile(a.b, !a.b_transposed, a.n, a.k, n0, k0 + AT_ONCE, r);
        }
        add_slice(left, right, sum);
        CR_BARRIER();
    }
    add_slices(sum);
    if (CR_THREAD >= PAIRS * PAIRS)
        return;
    const int64_t m = m0 + CR_THREAD / PAIRS * 2, n = n0 + CR_THREAD % PAIRS * 2;
    for (int i = 0; i < 4; i++)
        store_result(&a, m + i / 2, n + i % 2, sum[i]);
}

void cr_kernel_product(const cr_product_job *job, cudaStream_t stream)
{
    CR_LAUNCH(product, (job->n + TILE - 1) / TILE, (job->m + TILE - 1) / TILE, PRODUCT_THREADS, stream, job);
}

/* Where the bias learns, its sums mask too: they see each number once. */
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

/* A lane's part of a column's sum, in order. */
CR_KERNEL_PART double sum_lane(const cr_dense_mask_job *a, int64_t lane, int64_t column)
{
    double sum = 0;
    for (int64_t i = lane; i < a->n; i += LANES) {
        const int64_t at = i * a->width + column;
        float dy = a->dy[at];
        if (a->y && !(a->y[at] > 0.0F)) {
            dy = 0.0F;
            a->dy[at] = dy;
        }
        sum += (double)dy;
    }
    return sum;
}

CR_BLOCK_KERNEL(bias_sums, cr_dense_mask_job)
{
    CR_SHARED double sums[LANES][COLUMNS];
    const int lane = CR_THREAD / COLUMNS, k = CR_THREAD % COLUMNS;
    const int64_t column = CR_BLOCK * COLUMNS + k;
    sums[lane][k] = column < a.width ? sum_lane(&a, lane, column) : 0;
    for (int n = LANES / 2; n > 0; n /= 2) {
        CR_BARRIER();
        if (lane < n)
            sums[lane][k] += sums[lane + n][k];
    }
    if (lane == 0 && column < a.width)
        a.d_bias[column] = (float)sums[0][k];
}

void cr_kernel_dense_mask(const cr_dense_mask_job *job, cudaStream_t stream)
{
    if (job->d_bias)
        CR_LAUNCH(bias_sums, (job->width + COLUMNS - 1) / COLUMNS, 1, CR_KERNEL_THREADS, stream, job);
    else if (job->y)
        CR_LAUNCH(mask, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
}
