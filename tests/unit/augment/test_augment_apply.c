#include "crisol/augment.h"
#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SIDE = 37, /* no multiple of any vector length */
    AREA = SIDE * SIDE
};
static uint8_t image[AREA * 3];
static float got[AREA * 3];
static double want[AREA * 3];

static void fill_image(uint64_t seed)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < AREA * 3; i++)
        image[i] = (uint8_t)cr_rng_below(&rng, 256);
    for (int i = 0; i < 60; i++) /* some grey pixels and black ones, where hue has no meaning */
        image[i] = (uint8_t)(i / 3);
}

static double source_pixel(int64_t y, int64_t x, int c)
{
    return image[(y * SIDE + x) * 3 + c] / 255.;
}

/* Bilinear at (v, u); taps outside the box are its border. */
static double sample_box(cr_box box, double v, double u, int c)
{
    u = fmin(fmax(u, box.left), box.left + box.width - 1);
    v = fmin(fmax(v, box.top), box.top + box.height - 1);
    int64_t x = (int64_t)u, y = (int64_t)v;
    int64_t x1 = x + 1 < SIDE ? x + 1 : x, y1 = y + 1 < SIDE ? y + 1 : y;
    double a = u - (double)x, b = v - (double)y;
    return (1 - b) * ((1 - a) * source_pixel(y, x, c) + a * source_pixel(y, x1, c)) +
           b * ((1 - a) * source_pixel(y1, x, c) + a * source_pixel(y1, x1, c));
}

/* The part of the two taps at `at` that lies inside 0 … SIDE-1. */
static double inside(double at)
{
    return fmin(fmax(fmin(at + 1, SIDE - at), 0), 1);
}

/* A second writing of the geometry, in double, from the definition in the header. */
static void expect_geometry(const cr_augment *a)
{
    static const double identity[2][3] = {{1, 0, 0}, {0, 1, 0}};
    const double(*m)[3] = a->warps ? a->inverse : identity;
    cr_box box = a->crop.height > 0 ? a->crop : (cr_box){0, 0, SIDE, SIDE};
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double dx = x + 0.5 - SIDE / 2., dy = y + 0.5 - SIDE / 2.;
            double u = m[0][0] * dx + m[0][1] * dy + m[0][2], v = m[1][0] * dx + m[1][1] * dy + m[1][2];
            u = (a->hflip ? -u : u) + SIDE / 2. - 0.5; /* in the frame */
            v = (a->vflip ? -v : v) + SIDE / 2. - 0.5;
            double part = a->warps ? inside(u) * inside(v) : 1;
            for (int c = 0; c < 3; c++)
                want[c * AREA + y * SIDE + x] = part * sample_box(box, box.top + (v + 0.5) * box.height / SIDE - 0.5,
                                                                  box.left + (u + 0.5) * box.width / SIDE - 0.5, c);
        }
    }
}

static double worst_gap(void)
{
    double worst = 0;
    for (int i = 0; i < AREA * 3; i++) {
        int c = i / AREA;
        double gap = fabs((double)got[i] * (double)cr_image_deviation[c] + (double)cr_image_mean[c] - want[i]);
        worst = gap <= worst ? worst : gap;
    }
    return worst;
}

static cr_augment draw_geometry(cr_rng *rng)
{
    cr_augment a = {.hflip = cr_rng_below(rng, 2), .vflip = cr_rng_below(rng, 2), .warps = cr_rng_below(rng, 3) > 0};
    if (cr_rng_below(rng, 2)) {
        a.crop.height = 1 + (int32_t)cr_rng_below(rng, SIDE);
        a.crop.width = 1 + (int32_t)cr_rng_below(rng, SIDE);
        a.crop.top = (int32_t)cr_rng_below(rng, (uint64_t)SIDE - (uint64_t)a.crop.height + 1);
        a.crop.left = (int32_t)cr_rng_below(rng, (uint64_t)SIDE - (uint64_t)a.crop.width + 1);
    }
    double translate[2] = {cr_rng_normal(rng) * 5, cr_rng_normal(rng) * 5};
    double shear[2] = {cr_rng_normal(rng) * 8, cr_rng_normal(rng) * 8};
    cr_augment_affine_inverse(360 * cr_rng_uniform_double(rng), translate, 0.4 + 2 * cr_rng_uniform_double(rng), shear,
                              a.inverse);
    return a;
}

