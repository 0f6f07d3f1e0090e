#include "pool.h"
#include "vector.h"

#include <math.h>

enum {
    STRIP = 4 /* half vectors handled together: what 16 registers hold */
};

typedef struct pool_job {
    cr_window window;
    cr_shape in, out;
    cr_group in_group; /* of the larger place */
    const void *x, *dy, *dy1;
    void *y, *dx;
    uint8_t *index;
    const float *scale;  /* of the group's channels, or null: its sign turns maxima into minima */
    const cr_norm *norm; /* backward: or null; its arrays, k1, k2 are whole */
    const float *k1, *k2;
    int64_t channel; /* the group's first */
} pool_job;

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smallest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One output pixel at (top, left) of the input, `to` in the output: position of the first maximum, and it. The window
 * lies inside the plane from y0 to y1 and from x0 to x1. */
typedef struct pool_pixel {
    int64_t y0, y1, x0, x1, top, left, from, to;
} pool_pixel;

/* `halves` half vectors at once, so that what is counted for a pixel of the window is counted for all. */
CR_INLINE void forward_lanes(const pool_job *job, const pool_pixel *pixel, int64_t lane, int halves, bool has_index,
                             bool turns, bool bf16, int lanes)
{
    int64_t kernel = job->window.kernel, stride = job->in_group.pixel_stride;
    cr_half_vector best[STRIP];
    cr_half_vector_int where[STRIP], turn[STRIP];
    int first = (int)((pixel->y0 - pixel->top) * kernel + pixel->x0 - pixel->left);
    int32_t start[CR_HALF_LANES];
    for (int l = 0; l < CR_HALF_LANES; l++)
        start[l] = first;
    for (int h = 0; h < halves; h++) {
        best[h] = (cr_half_vector){0} - INFINITY;
        memcpy(&where[h], start, sizeof start);
        if (turns)
            turn[h] = (cr_half_vector_int)cr_half_load(job->scale, lane + h * CR_HALF_LANES, false, CR_HALF_LANES) &
                      INT32_MIN;
    }
    for (int64_t y = pixel->y0; y < pixel->y1; y++) {
        int64_t at = pixel->from + lane + (y * job->in.width + pixel->x0) * stride;
        int position = (int)((y - pixel->top) * kernel + pixel->x0 - pixel->left);
        for (int64_t x = pixel->x0; x < pixel->x1; x++, at += stride, position++)
            for (int h = 0; h < halves; h++) {
                cr_half_vector value = cr_half_load(job->x, at + h * CR_HALF_LANES, bf16, lanes);
                if (turns)
                    value = (cr_half_vector)((cr_half_vector_int)value ^ turn[h]);
                cr_half_vector_int better = (value > best[h]) | (value != value), old = (cr_half_vector_int)best[h];
                best[h] = (cr_half_vector)(((cr_half_vector_int)value & better) | (old & ~better));
                if (has_index)
                    where[h] = (position & better) | (where[h] & ~better);
            }
    }
    for (int h = 0; h < halves; h++) {
        int64_t to = pixel->to + lane + h * CR_HALF_LANES;
        if (turns)
            best[h] = (cr_half_vector)((cr_half_vector_int)best[h] ^ turn[h]);
        cr_half_store(job->y, to, best[h], bf16, lanes);
        if (has_index) {
            cr_half_vector_byte bytes =
                __builtin_convertvector(__builtin_convertvector(where[h], cr_half_vector_half), cr_half_vector_byte);
            memcpy(job->index + to, &bytes, (size_t)lanes);
        }
    }
}

CR_INLINE void forward_pixel(const pool_job *job, const pool_pixel *pixel, bool has_index, bool turns, bool bf16,
                             int vectors, int lanes)
{
    const int halves = vectors == 1 ? 2 : STRIP;
    if (lanes == CR_LANES)
        for (int lane = 0; lane < vectors * CR_LANES; lane += halves * CR_HALF_LANES)
            forward_lanes(job, pixel, lane, halves, has_index, turns, bf16, CR_HALF_LANES);
    else
        for (int lane = 0; lane < lanes; lane += CR_HALF_LANES)
            forward_lanes(job, pixel, lane, 1, has_index, turns, bf16, (int)smallest(lanes - lane, CR_HALF_LANES));
}

