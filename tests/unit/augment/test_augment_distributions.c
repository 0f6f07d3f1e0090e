#include "crisol/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const cr_augment_options everything = {
    .size = 224,
    .hflip = 0.5,
    .vflip = 0.5,
    .rotate = 10,
    .affine = 7,
    .translate = {0.02, 0.03},
    .scale = {0.95, 1.05},
    .shear = {4, 3},
    .crop = {0.08, 1},
    .crop_ratio = {3. / 4, 4. / 3},
    .brightness = 0.1,
    .contrast = 0.2,
    .saturation = 0.3,
    .hue = 0.02,
    .erase = 0.9,
    .erase_scale = {0.02, 0.33},
    .erase_ratio = {0.3, 3.3},
    .erase_noise = true,
};

/* From Philox4x32-10 and torchvision's make_params written anew in Python: seed 5, epoch 2, samples 0 … 2. */
typedef struct pinned {
    bool vflip;
    double inverse[6];
    cr_box crop;
    cr_jitter jitters[4];
    double factors[4];
    cr_box erase;
    uint32_t noise_key[2];
} pinned;
static const pinned samples[] = {
    {true,
     {0.9860661915564176, -0.002724333550380271, 0.9669958567037558, 0.028877620846203426, 0.9903960460476269,
      6.961649943179592},
     {69, 16, 120, 98},
     {3, 1, 0, 2},
     {0.9682406101777797, 1.1306828986634643, 0.8723401866741589, -0.008351033382853293},
     {3, 47, 162, 77},
     {322988783U, 1557411195U}},
    {false,
     {0.984654439008046, -0.0527922104657643, -1.8637244570845632, 0.02135136808470304, 0.9842299866078668,
      -2.0111627093851396},
     {10, 18, 151, 189},
     {3, 0, 2, 1},
     {0.9693095342303939, 0.8949444078628757, 1.1534675427627157, -0.017331648297382464},
     {5, 49, 210, 72},
     {1645782166U, 2653377452U}},
    {false,
     {0.9629916791933032, -0.24376405628617293, -3.120674547914694, 0.22029517079723362, 0.9632800835783508,
      -3.771020933923987},
     {9, 38, 139, 144},
     {2, 3, 1, 0},
     {0.955070729843471, 1.0878582537450991, 1.0900655619148594, -0.011297628793197005},
     {8, 49, 57, 113},
     {896494105U, 1921657242U}},
};

static void assert_same_box(cr_box a, cr_box b)
{
    assert_true(a.top == b.top && a.left == b.left && a.height == b.height && a.width == b.width);
}

static void draws_are_the_published_ones(void **state)
{
    (void)state;
    for (uint64_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        cr_augment a = cr_augment_draw(&everything, 5, 2, s);
        const pinned *want = &samples[s];
        assert_int_equal(a.vflip, want->vflip);
        assert_true(a.warps && a.erase_noise);
        for (int i = 0; i < 6; i++)
            assert_true(fabs(a.inverse[i / 3][i % 3] - want->inverse[i]) < 1e-12);
        assert_same_box(a.crop, want->crop);
        assert_same_box(a.erase, want->erase);
        assert_int_equal(a.n_jitters, 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(a.jitters[i], want->jitters[i]);
            assert_true(fabs((double)a.factors[i] - want->factors[i]) < 1e-7);
        }
        assert_memory_equal(a.noise_key, want->noise_key, sizeof a.noise_key);
    }
}

