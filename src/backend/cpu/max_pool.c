#include "pool.h"
#include "vector.h"

#include <math.h>

typedef struct pool_job {
    cr_window window;
    cr_shape in, out;
    cr_group in_group; /* of the larger place */
    const void *x, *dy, *dy1;
    void *y, *dx;
    uint8_t *index;
} pool_job;

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smallest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One output pixel (oy, ox) of sample n: `group` is the output's. */
CR_INLINE void forward_pixel(const pool_job *job, const cr_group *group, int64_t n, int64_t oy, int64_t ox, bool bf16,
                             int vectors, int lanes)
{
    int64_t top = oy * job->window.stride - job->window.padding, left = ox * job->window.stride - job->window.padding;
    int64_t y0 = largest(top, 0), y1 = smallest(top + job->window.kernel, job->in.height);
    int64_t x0 = largest(left, 0), x1 = smallest(left + job->window.kernel, job->in.width);
    int64_t to = group->base + n * group->outer_stride + (oy * job->out.width + ox) * group->pixel_stride;
    for (int v = 0; v < vectors; v++) {
        int64_t from = job->in_group.base + n * job->in_group.outer_stride + v * CR_LANES;
        cr_vector best = cr_splat(-INFINITY);
        cr_vector_int where = (cr_vector_int){0} + (int)((y0 - top) * job->window.kernel + x0 - left);
        for (int64_t y = y0; y < y1; y++)
            for (int64_t x = x0; x < x1; x++) {
                cr_vector value =
                    cr_load(job->x, from + (y * job->in.width + x) * job->in_group.pixel_stride, bf16, lanes);
                cr_vector_int better = (value > best) | (value != value);
                int position = (int)((y - top) * job->window.kernel + x - left);
                best = (cr_vector)(((cr_vector_int)value & better) | ((cr_vector_int)best & ~better));
                where = (position & better) | (where & ~better);
            }
        cr_store(job->y, to + v * CR_LANES, best, bf16, lanes);
        if (job->index) {
            cr_vector_byte bytes = __builtin_convertvector(where, cr_vector_byte);
            memcpy(job->index + to + v * CR_LANES, &bytes, (size_t)lanes);
        }
    }
}

CR_INLINE void forward_kernel(const pool_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    for (int64_t n = 0; n < group->n_outer; n++)
        for (int64_t oy = 0; oy < job->out.height; oy++)
            for (int64_t ox = 0; ox < job->out.width; ox++)
                forward_pixel(job, group, n, oy, ox, bf16, vectors, lanes);
}

CR_KERNEL(forward, forward_kernel, (const pool_job *job, const cr_group *group), (job, group))

void cr_max_pool_forward(const cr_window *window, const cr_place *from, const void *x, const cr_place *to, void *y,
                         uint8_t *index)
{
    int64_t n_groups = cr_place_n_groups(to);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(to, g);
        pool_job job = {.window = *window,
                        .in = from->shape,
                        .out = to->shape,
                        .in_group = cr_place_group(from, g),
                        .x = x,
                        .y = y,
                        .index = index};
        forward(to->bf16, &job, &group);
    }
}

/* First and one-past-last window along one axis that cover input coordinate `at`. */
CR_INLINE void covering(const cr_window *window, int64_t at, int64_t n_windows, int64_t *first, int64_t *end)
{
    int64_t reach = at + window->padding - window->kernel + 1;
    *first = reach <= 0 ? 0 : (reach + window->stride - 1) / window->stride;
    *end = smallest((at + window->padding) / window->stride + 1, n_windows);
}

/* One input pixel (y, x): gathers, so that the order of additions is fixed and nothing is cleared first. */
CR_INLINE void backward_pixel(const pool_job *job, const cr_group *group, int64_t n, int64_t y, int64_t x, bool bf16,
                              int vectors, int lanes)
{
    int64_t oy0, oy1, ox0, ox1;
    covering(&job->window, y, job->out.height, &oy0, &oy1);
    covering(&job->window, x, job->out.width, &ox0, &ox1);
    int64_t to =
        job->in_group.base + n * job->in_group.outer_stride + (y * job->in.width + x) * job->in_group.pixel_stride;
    for (int v = 0; v < vectors; v++) {
        cr_vector total = {0};
        for (int64_t oy = oy0; oy < oy1; oy++)
            for (int64_t ox = ox0; ox < ox1; ox++) {
                int64_t ky = y - oy * job->window.stride + job->window.padding;
                int64_t kx = x - ox * job->window.stride + job->window.padding;
                int64_t from = group->base + n * group->outer_stride +
                               (oy * job->out.width + ox) * group->pixel_stride + v * CR_LANES;
                cr_vector_byte bytes = {0};
                memcpy(&bytes, job->index + from, (size_t)lanes);
                cr_vector g = cr_load(job->dy, from, bf16, lanes);
                if (job->dy1)
                    g += cr_load(job->dy1, from, bf16, lanes);
                cr_vector_int chosen =
                    __builtin_convertvector(bytes, cr_vector_int) == (int)(ky * job->window.kernel + kx);
                total += (cr_vector)((cr_vector_int)g & chosen);
            }
        cr_store(job->dx, to + v * CR_LANES, total, bf16, lanes);
    }
}

CR_INLINE void backward_kernel(const pool_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    for (int64_t n = 0; n < group->n_outer; n++)
        for (int64_t y = 0; y < job->in.height; y++)
            for (int64_t x = 0; x < job->in.width; x++)
                backward_pixel(job, group, n, y, x, bf16, vectors, lanes);
}

CR_KERNEL(backward, backward_kernel, (const pool_job *job, const cr_group *group), (job, group))

void cr_max_pool_backward(const cr_window *window, const cr_place *from, void *dx, const cr_place *to, const void *dy,
                          const void *dy1, const uint8_t *index)
{
    int64_t n_groups = cr_place_n_groups(to);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(to, g);
        pool_job job = {.window = *window,
                        .in = from->shape,
                        .out = to->shape,
                        .in_group = cr_place_group(from, g),
                        .dy = dy,
                        .dy1 = dy1,
                        .dx = dx,
                        .index = (uint8_t *)index};
        backward(to->bf16, &job, &group);
    }
}