CR_INLINE void forward_planes(const pool_job *job, const cr_group *group, bool has_index, bool turns, bool bf16,
                              int vectors, int lanes)
{
    pool_pixel pixel;
    for (int64_t n = 0; n < group->n_outer; n++) {
        pixel.from = job->in_group.base + n * job->in_group.outer_stride;
        pixel.to = group->base + n * group->outer_stride;
        for (int64_t oy = 0; oy < job->out.height; oy++) {
            pixel.top = oy * job->window.stride - job->window.padding;
            pixel.y0 = largest(pixel.top, 0);
            pixel.y1 = smallest(pixel.top + job->window.kernel, job->in.height);
            for (int64_t ox = 0; ox < job->out.width; ox++, pixel.to += group->pixel_stride) {
                pixel.left = ox * job->window.stride - job->window.padding;
                pixel.x0 = largest(pixel.left, 0);
                pixel.x1 = smallest(pixel.left + job->window.kernel, job->in.width);
                forward_pixel(job, &pixel, has_index, turns, bf16, vectors, lanes);
            }
        }
    }
}

CR_INLINE void forward_kernel(const pool_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    if (job->scale)
        forward_planes(job, group, true, true, bf16, vectors, lanes);
    else if (job->index)
        forward_planes(job, group, true, false, bf16, vectors, lanes);
    else
        forward_planes(job, group, false, false, bf16, vectors, lanes);
}

CR_KERNEL(forward, forward_kernel, (const pool_job *job, const cr_group *group), (job, group))

static void run_forward(const pool_job *all, const cr_place *from, const cr_place *to)
{
    int64_t n_groups = cr_place_n_groups(to);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(to, g);
        pool_job job = *all;
        job.in = from->shape;
        job.out = to->shape;
        job.in_group = cr_place_group(from, g);
        job.scale = all->scale ? all->scale + group.channel : NULL;
        forward(to->bf16, &job, &group);
    }
}

void cr_max_pool_forward(const cr_window *window, const cr_place *from, const void *x, const cr_place *to, void *y,
                         uint8_t *index)
{
    pool_job job = {.window = *window, .x = x, .y = y, .index = index};
    run_forward(&job, from, to);
}

void cr_extreme_pool_forward(const cr_window *window, const cr_place *from, const void *x, const float *scale,
                             const cr_place *to, void *y, uint8_t *index)
{
    pool_job job = {.window = *window, .x = x, .y = y, .index = index, .scale = scale};
    run_forward(&job, from, to);
}

/* Moves first and one-past-last window along one axis to those that cover input coordinate `at`, one beyond the last
 * call's. */
CR_INLINE void cover_next(const cr_window *window, int64_t at, int64_t n_windows, int64_t *first, int64_t *end)
{
    while (*first * window->stride - window->padding + window->kernel <= at)
        (*first)++;
    while (*end < n_windows && *end * window->stride - window->padding <= at)
        (*end)++;
}

/* The windows oy0 … oy1-1, ox0 … ox1-1 that cover input pixel (y, x), which lies at `to`. */
typedef struct pool_cover {
    int64_t oy0, oy1, ox0, ox1, y, x, from, to;
} pool_cover;

CR_INLINE cr_half_vector channel_load(const float *array, int64_t channel)
{
    return cr_half_load(array, channel, false, CR_HALF_LANES);
}

CR_INLINE void backward_lanes(const pool_job *job, const pool_cover *cover, int64_t lane, int64_t stride, int halves,
                              bool has_norm, bool bf16, int lanes)
{
    cr_half_vector total[STRIP];
    for (int h = 0; h < halves; h++)
        total[h] = (cr_half_vector){0};
    for (int64_t oy = cover->oy0; oy < cover->oy1; oy++)
        for (int64_t ox = cover->ox0; ox < cover->ox1; ox++) {
            int64_t ky = cover->y - oy * job->window.stride + job->window.padding;
            int64_t kx = cover->x - ox * job->window.stride + job->window.padding;
            int64_t at = cover->from + lane + (oy * job->out.width + ox) * stride;
            int position = (int)(ky * job->window.kernel + kx);
            for (int h = 0; h < halves; h++, at += CR_HALF_LANES) {
                cr_half_vector g = cr_half_load(job->dy, at, bf16, lanes);
                if (job->dy1)
                    g += cr_half_load(job->dy1, at, bf16, lanes);
                cr_half_vector_byte bytes = {0};
                memcpy(&bytes, job->index + at, (size_t)lanes);
                cr_half_vector_int chosen = __builtin_convertvector(__builtin_convertvector(bytes, cr_half_vector_half),
                                                                    cr_half_vector_int) == position;
                total[h] += (cr_half_vector)((cr_half_vector_int)g & chosen);
            }
        }
    for (int h = 0; h < halves; h++) {
        int64_t to = cover->to + lane + h * CR_HALF_LANES, channel = job->channel + lane + h * CR_HALF_LANES;
        if (has_norm) {
            cr_half_vector d = cr_half_load(job->dx, to, bf16, lanes) - channel_load(job->norm->mean, channel);
            total[h] = (total[h] - channel_load(job->k1, channel) - d * channel_load(job->k2, channel)) *
                       channel_load(job->norm->scale, channel);
        }
        cr_half_store(job->dx, to, total[h], bf16, lanes);
    }
}