static void geometry_is_one_resampling_of_the_composed_map(void **state)
{
    (void)state;
    fill_image(1);
    cr_rng rng = cr_rng_make(2, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < 300; i++) {
        cr_augment a = draw_geometry(&rng);
        cr_augment_apply(image, SIDE, &a, got);
        expect_geometry(&a);
        assert_true(worst_gap() < 1e-5);
    }
}

static double unit(double x)
{
    return fmin(fmax(x, 0), 1);
}

/* torchvision's hue by way of HSV with its table of six sectors, in double. */
static void turn_hue(double p[3], double shift)
{
    double high = fmax(p[0], fmax(p[1], p[2])), low = fmin(p[0], fmin(p[1], p[2]));
    if (high == low)
        return;
    double span = high - low, hue, s = span / high;
    if (high == p[0])
        hue = (p[1] - p[2]) / span;
    else if (high == p[1])
        hue = 2 + (p[2] - p[0]) / span;
    else
        hue = 4 + (p[0] - p[1]) / span;
    hue = fmod(hue / 6 + 2 + shift, 1) * 6;
    int sector = (int)hue % 6;
    double f = hue - floor(hue), a = high * (1 - s), b = high * (1 - s * f), c = high * (1 - s * (1 - f));
    const double table[6][3] = {{high, c, a}, {b, high, a}, {a, high, c}, {a, b, high}, {c, a, high}, {high, a, b}};
    memcpy(p, table[sector], sizeof table[sector]);
}

static double grey(const double p[3])
{
    return 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

static void expect_jitter(cr_jitter kind, double factor)
{
    double mean = 0;
    for (int i = 0; i < AREA; i++)
        mean += grey((double[]){want[i], want[AREA + i], want[2 * AREA + i]}) / AREA;
    for (int i = 0; i < AREA; i++) {
        double p[3] = {want[i], want[AREA + i], want[2 * AREA + i]};
        double other = kind == CR_JITTER_CONTRAST ? mean : kind == CR_JITTER_SATURATION ? grey(p) : 0;
        if (kind == CR_JITTER_HUE)
            turn_hue(p, factor);
        for (int c = 0; c < 3; c++)
            want[c * AREA + i] = kind == CR_JITTER_HUE ? p[c] : unit(factor * p[c] + (1 - factor) * other);
    }
}

static void colours_change_in_the_given_order(void **state)
{
    (void)state;
    fill_image(3);
    cr_rng rng = cr_rng_make(4, CR_RNG_SYNTH, 0, 0);
    for (int i = 0; i < 200; i++) {
        cr_augment a = i % 2 ? draw_geometry(&rng) : (cr_augment){.hflip = cr_rng_below(&rng, 2), .vflip = i % 4 == 0};
        bool used[CR_JITTER_COUNT] = {false};
        int n = (int)cr_rng_below(&rng, CR_JITTER_COUNT + 1);
        while (a.n_jitters < n) {
            cr_jitter kind = (cr_jitter)cr_rng_below(&rng, CR_JITTER_COUNT);
            if (used[kind])
                continue;
            used[kind] = true;
            a.jitters[a.n_jitters++] = kind;
            a.factors[kind] =
                (float)(kind == CR_JITTER_HUE ? cr_rng_uniform_double(&rng) - 0.5 : 2 * cr_rng_uniform_double(&rng));
        }
        cr_augment_apply(image, SIDE, &a, got);
        expect_geometry(&a);
        for (int j = 0; j < n; j++)
            expect_jitter(a.jitters[j], (double)a.factors[a.jitters[j]]);
        assert_true(worst_gap() < 2e-5);
    }
}

static void nothing_is_plain_normalisation(void **state)
{
    (void)state;
    fill_image(5);
    cr_augment flips = {.hflip = true, .vflip = true};
    static float plain[AREA * 3];
    cr_augment_apply(image, SIDE, NULL, plain);
    cr_augment_apply(image, SIDE, &flips, got);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < AREA; i++) {
            float value = ((float)image[i * 3 + c] / 255.0F - cr_image_mean[c]) / cr_image_deviation[c];
            assert_memory_equal(&plain[c * AREA + i], &value, sizeof value);
            assert_memory_equal(&got[c * AREA + AREA - 1 - i], &value, sizeof value);
        }
    }
}

