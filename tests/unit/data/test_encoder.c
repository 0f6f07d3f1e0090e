#include "crisol/data.h"
#include "tiny_pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static cr_pack *pack;

static int open_pack(void **state)
{
    (void)state;
    pack = tiny_pack_open();
    return 0;
}

static int close_pack(void **state)
{
    (void)state;
    cr_pack_close(&pack);
    tiny_pack_remove();
    return 0;
}

/* Mean and population deviation over the training rows that have a value. */
static void statistics(double (*value)(int row), bool (*has)(int row), double *mean, double *deviation)
{
    double sum = 0, squares = 0, n = 0;
    for (int row = 0; row < TINY_TRAIN; row++) {
        if (!has || has(row)) {
            sum += value(row);
            n++;
        }
    }
    *mean = sum / n;
    for (int row = 0; row < TINY_TRAIN; row++) {
        if (!has || has(row))
            squares += (value(row) - *mean) * (value(row) - *mean);
    }
    *deviation = sqrt(squares / n);
}

static void names_and_width(void **state)
{
    (void)state;
    static const char *const expected[] = {"age",        "age:missing", "sex=F", "sex=M",
                                           "marks=spot", "marks=ring",  "height"};
    cr_encoder *encoder = NULL;
    assert_int_equal(cr_encoder_create(pack, NULL, 0, &encoder), CR_OK);
    assert_int_equal(cr_encoder_width(encoder), 7);
    for (int i = 0; i < 7; i++)
        assert_string_equal(cr_encoder_feature_name(encoder, i), expected[i]);
    cr_encoder_destroy(&encoder);
    assert_null(encoder);
}

static void check_row(const cr_encoder *encoder, cr_split split, int sample)
{
    float encoded[7];
    int row = tiny_first_row(split) + sample;
    double mean, deviation;
    cr_encoder_encode(encoder, cr_pack_metadata(pack, split, sample), encoded);
    statistics(tiny_age, tiny_has_age, &mean, &deviation);
    double age = tiny_has_age(row) ? (tiny_age(row) - mean) / deviation : 0;
    assert_true(fabs(encoded[0] - age) < 1e-6);
    assert_true(encoded[1] == !tiny_has_age(row));
    assert_true(encoded[2] == (strcmp(tiny_sex(row), "F") == 0));
    assert_true(encoded[3] == (strcmp(tiny_sex(row), "M") == 0));
    for (int i = 0; i < 2; i++)
        assert_true(encoded[4 + i] == (tiny_has_marks(row) && tiny_mark(row, i)));
    statistics(tiny_height, NULL, &mean, &deviation);
    double height = isnan(tiny_height(row)) ? 0 : (tiny_height(row) - mean) / deviation;
    assert_true(fabs(encoded[6] - height) < 1e-6);
}

static void every_row_of_every_split(void **state)
{
    (void)state;
    cr_encoder *encoder = NULL;
    assert_int_equal(cr_encoder_create(pack, NULL, 0, &encoder), CR_OK);
    for (cr_split split = CR_SPLIT_TRAIN; split < CR_N_SPLITS; split++) {
        for (int sample = 0; sample < cr_pack_n_samples(pack, split); sample++)
            check_row(encoder, split, sample);
    }
    cr_encoder_destroy(&encoder);
}

static void chosen_columns_come_in_the_given_order(void **state)
{
    (void)state;
    static const char *const columns[] = {"marks", "age"}, *const expected[] = {"marks=spot", "marks=ring", "age"};
    cr_encoder *all = NULL, *some = NULL;
    float every[7], few[4];
    assert_int_equal(cr_encoder_create(pack, NULL, 0, &all), CR_OK);
    assert_int_equal(cr_encoder_create(pack, columns, 2, &some), CR_OK);
    assert_int_equal(cr_encoder_width(some), 4);
    for (int i = 0; i < 3; i++)
        assert_string_equal(cr_encoder_feature_name(some, i), expected[i]);
    for (int sample = 0; sample < TINY_TRAIN; sample++) {
        const float *raw = cr_pack_metadata(pack, CR_SPLIT_TRAIN, sample);
        cr_encoder_encode(all, raw, every);
        cr_encoder_encode(some, raw, few);
        assert_memory_equal(few, every + 4, 2 * sizeof(float));
        assert_memory_equal(few + 2, every, 2 * sizeof(float));
    }
    cr_encoder_destroy(&all);
    cr_encoder_destroy(&some);
}

