/* The fused passes of batch norm against the formulas in double. */
#include "cpu_fill.h"
#include "norm.h"

enum {
    N = 3 /* samples */
};

typedef struct arrays { /* of channels, padded as the kernels want them */
    float *mean, *scale, *shift, *k1, *k2;
    double *sum, *dot;
} arrays;

static float *channel_numbers(int64_t channels, uint64_t id)
{
    float *numbers = cpu_numbers(cr_norm_channels(channels), id);
    for (int64_t c = channels; c < cr_norm_channels(channels); c++)
        numbers[c] = 0.0f;
    return numbers;
}

static arrays make_arrays(int64_t channels)
{
    size_t bytes = (size_t)cr_norm_channels(channels) * sizeof(double);
    return (arrays){channel_numbers(channels, 101),
                    channel_numbers(channels, 102),
                    channel_numbers(channels, 103),
                    channel_numbers(channels, 104),
                    channel_numbers(channels, 105),
                    cpu_room(bytes),
                    cpu_room(bytes)};
}

static void free_arrays(arrays *a)
{
    free(a->mean);
    free(a->scale);
    free(a->shift);
    free(a->k1);
    free(a->k2);
    free(a->sum);
    free(a->dot);
}

static int64_t channel_of(const cr_place *place, int64_t i)
{
    return i / (place->shape.height * place->shape.width) % place->shape.channels;
}

static void test_statistics(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++)
        for (int offset = 0; offset <= 100; offset += 100) {
            cr_place place = cpu_case_place(&cpu_cases[i], N), plain = cpu_plain(&place);
            int64_t n = cr_place_elements(&plain), channels = place.shape.channels;
            float *x = cpu_numbers(n, 1);
            for (int64_t e = 0; e < n; e++) /* a deviation of a hundredth beside a mean of a hundred */
                x[e] = offset ? (float)offset + 0.01f * x[e] : x[e];
            void *data = cpu_laid_out(&place, x);
            arrays a = make_arrays(channels);
            double *mean = calloc((size_t)channels * 2, sizeof *mean), *square = mean + channels;
            assert_non_null(mean);
            cr_norm_statistics(&place, data, a.mean, a.sum);
            double per_channel = (double)cr_place_pixels(&place);
            for (int64_t e = 0; e < n; e++)
                mean[channel_of(&place, e)] += x[e] / per_channel;
            for (int64_t e = 0; e < n; e++)
                square[channel_of(&place, e)] += pow(x[e] - mean[channel_of(&place, e)], 2);
            for (int64_t c = 0; c < channels; c++) {
                cpu_assert_near("mean", c, a.mean[c], mean[c], 1e-6);
                /* relative: nothing may cancel */
                assert_true(fabs(a.sum[c] - square[c]) <= 2e-3 * square[c] + 1e-12);
            }
            free(x);
            free(data);
            free(mean);
            free_arrays(&a);
        }
}

static void test_apply(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++)
        for (int variant = 0; variant < 8; variant++) {
            bool relu = variant & 1, has_add = variant & 2, in_place = variant & 4;
            cr_place place = cpu_case_place(&cpu_cases[i], N), plain = cpu_plain(&place);
            int64_t n = cr_place_elements(&plain);
            float *x = cpu_numbers(n, 1), *add = cpu_numbers(n, 2);
            void *data = cpu_laid_out(&place, x), *more = cpu_laid_out(&place, add);
            void *y = in_place ? data : cpu_room(cr_place_bytes(&place));
            arrays a = make_arrays(place.shape.channels);
            cr_norm norm = {a.mean, a.scale, a.shift, relu};
            cr_norm_apply(&place, &norm, data, has_add ? more : NULL, y);
            cpu_assert_padding(&place, y);
            float *result = cpu_plain_copy(&place, y);
            for (int64_t e = 0; e < n; e++) {
                int64_t c = channel_of(&place, e);
                double z = ((double)x[e] - a.mean[c]) * a.scale[c] + a.shift[c] + (has_add ? add[e] : 0.0);
                cpu_assert_near("y", e, result[e], relu && z < 0 ? 0.0 : z, cpu_tolerance(&place));
            }
            free(x);
            free(add);
            free(more);
            free(result);
            if (!in_place)
                free(y);
            free(data);
            free_arrays(&a);
        }
}

static void test_relu_lets_nan_through(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++) {
        cr_place place = cpu_case_place(&cpu_cases[i], 1), plain = cpu_plain(&place);
        float *x = cpu_numbers(cr_place_elements(&plain), 1);
        x[cr_place_elements(&plain) - 1] = NAN;
        void *data = cpu_laid_out(&place, x);
        arrays a = make_arrays(place.shape.channels);
        cr_norm norm = {a.mean, a.scale, a.shift, true};
        cr_norm_apply(&place, &norm, data, NULL, data);
        float *result = cpu_plain_copy(&place, data);
        assert_true(isnan(result[cr_place_elements(&plain) - 1]));
        free(x);
        free(data);
        free(result);
        free_arrays(&a);
    }
}

/* One backward run, kept apart from what it should give. */
typedef struct backward {
    cr_place place;
    cr_mask kind;
    bool two_parts, writes_dz;
    float *x, *y, *g0, *g1, *dz; /* plain; dz as it should be */
} backward;