static void erasing_fills_the_box_alone(void **state)
{
    (void)state;
    fill_image(6);
    static float plain[AREA * 3];
    cr_augment a = {.erase = {.top = 3, .left = 5, .height = 20, .width = 31}};
    cr_augment_apply(image, SIDE, NULL, plain);
    for (int noise = 0; noise < 2; noise++) {
        a.erase_noise = noise;
        a.noise_key[0] = 77;
        cr_augment_apply(image, SIDE, &a, got);
        double sum = 0, squares = 0;
        for (int i = 0; i < AREA * 3; i++) {
            int y = i % AREA / SIDE, x = i % SIDE;
            if (y < 3 || y >= 23 || x < 5 || x >= 36) {
                assert_true(got[i] == plain[i]);
                continue;
            }
            sum += (double)got[i];
            squares += (double)got[i] * (double)got[i];
        }
        double n = 3 * 20 * 31;
        assert_true(fabs(sum / n) < 4 / sqrt(n));
        assert_true(noise ? fabs(squares / n - 1) < 4 * sqrt(2 / n) : squares == 0);
    }
    /* the number at a place is the same whatever the box */
    float before = got[AREA + 10 * SIDE + 12];
    a.erase = (cr_box){.top = 9, .left = 11, .height = 4, .width = 3};
    cr_augment_apply(image, SIDE, &a, got);
    assert_true(got[AREA + 10 * SIDE + 12] == before);
    a.noise_key[0] = 78;
    cr_augment_apply(image, SIDE, &a, got);
    assert_true(got[AREA + 10 * SIDE + 12] != before);
}

/* Whatever the map is, nothing outside the image is read (the image ends at the end of its allocation) and every value
 * is a possible one. */
static void extreme_maps_stay_inside(void **state)
{
    (void)state;
    static const int64_t sizes[] = {2, 3, 16, 130, CR_AUGMENT_SIZE_MAX};
    static const double scales[] = {1e-9, 1e-3, 0.5, 40, 1e9}, shifts[] = {0, 1, -600, 1e12};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t size = sizes[s], area = size * size;
        uint8_t *pixels = malloc((size_t)area * 3);
        float *out = malloc((size_t)area * 3 * sizeof *out);
        assert_true(pixels && out);
        memset(pixels, 255, (size_t)area * 3);
        for (int i = 0; i < 20; i++) {
            cr_augment a = {.warps = i > 1, .hflip = i & 1};
            int32_t last = (int32_t)size - 1;
            if (i % 3 == 1)
                a.crop = (cr_box){.top = i & 1 ? last : 0, .left = i & 2 ? last : 0, .height = 1, .width = 1};
            cr_augment_affine_inverse(17 * i, (double[]){shifts[i % 4], shifts[i / 4 % 4]}, scales[i % 5],
                                      (double[]){5, -5}, a.inverse);
            cr_augment_apply(pixels, size, &a, out);
            for (int64_t j = 0; j < 3 * area; j++) {
                double value = (double)out[j] * (double)cr_image_deviation[j / area] + (double)cr_image_mean[j / area];
                if (!(value > -1e-6 && value < 1 + 1e-6))
                    fail_msg("size %lld, map %d: value %g", (long long)size, i, value);
            }
        }
        free(pixels);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_is_one_resampling_of_the_composed_map),
        cmocka_unit_test(colours_change_in_the_given_order),
        cmocka_unit_test(nothing_is_plain_normalisation),
        cmocka_unit_test(erasing_fills_the_box_alone),
        cmocka_unit_test(extreme_maps_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