static void wrong_columns_are_named(void **state)
{
    (void)state;
    static const char *const unknown[] = {"age", "agee"}, *const twice[] = {"age", "sex", "age"};
    cr_encoder *encoder = NULL;
    assert_int_equal(cr_encoder_create(pack, unknown, 2, &encoder), CR_BAD_CONFIG);
    assert_null(encoder);
    assert_non_null(strstr(cr_error_message(), "'agee'"));
    assert_non_null(strstr(cr_error_message(), "age, sex, marks, height"));
    assert_int_equal(cr_encoder_create(pack, twice, 3, &encoder), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "'age' is named twice"));
    cr_encoder_destroy(&encoder);
    cr_encoder_destroy(NULL);
}

static void a_subset_keeps_and_renumbers_classes(void **state)
{
    (void)state;
    static const int32_t class_of[TINY_CLASSES] = {1, -1, 0};
    cr_subset subset;
    assert_int_equal(cr_subset_create(pack, CR_SPLIT_TRAIN, class_of, 0, &subset), CR_OK);
    assert_int_equal(subset.n_samples, TINY_TRAIN * 2 / TINY_CLASSES);
    for (int64_t i = 0; i < subset.n_samples; i++) {
        assert_int_equal(subset.labels[i], class_of[tiny_label((int)subset.samples[i])]);
        assert_true(subset.labels[i] >= 0);
        assert_true(i == 0 || subset.samples[i] > subset.samples[i - 1]);
    }
    cr_subset_destroy(&subset);
    assert_null(subset.samples);
}

/* A limit keeps those that come first in the order of seed 0, epoch 0 over the chosen samples. */
static void a_limit_is_a_fixed_random_choice(void **state)
{
    (void)state;
    static const int32_t class_of[TINY_CLASSES] = {0, -1, 1};
    cr_subset all, some;
    int64_t order[TINY_TRAIN], limit = 7;
    assert_int_equal(cr_subset_create(pack, CR_SPLIT_TRAIN, class_of, 0, &all), CR_OK);
    assert_int_equal(cr_subset_create(pack, CR_SPLIT_TRAIN, class_of, limit, &some), CR_OK);
    assert_int_equal(some.n_samples, limit);
    assert_int_equal(cr_sample_order(0, 0, all.n_samples, order), CR_OK);
    for (int64_t i = 0; i < limit; i++) {
        bool found = false;
        for (int64_t j = 0; j < limit; j++)
            found = found || some.samples[j] == all.samples[order[i]];
        assert_true(found);
        assert_true(i == 0 || some.samples[i] > some.samples[i - 1]);
        assert_int_equal(some.labels[i], class_of[tiny_label((int)some.samples[i])]);
    }
    cr_subset_destroy(&some);
    assert_int_equal(cr_subset_create(pack, CR_SPLIT_TRAIN, class_of, 1000, &some), CR_OK);
    assert_int_equal(some.n_samples, all.n_samples);
    cr_subset_destroy(&some);
    cr_subset_destroy(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_width),
        cmocka_unit_test(every_row_of_every_split),
        cmocka_unit_test(chosen_columns_come_in_the_given_order),
        cmocka_unit_test(wrong_columns_are_named),
        cmocka_unit_test(a_subset_keeps_and_renumbers_classes),
        cmocka_unit_test(a_limit_is_a_fixed_random_choice),
    };
    return cmocka_run_group_tests(tests, open_pack, close_pack);
}
