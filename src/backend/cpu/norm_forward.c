#include "norm.h"
#include "vector.h"

enum {
    CHUNK = 64 /* pixels whose sums are taken in float32 */
};

int64_t cr_norm_channels(int64_t channels)
{
    return (channels + CR_GROUP_MAX - 1) / CR_GROUP_MAX * CR_GROUP_MAX;
}

typedef struct statistics_job {
    const void *x;
    double sum[CR_GROUP_MAX], chunk_square[CR_GROUP_MAX], square[CR_GROUP_MAX];
} statistics_job;

/* Sums one chunk of n pixels at element i: Σ x, then Σ (x - mean of the chunk)². Four accumulators in all. */
CR_INLINE void chunk_sums(const statistics_job *job, const cr_group *group, int64_t i, int64_t n, float *sums,
                          float *squares, bool bf16, int vectors, int lanes)
{
    const int ways = 4 / vectors;
    cr_vector total[4] = {{0}}, mean[4], square[4] = {{0}};
    int64_t p = 0;
    for (; p + ways <= n; p += ways)
        for (int way = 0; way < ways; way++)
            for (int v = 0; v < vectors; v++)
                total[way * vectors + v] +=
                    cr_load(job->x, i + (p + way) * group->pixel_stride + v * CR_LANES, bf16, lanes);
    for (; p < n; p++)
        for (int v = 0; v < vectors; v++)
            total[v] += cr_load(job->x, i + p * group->pixel_stride + v * CR_LANES, bf16, lanes);
    for (int v = 0; v < vectors; v++) {
        for (int way = 1; way < ways; way++)
            total[v] += total[way * vectors + v];
        mean[v] = total[v] / cr_splat((float)n);
        memcpy(sums + v * CR_LANES, &total[v], sizeof total[v]);
    }
    for (p = 0; p + ways <= n; p += ways)
        for (int way = 0; way < ways; way++)
            for (int v = 0; v < vectors; v++) {
                cr_vector d =
                    cr_load(job->x, i + (p + way) * group->pixel_stride + v * CR_LANES, bf16, lanes) - mean[v];
                square[way * vectors + v] += d * d;
            }
    for (; p < n; p++)
        for (int v = 0; v < vectors; v++) {
            cr_vector d = cr_load(job->x, i + p * group->pixel_stride + v * CR_LANES, bf16, lanes) - mean[v];
            square[v] += d * d;
        }
    for (int v = 0; v < vectors; v++) {
        for (int way = 1; way < ways; way++)
            square[v] += square[way * vectors + v];
        memcpy(squares + v * CR_LANES, &square[v], sizeof square[v]);
    }
}

/* Σ (x - m)² = Σ over chunks of (their own Σ (x - m_chunk)² + n_chunk·m_chunk²) - N·m²: in double nothing of weight
 * cancels there (Chan, Golub, LeVeque 1983). */
CR_INLINE void statistics_kernel(statistics_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    float sums[CR_GROUP_MAX], squares[CR_GROUP_MAX];
    for (int64_t o = 0; o < group->n_outer; o++)
        for (int64_t p = 0; p < group->n_pixels; p += CHUNK) {
            int64_t n = group->n_pixels - p < CHUNK ? group->n_pixels - p : CHUNK;
            int64_t i = group->base + o * group->outer_stride + p * group->pixel_stride;
            chunk_sums(job, group, i, n, sums, squares, bf16, vectors, lanes);
            double inverse = 1.0 / (double)n;
            for (int c = 0; c < vectors * CR_LANES; c++) {
                double sum = sums[c];
                job->sum[c] += sum;
                job->square[c] += squares[c];
                job->chunk_square[c] += sum * sum * inverse;
            }
        }
}

CR_KERNEL(statistics, statistics_kernel, (statistics_job * job, const cr_group *group), (job, group))

void cr_norm_statistics(const cr_place *place, const void *x, float *mean, double *square_sum)
{
    int64_t n_groups = cr_place_n_groups(place);
    double pixels = (double)cr_place_pixels(place);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(place, g);
        statistics_job job = {.x = x};
        statistics(place->bf16, &job, &group);
        for (int c = 0; c < group.width; c++) {
            double between = job.chunk_square[c] - job.sum[c] * job.sum[c] / pixels;
            mean[group.channel + c] = (float)(job.sum[c] / pixels);
            square_sum[group.channel + c] = job.square[c] + (between > 0.0 || between != between ? between : 0.0);
        }
    }
}

typedef struct apply_job {
    const cr_norm *norm;
    const void *x, *add;
    void *y;
} apply_job;

CR_INLINE void apply_loop(const apply_job *job, const cr_group *group, bool has_add, bool relu, bool bf16, int vectors,
                          int lanes)
{
    cr_vector mean[4], scale[4], shift[4];
    for (int v = 0; v < vectors; v++) {
        mean[v] = cr_load(job->norm->mean, group->channel + v * CR_LANES, false, CR_LANES);
        scale[v] = cr_load(job->norm->scale, group->channel + v * CR_LANES, false, CR_LANES);
        shift[v] = cr_load(job->norm->shift, group->channel + v * CR_LANES, false, CR_LANES);
    }
    for (int64_t o = 0; o < group->n_outer; o++) {
        int64_t i = group->base + o * group->outer_stride;
        for (int64_t p = 0; p < group->n_pixels; p++, i += group->pixel_stride)
            for (int v = 0; v < vectors; v++) {
                int64_t at = i + v * CR_LANES;
                cr_vector z = (cr_load(job->x, at, bf16, lanes) - mean[v]) * scale[v] + shift[v];
                if (has_add)
                    z += cr_load(job->add, at, bf16, lanes);
                if (relu) /* NaN is not below 0 and goes through, so that it is noticed */
                    z = (cr_vector)((cr_vector_int)z & ~(z < 0.0f));
                cr_store(job->y, at, z, bf16, lanes);
            }
    }
}

CR_INLINE void apply_kernel(const apply_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    bool relu = job->norm->relu;
    if (job->add && relu)
        apply_loop(job, group, true, true, bf16, vectors, lanes);
    else if (job->add)
        apply_loop(job, group, true, false, bf16, vectors, lanes);
    else if (relu)
        apply_loop(job, group, false, true, bf16, vectors, lanes);
    else
        apply_loop(job, group, false, false, bf16, vectors, lanes);
}

CR_KERNEL(apply, apply_kernel, (const apply_job *job, const cr_group *group), (job, group))

void cr_norm_apply(const cr_place *place, const cr_norm *norm, const void *x, const void *add, void *y)
{
    apply_job job = {.norm = norm, .x = x, .add = add, .y = y};
    int64_t n_groups = cr_place_n_groups(place);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(place, g);
        apply(place->bf16, &job, &group);
    }
}
