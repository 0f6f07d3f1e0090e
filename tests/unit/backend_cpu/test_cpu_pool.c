/* Pooling against plain loops. */
#include "cpu_fill.h"
#include "pool.h"

enum {
    N = 2
};

static const cr_window windows[] = {{3, 2, 1}, {2, 2, 0}, {3, 1, 1}, {1, 1, 0}, {3, 3, 0}, {2, 3, 1}};

static int64_t pooled(int64_t size, const cr_window *window)
{
    return (size + 2 * window->padding - window->kernel) / window->stride + 1;
}

/* Position of the first maximum, its value by *best. */
static int64_t first_maximum(const cr_window *window, cr_shape shape, const float *plane, int64_t oy, int64_t ox,
                             float *best)
{
    int64_t where = -1;
    for (int64_t ky = 0; ky < window->kernel; ky++)
        for (int64_t kx = 0; kx < window->kernel; kx++) {
            int64_t y = oy * window->stride - window->padding + ky, x = ox * window->stride - window->padding + kx;
            if (y < 0 || x < 0 || y >= shape.height || x >= shape.width)
                continue;
            float value = plane[y * shape.width + x];
            if (where < 0 || value > *best) {
                where = ky * window->kernel + kx;
                *best = value;
            }
        }
    return where;
}

typedef struct pool_run {
    cr_window window;
    cr_place from, to;
    float *x, *dy, *dy1, *y, *dx; /* plain, expected */
    void *x_data, *dy_data, *dy1_data, *y_data, *dx_data;
    uint8_t *index;
} pool_run;

static void expect(pool_run *run)
{
    cr_shape in = run->from.shape, out = run->to.shape;
    for (int64_t plane = 0; plane < N * in.channels; plane++)
        for (int64_t oy = 0; oy < out.height; oy++)
            for (int64_t ox = 0; ox < out.width; ox++) {
                float best = 0;
                int64_t at = (plane * out.height + oy) * out.width + ox;
                int64_t where = first_maximum(&run->window, in, run->x + plane * in.height * in.width, oy, ox, &best);
                int64_t y = oy * run->window.stride - run->window.padding + where / run->window.kernel;
                int64_t x = ox * run->window.stride - run->window.padding + where % run->window.kernel;
                run->y[at] = best;
                run->dx[(plane * in.height + y) * in.width + x] += run->dy[at] + run->dy1[at];
                int64_t c = plane % in.channels;
                assert_int_equal(run->index[cr_place_offset(&run->to, plane / in.channels, c, oy, ox)], where);
            }
}

static void run_max_pool(const cpu_case *c, const cr_window *window)
{
    pool_run run = {.window = *window, .from = cpu_case_place(c, N)};
    cr_shape out = {c->channels, pooled(c->height, window), pooled(c->width, window)};
    if (c->height + 2 * window->padding < window->kernel || c->width + 2 * window->padding < window->kernel)
        return;
    run.to = cr_place_make(N, out, c->format, c->bf16);
    cr_place from = cpu_plain(&run.from), to = cpu_plain(&run.to);
    int64_t n_in = cr_place_elements(&from), n_out = cr_place_elements(&to);
    run.x = cpu_numbers(n_in, 1);
    for (int64_t i = 0; i < n_in; i++) /* few different values: many ties */
        run.x[i] = floorf(run.x[i] * 4.0f);
    run.dy = cpu_numbers(n_out, 2);
    run.dy1 = cpu_numbers(n_out, 3);
    run.y = cpu_room((size_t)n_out * sizeof(float));
    run.dx = calloc((size_t)n_in, sizeof(float));
    run.x_data = cpu_laid_out(&run.from, run.x);
    run.dy_data = cpu_laid_out(&run.to, run.dy);
    run.dy1_data = cpu_laid_out(&run.to, run.dy1);
    run.y_data = cpu_room(cr_place_bytes(&run.to));
    run.dx_data = cpu_room(cr_place_bytes(&run.from));
    run.index = cpu_room((size_t)cr_place_elements(&run.to));
    cr_max_pool_forward(window, &run.from, run.x_data, &run.to, run.y_data, run.index);
    cr_max_pool_backward(window, &run.from, run.dx_data, &run.to, run.dy_data, run.dy1_data, run.index);
    expect(&run);
    cpu_assert_padding(&run.to, run.y_data);
    cpu_assert_padding(&run.from, run.dx_data);
    float *y = cpu_plain_copy(&run.to, run.y_data), *dx = cpu_plain_copy(&run.from, run.dx_data);
    for (int64_t i = 0; i < n_out; i++)
        assert_true(y[i] == run.y[i]);
    for (int64_t i = 0; i < n_in; i++)
        cpu_assert_near("dx", i, dx[i], run.dx[i], cpu_tolerance(&run.from));
    /* without an index the values are the same; with one part of the gradient, that part */
    cr_max_pool_forward(window, &run.from, run.x_data, &run.to, run.dy1_data, NULL);
    assert_memory_equal(run.dy1_data, run.y_data, cr_place_bytes(&run.to));
    void *const all[] = {run.x,        run.dy,     run.dy1,     run.y,     run.dx, run.x_data, run.dy_data,
                         run.dy1_data, run.y_data, run.dx_data, run.index, y,      dx};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_max_pool(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++)
        for (unsigned w = 0; w < sizeof windows / sizeof *windows; w++)
            run_max_pool(&cpu_cases[i], &windows[w]);
}

