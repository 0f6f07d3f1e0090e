/* Maximum pooling against plain loops: the usual window, which has kernels of its own, and others; odd sizes, windows
 * without a finite number, in place through a norm. */
#include "cuda_values.h"
#include "kernels.h"
#include "norm_element.h"

typedef struct pool_case {
    cr_pool_job job; /* its pointers are the host's */
    int64_t n_in, n_out;
} pool_case;

static pool_case pool_of(int64_t kernel, int64_t stride, int64_t padding, int64_t height, int64_t width, bool bf16)
{
    pool_case c = {.job = {.n = 2,
                           .height = height,
                           .width = width,
                           .out_height = (height + 2 * padding - kernel) / stride + 1,
                           .out_width = (width + 2 * padding - kernel) / stride + 1,
                           .channels = 24,
                           .kernel = kernel,
                           .stride = stride,
                           .padding = padding,
                           .bf16 = bf16}};
    c.n_in = c.job.n * height * width * c.job.channels;
    c.n_out = c.job.n * c.job.out_height * c.job.out_width * c.job.channels;
    return c;
}

/* Calls `visit` for each number under the window of result i, in order. */
typedef void window_visit(void *context, int64_t input, int position);

static void visit_window(const cr_pool_job *job, int64_t i, window_visit *visit, void *context)
{
    int64_t c = i % job->channels, ox = i / job->channels % job->out_width;
    int64_t oy = i / job->channels / job->out_width % job->out_height,
            n = i / job->channels / job->out_width / job->out_height;
    for (int64_t ky = 0; ky < job->kernel; ky++)
        for (int64_t kx = 0; kx < job->kernel; kx++) {
            int64_t y = oy * job->stride - job->padding + ky, x = ox * job->stride - job->padding + kx;
            if (y >= 0 && y < job->height && x >= 0 && x < job->width)
                visit(context, ((n * job->height + y) * job->width + x) * job->channels + c,
                      (int)(ky * job->kernel + kx));
        }
}

typedef struct maximum {
    const cr_pool_job *job;
    float sign, best;
    int where; /* -1: nothing yet */
} maximum;

static void take(void *context, int64_t input, int position)
{
    maximum *m = context;
    float value = m->sign * cr_one_load(m->job->x, input, m->job->bf16);
    if (m->where < 0 || value > m->best) {
        m->best = value;
        m->where = position;
    }
}

typedef struct spread {
    const cr_pool_job *job;
    float *dx;
    int where;
    float dy;
} spread;

static void give(void *context, int64_t input, int position)
{
    spread *s = context;
    if (position == s->where)
        s->dx[input] += s->dy; /* results come in order, so as the kernel adds */
}

static void judge_pool_forward(pool_case *c, const float *scale, uint8_t *index)
{
    size_t out_bytes = bytes_of(c->n_out, c->job.bf16);
    void *got = make_values(c->n_out, c->job.bf16, false, 9);
    uint8_t *got_index = calloc((size_t)c->n_out, 1);
    cr_pool_job job = c->job;
    job.x = to_device(job.x, bytes_of(c->n_in, job.bf16));
    job.scale = scale ? to_device(scale, (size_t)job.channels * sizeof *scale) : NULL;
    job.out = to_device(got, out_bytes);
    job.index = to_device(got_index, (size_t)c->n_out);
    cr_kernel_max_pool_forward(&job, cuda_case_stream());
    from_device(job.out, got, out_bytes);
    from_device(job.index, got_index, (size_t)c->n_out);
    cudaFree((void *)job.x);
    cudaFree((void *)job.scale);
    for (int64_t i = 0; i < c->n_out; i++) {
        maximum m = {.job = &c->job, .sign = scale && signbit(scale[i % c->job.channels]) ? -1 : 1, .where = -1};
        visit_window(&c->job, i, take, &m);
        index[i] = (uint8_t)m.where;
        assert_true(cr_one_load(got, i, c->job.bf16) == m.sign * m.best);
        assert_int_equal(got_index[i], m.where);
    }
    free(got);
    free(got_index);
}