static void expected_dz(backward *b, const arrays *a, int64_t n)
{
    for (int64_t e = 0; e < n; e++) {
        int64_t c = channel_of(&b->place, e);
        float z = (b->x[e] - a->mean[c]) * a->scale[c] + a->shift[c], g = b->g0[e] + (b->two_parts ? b->g1[e] : 0.0f);
        bool open = b->kind == CR_MASK_NONE || (b->kind == CR_MASK_RECOMPUTE ? z > 0 : b->y[e] > 0);
        b->dz[e] = open ? g : 0.0f;
    }
}

static void check_sums(const backward *b, const arrays *a, int64_t n)
{
    int64_t channels = b->place.shape.channels;
    double *sums = calloc((size_t)channels * 2, sizeof *sums), tolerance = cpu_tolerance(&b->place);
    assert_non_null(sums);
    for (int64_t e = 0; e < n; e++) {
        int64_t c = channel_of(&b->place, e);
        sums[c] += b->dz[e];
        sums[channels + c] += (double)b->dz[e] * ((double)b->x[e] - a->mean[c]);
    }
    for (int64_t c = 0; c < channels; c++) {
        cpu_assert_near("sum", c, a->sum[c], sums[c], tolerance);
        cpu_assert_near("dot", c, a->dot[c], sums[channels + c], tolerance);
    }
    free(sums);
}

static void run_backward(backward *b)
{
    cr_place plain = cpu_plain(&b->place);
    int64_t n = cr_place_elements(&plain);
    b->x = cpu_numbers(n, 1);
    b->y = cpu_numbers(n, 2);
    b->g0 = cpu_numbers(n, 3);
    b->g1 = cpu_numbers(n, 4);
    b->dz = cpu_numbers(n, 5);
    void *x = cpu_laid_out(&b->place, b->x), *y = cpu_laid_out(&b->place, b->y);
    void *g0 = cpu_laid_out(&b->place, b->g0), *g1 = cpu_laid_out(&b->place, b->g1);
    arrays a = make_arrays(b->place.shape.channels);
    cr_norm norm = {a.mean, a.scale, a.shift, b->kind != CR_MASK_NONE};
    expected_dz(b, &a, n);
    cr_norm_backward_sums(&b->place, &norm, b->kind, x, y, g0, b->two_parts ? g1 : NULL, b->writes_dz ? g0 : NULL,
                          a.sum, a.dot);
    check_sums(b, &a, n);
    cr_norm_backward_apply(&b->place, &norm, b->writes_dz ? CR_MASK_NONE : b->kind, x, y, g0, a.k1, a.k2);
    cpu_assert_padding(&b->place, x);
    float *dx = cpu_plain_copy(&b->place, x), *dz = cpu_plain_copy(&b->place, g0);
    for (int64_t e = 0; e < n; e++) {
        int64_t c = channel_of(&b->place, e);
        double expected = a.scale[c] * (b->dz[e] - (double)a.k1[c] - ((double)b->x[e] - a.mean[c]) * a.k2[c]);
        cpu_assert_near("dx", e, dx[e], expected, cpu_tolerance(&b->place));
        if (b->writes_dz)
            cpu_assert_near("dz", e, dz[e], b->dz[e], cpu_tolerance(&b->place));
    }
    float *const plains[] = {b->x, b->y, b->g0, b->g1, b->dz, dx, dz};
    for (unsigned i = 0; i < sizeof plains / sizeof *plains; i++)
        free(plains[i]);
    free(x);
    free(y);
    free(g0);
    free(g1);
    free_arrays(&a);
}

static void test_backward(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++)
        for (int kind = CR_MASK_NONE; kind <= CR_MASK_OUTPUT; kind++)
            for (int parts = 0; parts < 3; parts++) {
                backward b = {.place = cpu_case_place(&cpu_cases[i], N),
                              .kind = (cr_mask)kind,
                              .two_parts = parts == 2,
                              .writes_dz = parts > 0};
                run_backward(&b);
            }
}

static void test_add(void **state)
{
    (void)state;
    enum {
        COUNT = 1003
    };
    float *a = cpu_numbers(COUNT, 1), *b = cpu_numbers(COUNT, 2);
    uint16_t *a16 = cpu_room(COUNT * sizeof *a16), *b16 = cpu_room(COUNT * sizeof *b16);
    for (int i = 0; i < COUNT; i++) {
        a16[i] = cr_bf16_from_float(a[i]);
        b16[i] = cr_bf16_from_float(b[i]);
    }
    for (int i = 0; i < COUNT; i++)
        b[i] += a[i];
    float *sum = cpu_numbers(COUNT, 2);
    cr_values_add(false, COUNT, sum, a);
    for (int i = 0; i < COUNT; i++)
        assert_true(sum[i] == b[i]);
    uint16_t first = cr_bf16_from_float(cr_bf16_to_float(a16[0]) + cr_bf16_to_float(b16[0]));
    cr_values_add(true, COUNT, a16, b16);
    assert_int_equal(a16[0], first);
    free(a);
    free(b);
    free(sum);
    free(a16);
    free(b16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statistics), cmocka_unit_test(test_apply),
                                       cmocka_unit_test(test_relu_lets_nan_through), cmocka_unit_test(test_backward),
                                       cmocka_unit_test(test_add)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