/* Each option alone draws what it draws beside all others. */
static void options_do_not_move_each_other(void **state)
{
    (void)state;
    for (uint64_t s = 0; s < 200; s++) {
        cr_augment all = cr_augment_draw(&everything, 1, 1, s);
        cr_augment_options one = {.size = 224, .hflip = 0.5};
        cr_augment a = cr_augment_draw(&one, 1, 1, s);
        assert_true(a.hflip == all.hflip && !a.warps && a.n_jitters == 0 && a.crop.height == 0 && a.erase.height == 0);
        one = (cr_augment_options){.size = 224, .hue = 0.02, .contrast = 0.2};
        a = cr_augment_draw(&one, 1, 1, s);
        assert_true(a.n_jitters == 2 && a.factors[CR_JITTER_HUE] == all.factors[CR_JITTER_HUE]);
        assert_true(a.factors[CR_JITTER_CONTRAST] == all.factors[CR_JITTER_CONTRAST]);
        int at = 0; /* in the order of all four, without the others */
        for (int i = 0; i < 4; i++)
            if (all.jitters[i] == CR_JITTER_HUE || all.jitters[i] == CR_JITTER_CONTRAST)
                assert_int_equal(a.jitters[at++], all.jitters[i]);
        one = (cr_augment_options){.size = 224, .erase = 0.9, .erase_scale = {0.02, 0.33}, .erase_ratio = {0.3, 3.3}};
        assert_same_box(cr_augment_draw(&one, 1, 1, s).erase, all.erase);
        one = (cr_augment_options){.size = 224, .crop = {0.08, 1}, .crop_ratio = {3. / 4, 4. / 3}};
        assert_same_box(cr_augment_draw(&one, 1, 1, s).crop, all.crop);
    }
}

static void nothing_asked_nothing_given(void **state)
{
    (void)state;
    static const cr_augment nothing;
    cr_augment_options none = {.size = 224, .scale = {1, 1}, .crop = {1, 1}, .crop_ratio = {0.75, 1.25}};
    for (uint64_t s = 0; s < 100; s++) {
        cr_augment a = cr_augment_draw(&none, 1, 1, s);
        assert_true(!a.warps && !a.hflip && !a.vflip && a.n_jitters == 0);
        assert_same_box(a.crop, nothing.crop);
        assert_same_box(a.erase, nothing.erase);
    }
}

/* Positive angles of a rotation turn counter-clockwise: with y pointing down, the output's right looks at the source's
 * lower right. Checked on the sign of the map, and on its range and mean. */
static void rotations_are_uniform(void **state)
{
    (void)state;
    enum {
        MANY = 20000
    };
    const double degree = 3.14159265358979323846 / 180;
    cr_augment_options options = {.size = 224, .rotate = 30};
    double sum = 0, squares = 0, largest = 0;
    for (uint64_t s = 0; s < MANY; s++) {
        cr_augment a = cr_augment_draw(&options, 3, 0, s);
        double angle = atan2(a.inverse[1][0], a.inverse[0][0]) / degree;
        assert_true(fabs(a.inverse[0][0] - a.inverse[1][1]) < 1e-12 && a.inverse[0][2] == 0 && a.inverse[1][2] == 0);
        sum += angle;
        squares += angle * angle;
        largest = fmax(largest, fabs(angle));
    }
    assert_true(largest <= 30 && largest > 29.9);
    assert_true(fabs(sum / MANY) < 4 * 30 / sqrt(3. * MANY));
    assert_true(fabs(squares / MANY - 300) < 10);
}

static void boxes_have_the_shapes_of_torchvision(void **state)
{
    (void)state;
    enum {
        MANY = 20000
    };
    double area = 0, log_ratio = 0;
    int n_erased = 0;
    cr_augment_options options = everything;
    options.erase = 0.25;
    for (uint64_t s = 0; s < MANY; s++) {
        cr_augment a = cr_augment_draw(&options, 3, 0, s);
        assert_true(a.crop.top >= 0 && a.crop.left >= 0 && a.crop.height > 0 && a.crop.width > 0);
        assert_true(a.crop.top + a.crop.height <= 224 && a.crop.left + a.crop.width <= 224);
        area += (double)a.crop.height * a.crop.width / (224 * 224);
        n_erased += a.erase.height > 0;
        if (a.erase.height > 0) {
            assert_true(a.erase.top + a.erase.height <= 224 && a.erase.left + a.erase.width <= 224);
            log_ratio += log((double)a.erase.height / a.erase.width);
        }
    }
    /* 40,000 draws of torchvision's own RandomResizedCrop and RandomErasing have the means 0.4798 and -0.007 */
    assert_true(fabs(area / MANY - 0.4798) < 0.006);
    assert_in_range(n_erased, 4755, 5245); /* a quarter, within 4 standard deviations */
    assert_true(fabs(log_ratio / n_erased + 0.007) < 0.04);
}

