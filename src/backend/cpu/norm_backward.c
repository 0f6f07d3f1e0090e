#include "norm.h"
#include "vector.h"

enum {
    CHUNK = 64 /* pixels whose sums are taken in float32 */
};

typedef struct backward_job {
    const cr_norm *norm;
    cr_mask kind;
    const void *x, *y, *g0, *g1;
    void *dz, *dx;
    const float *k1, *k2;
    double sum[CR_GROUP_MAX], dot[CR_GROUP_MAX];
} backward_job;

/* g where the mask lets it through, 0 elsewhere; d = x - mean. */
CR_INLINE cr_vector masked(const backward_job *job, cr_mask kind, int64_t at, cr_vector g, cr_vector d, cr_vector scale,
                           cr_vector shift, bool bf16, int lanes)
{
    if (kind == CR_MASK_RECOMPUTE)
        return (cr_vector)((cr_vector_int)g & (d * scale + shift > 0.0f));
    if (kind == CR_MASK_OUTPUT)
        return (cr_vector)((cr_vector_int)g & (cr_load(job->y, at, bf16, lanes) > 0.0f));
    return g;
}

CR_INLINE void sums_pixel(const backward_job *job, const cr_vector *mean, const cr_vector *scale,
                          const cr_vector *shift, int64_t i, cr_vector *sum, cr_vector *dot, cr_mask kind, bool has_g1,
                          bool has_dz, bool bf16, int vectors, int lanes)
{
    for (int v = 0; v < vectors; v++) {
        int64_t at = i + v * CR_LANES;
        cr_vector d = cr_load(job->x, at, bf16, lanes) - mean[v];
        cr_vector g = cr_load(job->g0, at, bf16, lanes);
        if (has_g1)
            g += cr_load(job->g1, at, bf16, lanes);
        g = masked(job, kind, at, g, d, scale[v], shift[v], bf16, lanes);
        if (has_dz)
            cr_store(job->dz, at, g, bf16, lanes);
        sum[v] += g;
        dot[v] += g * d;
    }
}

CR_INLINE void sums_loop(backward_job *job, const cr_group *group, cr_mask kind, bool has_g1, bool has_dz, bool bf16,
                         int vectors, int lanes)
{
    const int ways = 4 / vectors;
    float sums_of_chunk[CR_GROUP_MAX], dots_of_chunk[CR_GROUP_MAX];
    cr_vector mean[4], scale[4], shift[4];
    for (int v = 0; v < vectors; v++) {
        mean[v] = cr_load(job->norm->mean, group->channel + v * CR_LANES, false, CR_LANES);
        scale[v] = cr_load(job->norm->scale, group->channel + v * CR_LANES, false, CR_LANES);
        shift[v] = cr_load(job->norm->shift, group->channel + v * CR_LANES, false, CR_LANES);
    }
    for (int64_t o = 0; o < group->n_outer; o++)
        for (int64_t start = 0; start < group->n_pixels; start += CHUNK) {
            int64_t n = group->n_pixels - start < CHUNK ? group->n_pixels - start : CHUNK;
            int64_t i = group->base + o * group->outer_stride + start * group->pixel_stride, p = 0;
            cr_vector sum[4] = {{0}}, dot[4] = {{0}};
            for (; p + ways <= n; p += ways)
                for (int way = 0; way < ways; way++)
                    sums_pixel(job, mean, scale, shift, i + (p + way) * group->pixel_stride, sum + way * vectors,
                               dot + way * vectors, kind, has_g1, has_dz, bf16, vectors, lanes);
            for (; p < n; p++)
                sums_pixel(job, mean, scale, shift, i + p * group->pixel_stride, sum, dot, kind, has_g1, has_dz, bf16,
                           vectors, lanes);
            for (int v = 0; v < vectors; v++) {
                for (int way = 1; way < ways; way++) {
                    sum[v] += sum[way * vectors + v];
                    dot[v] += dot[way * vectors + v];
                }
                memcpy(sums_of_chunk + v * CR_LANES, &sum[v], sizeof sum[v]);
                memcpy(dots_of_chunk + v * CR_LANES, &dot[v], sizeof dot[v]);
            }
            for (int c = 0; c < vectors * CR_LANES; c++) {
                job->sum[c] += (double)sums_of_chunk[c];
                job->dot[c] += (double)dots_of_chunk[c];
            }
        }
}

CR_INLINE void sums_choose(backward_job *job, const cr_group *group, cr_mask kind, bool bf16, int vectors, int lanes)
{
    if (job->g1 && job->dz)
        sums_loop(job, group, kind, true, true, bf16, vectors, lanes);
    else if (job->dz)
        sums_loop(job, group, kind, false, true, bf16, vectors, lanes);
    else
        sums_loop(job, group, kind, false, false, bf16, vectors, lanes);
}

