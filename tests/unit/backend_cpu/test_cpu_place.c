/* Layouts: where elements lie, groups that cover each once, conversions. */
#include "cpu_fill.h"

static void test_groups_cover_everything_once(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++) {
        cr_place place = cpu_case_place(&cpu_cases[i], 3);
        int64_t n = cr_place_elements(&place);
        uint8_t *seen = calloc((size_t)n, 1);
        assert_non_null(seen);
        for (int64_t g = 0; g < cr_place_n_groups(&place); g++) {
            cr_group group = cr_place_group(&place, g);
            assert_true(group.width == CR_GROUP_MAX || group.width == CR_LANES ||
                        (group.width < CR_LANES && place.format == CR_FORMAT_NHWC));
            for (int64_t o = 0; o < group.n_outer; o++)
                for (int64_t p = 0; p < group.n_pixels; p++)
                    for (int lane = 0; lane < group.width; lane++) {
                        int64_t at = group.base + o * group.outer_stride + p * group.pixel_stride + lane;
                        assert_true(at >= 0 && at < n);
                        seen[at]++;
                        if (group.channel + lane < place.shape.channels)
                            assert_int_equal(at, cr_place_offset(&place, o, group.channel + lane, p / place.shape.width,
                                                                 p % place.shape.width));
                    }
        }
        for (int64_t e = 0; e < n; e++)
            assert_int_equal(seen[e], 1);
        free(seen);
    }
}

static void test_convert_there_and_back(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_CASES; i++) {
        cr_place place = cpu_case_place(&cpu_cases[i], 2), plain = cpu_plain(&place);
        float *numbers = cpu_numbers(cr_place_elements(&plain), (uint64_t)i);
        void *data = cpu_laid_out(&place, numbers);
        cpu_assert_padding(&place, data);
        float *back = cpu_plain_copy(&place, data);
        assert_memory_equal(back, numbers, cr_place_bytes(&plain));
        free(numbers);
        free(data);
        free(back);
    }
}

static void test_bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(cr_bf16_from_float(1.0f), 0x3f80);
    assert_int_equal(cr_bf16_from_float(0x1.01p0f), 0x3f80);     /* a tie, down to even */
    assert_int_equal(cr_bf16_from_float(0x1.03p0f), 0x3f82);     /* a tie, up to even */
    assert_int_equal(cr_bf16_from_float(0x1.010002p0f), 0x3f81); /* just above a tie */
    assert_int_equal(cr_bf16_from_float(-0x1.03p0f), 0xbf82);
    assert_int_equal(cr_bf16_from_float(0x1.fffffep127f), 0x7f80); /* beyond the largest: infinity */
    uint32_t bits = 0x7fffffffU;                                   /* a NaN whose carry would reach the sign */
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(isnan(cr_bf16_to_float(cr_bf16_from_float(nan))));
    cr_vector vector = cr_splat(0x1.03p0f);
    memcpy(&vector, &nan, sizeof nan);
    uint16_t halves[2 * CR_LANES]; /* room for floats, too */
    cr_store(halves, 0, vector, true, CR_LANES);
    assert_true(isnan(cr_bf16_to_float(halves[0])));
    for (int i = 1; i < CR_LANES; i++)
        assert_int_equal(halves[i], 0x3f82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups_cover_everything_once),
                                       cmocka_unit_test(test_convert_there_and_back),
                                       cmocka_unit_test(test_bf16_rounds_to_nearest_even)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