static void colours_come_in_every_order(void **state)
{
    (void)state;
    enum {
        MANY = 24000
    };
    int n_order[256] = {0}, n_seen = 0;
    for (uint64_t s = 0; s < MANY; s++) {
        cr_augment a = cr_augment_draw(&everything, 4, 0, s);
        n_order[a.jitters[0] << 6 | a.jitters[1] << 4 | a.jitters[2] << 2 | a.jitters[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        if (n_order[i] == 0)
            continue;
        n_seen++;
        assert_in_range(n_order[i], 850, 1150); /* 1,000 each, within 5 standard deviations */
    }
    assert_int_equal(n_seen, 24);
}

/* No box of the asked ratio fits: the largest one about the centre, as torchvision falls back. */
static void impossible_crops_fall_back_to_the_centre(void **state)
{
    (void)state;
    cr_augment_options options = {.size = 100, .crop = {1, 1}, .crop_ratio = {2, 4}};
    cr_augment a = cr_augment_draw(&options, 1, 1, 1);
    assert_same_box(a.crop, (cr_box){.top = 25, .left = 0, .height = 50, .width = 100});
    options = (cr_augment_options){.size = 100, .crop = {1, 1}, .crop_ratio = {0.2, 0.5}};
    a = cr_augment_draw(&options, 1, 1, 1);
    assert_same_box(a.crop, (cr_box){.top = 0, .left = 25, .height = 100, .width = 50});
}

static void senseless_options_are_named(void **state)
{
    (void)state;
    assert_int_equal(cr_augment_check(&everything), CR_OK);
    assert_int_equal(cr_augment_check(&(cr_augment_options){.size = 224}), CR_OK);
    assert_int_equal(cr_augment_check(&(cr_augment_options){.size = 1}), CR_BAD_CONFIG);
    assert_int_equal(cr_augment_check(&(cr_augment_options){.size = 4096}), CR_BAD_CONFIG);
#define REFUSED(text, change)                                                                                          \
    do {                                                                                                               \
        cr_augment_options options = everything;                                                                       \
        options.change;                                                                                                \
        assert_int_equal(cr_augment_check(&options), CR_BAD_CONFIG);                                                   \
        assert_non_null(strstr(cr_error_message(), "augment." text));                                                  \
    } while (0)
    REFUSED("hflip", erase = 1.5);
    REFUSED("rotate", rotate = -1);
    REFUSED("affine", affine = 181);
    REFUSED("translate", translate[1] = NAN);
    REFUSED("scale", scale[0] = 2);
    REFUSED("scale", scale[0] = 0);
    REFUSED("shear", shear[0] = 90);
    REFUSED("color", contrast = -0.1);
    REFUSED("color", hue = 0.6);
    REFUSED("crop", crop[1] = 1.5);
    REFUSED("crop_ratio", crop_ratio[0] = 0);
    REFUSED("erase_scale", erase_scale[0] = 0.5);
    REFUSED("erase_ratio", erase_ratio[1] = INFINITY);
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_the_published_ones),
        cmocka_unit_test(options_do_not_move_each_other),
        cmocka_unit_test(nothing_asked_nothing_given),
        cmocka_unit_test(rotations_are_uniform),
        cmocka_unit_test(boxes_have_the_shapes_of_torchvision),
        cmocka_unit_test(colours_come_in_every_order),
        cmocka_unit_test(impossible_crops_fall_back_to_the_centre),
        cmocka_unit_test(senseless_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