CR_INLINE void sums_kernel(backward_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    if (job->kind == CR_MASK_OUTPUT)
        sums_choose(job, group, CR_MASK_OUTPUT, bf16, vectors, lanes);
    else if (job->kind == CR_MASK_RECOMPUTE)
        sums_choose(job, group, CR_MASK_RECOMPUTE, bf16, vectors, lanes);
    else
        sums_choose(job, group, CR_MASK_NONE, bf16, vectors, lanes);
}

CR_KERNEL(sums, sums_kernel, (backward_job * job, const cr_group *group), (job, group))

void cr_norm_backward_sums(const cr_place *place, const cr_norm *norm, cr_mask kind, const void *x, const void *y,
                           const void *g0, const void *g1, void *dz, double *sum, double *dot)
{
    int64_t n_groups = cr_place_n_groups(place);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(place, g);
        backward_job job = {.norm = norm, .kind = kind, .x = x, .y = y, .g0 = g0, .g1 = g1, .dz = dz};
        sums(place->bf16, &job, &group);
        memcpy(sum + group.channel, job.sum, (size_t)group.width * sizeof(double));
        memcpy(dot + group.channel, job.dot, (size_t)group.width * sizeof(double));
    }
}

CR_INLINE void dx_loop(const backward_job *job, const cr_group *group, cr_mask kind, bool bf16, int vectors, int lanes)
{
    cr_vector mean[4], scale[4], shift[4], k1[4] = {{0}}, k2[4] = {{0}};
    for (int v = 0; v < vectors; v++) {
        mean[v] = cr_load(job->norm->mean, group->channel + v * CR_LANES, false, CR_LANES);
        scale[v] = cr_load(job->norm->scale, group->channel + v * CR_LANES, false, CR_LANES);
        shift[v] = cr_load(job->norm->shift, group->channel + v * CR_LANES, false, CR_LANES);
        if (job->k1) {
            k1[v] = cr_load(job->k1, group->channel + v * CR_LANES, false, CR_LANES);
            k2[v] = cr_load(job->k2, group->channel + v * CR_LANES, false, CR_LANES);
        }
    }
    for (int64_t o = 0; o < group->n_outer; o++) {
        int64_t i = group->base + o * group->outer_stride;
        for (int64_t p = 0; p < group->n_pixels; p++, i += group->pixel_stride)
            for (int v = 0; v < vectors; v++) {
                int64_t at = i + v * CR_LANES;
                cr_vector d = cr_load(job->x, at, bf16, lanes) - mean[v];
                cr_vector g =
                    masked(job, kind, at, cr_load(job->g0, at, bf16, lanes), d, scale[v], shift[v], bf16, lanes);
                cr_store(job->dx, at, (g - k1[v] - d * k2[v]) * scale[v], bf16, lanes);
            }
    }
}

CR_INLINE void dx_kernel(const backward_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    if (job->kind == CR_MASK_OUTPUT)
        dx_loop(job, group, CR_MASK_OUTPUT, bf16, vectors, lanes);
    else if (job->kind == CR_MASK_RECOMPUTE)
        dx_loop(job, group, CR_MASK_RECOMPUTE, bf16, vectors, lanes);
    else
        dx_loop(job, group, CR_MASK_NONE, bf16, vectors, lanes);
}

CR_KERNEL(dx, dx_kernel, (const backward_job *job, const cr_group *group), (job, group))

void cr_norm_backward_apply(const cr_place *place, const cr_norm *norm, cr_mask kind, void *x, const void *y,
                            const void *g, const float *k1, const float *k2)
{
    backward_job job = {.norm = norm, .kind = kind, .x = x, .y = y, .g0 = g, .dx = x, .k1 = k1, .k2 = k2};
    int64_t n_groups = cr_place_n_groups(place);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t i = 0; i < n_groups; i++) {
        cr_group group = cr_place_group(place, i);
        dx(place->bf16, &job, &group);
    }
}

CR_CLONES static void add_float(int64_t elements, float *a, const float *b)
{
    for (int64_t i = 0; i < elements; i++)
        a[i] += b[i];
}

CR_CLONES static void add_bf16(int64_t elements, uint16_t *a, const uint16_t *b)
{
    for (int64_t i = 0; i < elements; i++)
        a[i] = cr_bf16_from_float(cr_bf16_to_float(a[i]) + cr_bf16_to_float(b[i]));
}

void cr_values_add(bool bf16, int64_t elements, void *a, const void *b)
{
    if (bf16)
        add_bf16(elements, a, b);
    else
        add_float(elements, a, b);
}