/* One input pixel: gathers, so that the order of additions is fixed and nothing is cleared first. */
CR_INLINE void backward_pixel(const pool_job *job, const cr_group *group, const pool_cover *cover, bool has_norm,
                              bool bf16, int vectors, int lanes)
{
    const int halves = vectors == 1 ? 2 : STRIP;
    if (lanes == CR_LANES)
        for (int lane = 0; lane < vectors * CR_LANES; lane += halves * CR_HALF_LANES)
            backward_lanes(job, cover, lane, group->pixel_stride, halves, has_norm, bf16, CR_HALF_LANES);
    else
        for (int lane = 0; lane < lanes; lane += CR_HALF_LANES)
            backward_lanes(job, cover, lane, group->pixel_stride, 1, has_norm, bf16,
                           (int)smallest(lanes - lane, CR_HALF_LANES));
}

CR_INLINE void backward_planes(const pool_job *job, const cr_group *group, bool has_norm, bool bf16, int vectors,
                               int lanes)
{
    pool_cover cover;
    for (int64_t n = 0; n < group->n_outer; n++) {
        cover.from = group->base + n * group->outer_stride;
        cover.to = job->in_group.base + n * job->in_group.outer_stride;
        cover.oy0 = cover.oy1 = 0;
        for (cover.y = 0; cover.y < job->in.height; cover.y++) {
            cover_next(&job->window, cover.y, job->out.height, &cover.oy0, &cover.oy1);
            cover.ox0 = cover.ox1 = 0;
            for (cover.x = 0; cover.x < job->in.width; cover.x++, cover.to += job->in_group.pixel_stride) {
                cover_next(&job->window, cover.x, job->out.width, &cover.ox0, &cover.ox1);
                backward_pixel(job, group, &cover, has_norm, bf16, vectors, lanes);
            }
        }
    }
}

CR_INLINE void backward_kernel(const pool_job *job, const cr_group *group, bool bf16, int vectors, int lanes)
{
    if (job->norm)
        backward_planes(job, group, true, bf16, vectors, lanes);
    else
        backward_planes(job, group, false, bf16, vectors, lanes);
}

CR_KERNEL(backward, backward_kernel, (const pool_job *job, const cr_group *group), (job, group))

static void run_backward(const pool_job *all, const cr_place *from, const cr_place *to)
{
    int64_t n_groups = cr_place_n_groups(to);
#pragma omp parallel for if (n_groups > 1)
    for (int64_t g = 0; g < n_groups; g++) {
        cr_group group = cr_place_group(to, g);
        pool_job job = *all;
        job.in = from->shape;
        job.out = to->shape;
        job.in_group = cr_place_group(from, g);
        job.channel = group.channel;
        backward(to->bf16, &job, &group);
    }
}

void cr_max_pool_backward(const cr_window *window, const cr_place *from, void *dx, const cr_place *to, const void *dy,
                          const void *dy1, const uint8_t *index)
{
    pool_job job = {.window = *window, .dy = dy, .dy1 = dy1, .dx = dx, .index = (uint8_t *)index};
    run_backward(&job, from, to);
}

void cr_extreme_pool_backward(const cr_window *window, const cr_norm *norm, const cr_place *from, void *x,
                              const cr_place *to, const void *dy, const uint8_t *index, const float *k1,
                              const float *k2)
{
    pool_job job = {.window = *window, .dy = dy, .dx = x, .index = (uint8_t *)index, .norm = norm, .k1 = k1, .k2 = k2};
    run_backward(&job, from, to);
}