/* The input's gradient by windows, at `dx`. */
static void spread_gradient(const pool_case *c, const uint8_t *index, const void *dy, const void *dy1, float *dx)
{
    memset(dx, 0, (size_t)c->n_in * sizeof *dx);
    for (int64_t i = 0; i < c->n_out; i++) {
        spread s = {&c->job, dx, index[i], cr_one_load(dy, i, c->job.bf16)};
        if (dy1)
            s.dy += cr_one_load(dy1, i, c->job.bf16);
        visit_window(&c->job, i, give, &s);
    }
}

static void compare_gradient(const pool_case *c, const void *got, const float *dx, float *const norm[4])
{
    for (int64_t i = 0; i < c->n_in; i++) {
        int64_t k = i % c->job.channels;
        float want = dx[i], found = cr_one_load(got, i, c->job.bf16);
        if (norm)
            want =
                cr_norm_dx(want, cr_one_load(c->job.x, i, c->job.bf16), norm[0][k], norm[1][k], norm[2][k], norm[3][k]);
        cr_one_store(&want, 0, want, c->job.bf16);
        want = cr_one_load(&want, 0, c->job.bf16);
        if (!(found == want || (isnan(found) && isnan(want))))
            fail_msg("gradient %lld is %g instead of %g", (long long)i, (double)found, (double)want);
    }
}

/* `norm`: mean, scale, k1, k2, or null. */
static void judge_pool_backward(const pool_case *c, uint8_t *index, float *const norm[4], bool two)
{
    const bool bf16 = c->job.bf16;
    const size_t in_bytes = bytes_of(c->n_in, bf16), out_bytes = bytes_of(c->n_out, bf16);
    void *dy = make_values(c->n_out, bf16, false, 5), *dy1 = two ? make_values(c->n_out, bf16, false, 6) : NULL;
    void *got = make_values(c->n_in, bf16, false, 9), *arrays[4] = {NULL};
    float *dx = random_floats(c->n_in, 1);
    cr_pool_job job = c->job;
    for (int a = 0; norm && a < 4; a++)
        arrays[a] = to_device(norm[a], (size_t)job.channels * sizeof **norm);
    job.arrays = (cr_norm_arrays){.mean = arrays[0], .scale = arrays[1]};
    job.k1 = arrays[2];
    job.k2 = arrays[3];
    job.x = to_device(c->job.x, in_bytes);
    job.dy = to_device(dy, out_bytes);
    job.dy1 = two ? to_device(dy1, out_bytes) : NULL;
    job.index = to_device(index, (size_t)c->n_out);
    job.out = (void *)job.x; /* in place, as the stem's */
    cr_kernel_max_pool_backward(&job, cuda_case_stream());
    from_device(job.out, got, in_bytes);
    spread_gradient(c, index, dy, dy1, dx);
    compare_gradient(c, got, dx, norm);
    cudaFree((void *)job.dy);
    cudaFree((void *)job.dy1);
    cudaFree(job.index);
    for (int a = 0; a < 4; a++)
        cudaFree(arrays[a]);
    free(dy);
    free(dy1);
    free(got);
    free(dx);
}

static void judge_pool(pool_case c)
{
    void *x = make_values(c.n_in, c.job.bf16, true, 3);
    uint8_t *index = calloc((size_t)c.n_out, 1);
    float *norm[4];
    assert_non_null(index);
    for (uint64_t a = 0; a < 4; a++)
        norm[a] = random_floats(c.job.channels, 20 + a);
    c.job.x = x;
    judge_pool_forward(&c, norm[1], index);
    judge_pool_backward(&c, index, norm, false);
    judge_pool_forward(&c, NULL, index);
    judge_pool_backward(&c, index, NULL, false);
    judge_pool_backward(&c, index, NULL, true);
    for (int a = 0; a < 4; a++)
        free(norm[a]);
    free(index);
    free(x);
}

static void test_pool(void **state)
{
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        judge_pool(pool_of(3, 2, 1, 12, 10, bf16));
        judge_pool(pool_of(3, 2, 1, 9, 13, bf16));
        judge_pool(pool_of(3, 2, 1, 1, 2, bf16));
        judge_pool(pool_of(3, 2, 0, 9, 12, bf16));
        judge_pool(pool_of(2, 2, 0, 7, 8, bf16));
        judge_pool(pool_of(5, 1, 2, 6, 7, bf16));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pool)};
    int opened = cuda_case_open();
    if (opened != 0)
        return opened;
    int failed = cmocka_run_group_tests_name("pools", tests, NULL, NULL);
    cr_backend_close(&backend);
    return failed;
}
