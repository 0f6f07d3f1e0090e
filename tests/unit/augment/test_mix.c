/* Mixup and cutmix: what is drawn, and what becomes of the numbers. */
#include "crisol/backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 40000,
    SIZE = 224
};

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: sqrt(N) times the largest gap is above 1.95 once in a thousand draws of N. */
static double largest_gap(float *shares, double (*cumulative)(double))
{
    double gap = 0;
    qsort(shares, N, sizeof *shares, compare);
    for (int i = 0; i < N; i++) {
        double c = cumulative((double)shares[i]);
        gap = fmax(gap, fmax(fabs(c - (double)i / N), fabs(c - (double)(i + 1) / N)));
    }
    return gap * sqrt(N);
}

static double beta_1(double x)
{
    return x;
}

static double beta_2(double x)
{
    return 3 * x * x - 2 * x * x * x;
}

static double beta_half(double x)
{
    return 2 / acos(-1) * asin(sqrt(x));
}

static void shares_of_mixup_are_beta(void **state)
{
    (void)state;
    static float shares[N];
    static const double alphas[] = {1, 2, 0.5};
    double (*const cumulative[])(double) = {beta_1, beta_2, beta_half};
    for (int a = 0; a < 3; a++) {
        cr_mix_options options = {.size = SIZE, .mixup = alphas[a]};
        for (int i = 0; i < N; i++) {
            cr_mix mix = cr_mix_draw(&options, 3, 1, (uint64_t)i, i % 4, 4);
            assert_true(mix.partner == (i % 4 + 3) % 4 && mix.box.height == 0);
            shares[i] = mix.share;
        }
        double gap = largest_gap(shares, cumulative[a]);
        if (!(gap < 1.95))
            fail_msg("Beta(%g, %g): %g", alphas[a], alphas[a], gap);
    }
    cr_mix_options tiny = {.size = SIZE, .mixup = 1e-3}; /* one or the other, and always a number */
    for (int i = 0; i < 1000; i++) {
        float share = cr_mix_draw(&tiny, 3, 1, (uint64_t)i, 0, 2).share;
        assert_true(share >= 0 && share <= 1);
    }
}

/* Means of torchvision's formula, drawn 2,000,000 times with NumPy. */
static void boxes_of_cutmix_are_torchvisions(void **state)
{
    (void)state;
    static const double alphas[] = {1, 0.3}, means[] = {0.6822024037587692, 0.6987740600884885};
    static const double deviations[] = {0.18797719887179726, 0.2431632579881122}, halves[] = {0.1739695, 0.2338075};
    for (int a = 0; a < 2; a++) {
        cr_mix_options options = {.size = SIZE, .cutmix = alphas[a]};
        double sum = 0, below = 0;
        for (int i = 0; i < N; i++) {
            cr_mix mix = cr_mix_draw(&options, 3, 1, (uint64_t)i, i % 8, 8);
            cr_box b = mix.box;
            assert_true(b.top >= 0 && b.left >= 0 && b.top + b.height <= SIZE && b.left + b.width <= SIZE);
            assert_true(fabs((double)mix.share - (1 - (double)b.height * b.width / (SIZE * SIZE))) < 1e-7);
            sum += (double)mix.share;
            below += mix.share < 0.5F;
        }
        assert_true(fabs(sum / N - means[a]) < 4 * deviations[a] / sqrt(N));
        assert_true(fabs(below / N - halves[a]) < 4 * sqrt(halves[a] / N));
    }
}

static void both_take_turns_and_nothing_else_matters(void **state)
{
    (void)state;
    cr_mix_options both = {.size = SIZE, .mixup = 1, .cutmix = 1}, none = {.size = SIZE};
    int n_boxes = 0;
    for (int i = 0; i < N; i++) {
        cr_mix a = cr_mix_draw(&both, 3, 1, (uint64_t)i, 5, 8), b = cr_mix_draw(&both, 3, 1, (uint64_t)i, 2, 4);
        assert_true(a.partner == 4 && b.partner == 1);
        assert_true(a.share == b.share && !memcmp(&a.box, &b.box, sizeof a.box)); /* the place alone counts */
        n_boxes += a.box.height > 0;
    }
    assert_in_range(n_boxes, N / 2 - 600, N / 2 + 400); /* a box may be empty */
    assert_true(cr_mix_draw(&none, 3, 1, 0, 0, 2).share == 1);
    cr_mix one = cr_mix_draw(&both, 3, 1, 0, 0, 2), later = cr_mix_draw(&both, 3, 2, 0, 0, 2);
    assert_true(one.share != later.share);
}

static void numbers_are_mixed_as_asked(void **state)
{
    (void)state;
    enum {
        SIDE = 4,
        COUNT = 3 * SIDE * SIDE
    };
    float own[COUNT], other[COUNT], out[COUNT];
    for (int i = 0; i < COUNT; i++) {
        own[i] = (float)i;
        other[i] = (float)(-100 - i);
    }
    cr_mix mix = {.partner = 1, .share = 0.25F};
    cr_mix_planes(&mix, SIDE, own, other, out);
    for (int i = 0; i < COUNT; i++)
        assert_true(out[i] == 0.25F * own[i] + 0.75F * other[i]);
    mix.box = (cr_box){.top = 1, .left = 2, .height = 3, .width = 1};
    cr_mix_planes(&mix, SIDE, own, other, out);
    for (int i = 0; i < COUNT; i++) {
        int y = i % 16 / 4, x = i % 4;
        assert_true(out[i] == (y >= 1 && x == 2 ? other[i] : own[i]));
    }
    own[3] = INFINITY; /* what is not mixed in does no harm */
    cr_mix_planes(&(cr_mix){.share = 1}, SIDE, other, own, out);
    assert_memory_equal(out, other, sizeof out);
    const cr_mix mixes[] = {{.partner = 1, .share = 0.5F}, {.partner = 0, .share = 1}};
    const float metadata[] = {1, 2, 5, -6};
    cr_mix_metadata(mixes, 2, 2, metadata, out);
    assert_true(out[0] == 3 && out[1] == -2 && out[2] == 5 && out[3] == -6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_mixup_are_beta), cmocka_unit_test(boxes_of_cutmix_are_torchvisions),
        cmocka_unit_test(both_take_turns_and_nothing_else_matters), cmocka_unit_test(numbers_are_mixed_as_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