/* Pooling before norm and ReLU: the largest x, the smallest where the scale is negative; and backward through all. */
static void run_extreme_pool(const cpu_case *c)
{
    const cr_window window = {3, 2, 1};
    cr_place from = cpu_case_place(c, N), to = from;
    to.shape.height = pooled(c->height, &window);
    to.shape.width = pooled(c->width, &window);
    cr_place plain_from = cpu_plain(&from), plain_to = cpu_plain(&to);
    int64_t n_in = cr_place_elements(&plain_from), n_out = cr_place_elements(&plain_to);
    int64_t area = c->height * c->width, out_area = to.shape.height * to.shape.width;
    int64_t channels = cr_norm_channels(c->channels);
    float *x = cpu_numbers(n_in, 1), *dy = cpu_numbers(n_out, 2), *arrays = cpu_numbers(4 * channels, 3);
    float *mean = arrays, *scale = mean + channels, *k1 = scale + channels, *k2 = k1 + channels;
    for (int64_t i = 0; i < 4 * channels; i++)
        arrays[i] = i % channels < c->channels ? arrays[i] : 0.0f;
    double *dz = calloc((size_t)n_in, sizeof *dz);
    void *x_data = cpu_laid_out(&from, x), *dy_data = cpu_laid_out(&to, dy), *y_data = cpu_room(cr_place_bytes(&to));
    uint8_t *index = cpu_room((size_t)cr_place_elements(&to));
    assert_non_null(dz);
    cr_extreme_pool_forward(&window, &from, x_data, scale, &to, y_data, index);
    float *y = cpu_plain_copy(&to, y_data), *turned = cpu_room((size_t)area * sizeof *turned);
    for (int64_t plane = 0; plane < N * c->channels; plane++) {
        float sign = scale[plane % c->channels] < 0 ? -1.0f : 1.0f;
        for (int64_t i = 0; i < area; i++)
            turned[i] = sign * x[plane * area + i];
        for (int64_t o = 0; o < out_area; o++) {
            float best = 0;
            int64_t oy = o / to.shape.width, ox = o % to.shape.width;
            int64_t where = first_maximum(&window, from.shape, turned, oy, ox, &best);
            assert_true(y[plane * out_area + o] == sign * best);
            dz[plane * area + (oy * 2 - 1 + where / 3) * c->width + ox * 2 - 1 + where % 3] += dy[plane * out_area + o];
        }
    }
    cr_norm norm = {mean, scale, mean, true};
    cr_extreme_pool_backward(&window, &norm, &from, x_data, &to, dy_data, index, k1, k2);
    cpu_assert_padding(&from, x_data);
    float *dx = cpu_plain_copy(&from, x_data);
    for (int64_t i = 0; i < n_in; i++) {
        int64_t channel = i / area % c->channels;
        double expected = scale[channel] * (dz[i] - k1[channel] - ((double)x[i] - mean[channel]) * k2[channel]);
        cpu_assert_near("dx", i, dx[i], expected, cpu_tolerance(&from));
    }
    void *const all[] = {x, dy, arrays, dz, x_data, dy_data, y_data, index, y, turned, dx};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_extreme_pool(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++)
        run_extreme_pool(&cpu_cases[i]);
}

static void test_max_pool_keeps_nan(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++) {
        cr_place place = cpu_case_place(&cpu_cases[i], 1), plain = cpu_plain(&place);
        float *x = cpu_numbers(cr_place_elements(&plain), 1);
        x[0] = NAN;
        void *data = cpu_laid_out(&place, x), *y = cpu_room(cr_place_bytes(&place));
        const cr_window window = {3, 1, 1};
        cr_max_pool_forward(&window, &place, data, &place, y, NULL);
        float *result = cpu_plain_copy(&place, y);
        assert_true(isnan(result[0]) && (place.shape.width < 2 || isnan(result[1])));
        free(x);
        free(data);
        free(y);
        free(result);
    }
}

static void test_average_pool(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++) {
        cr_place place = cpu_case_place(&cpu_cases[i], N), plain = cpu_plain(&place);
        int64_t pixels = place.shape.height * place.shape.width, n_means = N * place.shape.channels;
        float *x = cpu_numbers(cr_place_elements(&plain), 1), *means = cpu_room((size_t)n_means * sizeof(float));
        void *data = cpu_laid_out(&place, x);
        cr_average_pool_forward(&place, data, means);
        for (int64_t m = 0; m < n_means; m++) {
            double sum = 0;
            for (int64_t p = 0; p < pixels; p++)
                sum += x[m * pixels + p];
            cpu_assert_near("mean", m, means[m], sum / (double)pixels, 1e-6);
        }
        cr_average_pool_backward(&place, data, means);
        cpu_assert_padding(&place, data);
        float *dx = cpu_plain_copy(&place, data);
        for (int64_t e = 0; e < cr_place_elements(&plain); e++)
            cpu_assert_near("dx", e, dx[e], means[e / pixels] / (double)pixels, cpu_tolerance(&place));
        free(x);
        free(data);
        free(means);
        free(dx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_max_pool), cmocka_unit_test(test_extreme_pool),
                                       cmocka_unit_test(test_max_pool_keeps_nan), cmocka_unit_test(test_average_pool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
