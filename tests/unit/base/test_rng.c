#include "crisol/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Random123's kat_vectors, "philox4x32 10": counter, key, expected. */
static void gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t out[4];
        cr_philox(vectors[i].key, vectors[i].counter, out);
        assert_memory_equal(out, vectors[i].expected, sizeof out);
    }
}

/* The layout of key and counter is part of every result: a change would silently change all trainings. */
static void a_stream_is_philox_over_its_purpose(void **state)
{
    (void)state;
    cr_rng rng = cr_rng_make(0x0123456789abcdef, CR_RNG_ORDER, 0x5000007, 0xfedcba9876543210);
    for (uint32_t block = 0; block < 3; block++) {
        const uint32_t key[2] = {0x89abcdef, 0x01234567};
        const uint32_t counter[4] = {block, 2u << 24 | 7, 0x76543210, 0xfedcba98};
        uint32_t expected[4];
        cr_philox(key, counter, expected);
        for (int i = 0; i < 4; i++)
            assert_int_equal(cr_rng_u32(&rng), expected[i]);
    }
}

static void streams_differ_in_every_part_of_their_name(void **state)
{
    (void)state;
    cr_rng streams[] = {
        cr_rng_make(1, CR_RNG_AUGMENT, 3, 4),
        cr_rng_make(2, CR_RNG_AUGMENT, 3, 4),
        cr_rng_make(1, CR_RNG_DROPOUT, 3, 4),
        cr_rng_make(1, CR_RNG_AUGMENT, 4, 4),
        cr_rng_make(1, CR_RNG_AUGMENT, 3, 5),
        cr_rng_make(1, CR_RNG_AUGMENT, 3, 4 + (1ull << 32)),
        cr_rng_make(1 + (1ull << 32), CR_RNG_AUGMENT, 3, 4),
    };
    enum {
        N = sizeof streams / sizeof *streams
    };
    uint64_t first[N];
    for (int i = 0; i < N; i++) {
        first[i] = cr_rng_u64(&streams[i]);
        for (int j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
    }
    cr_rng again = cr_rng_make(1, CR_RNG_AUGMENT, 3, 4);
    assert_true(cr_rng_u64(&again) == first[0]);
}

/* What the other draws are made of: the words of the same stream. */
static void draws_are_defined_by_the_words(void **state)
{
    (void)state;
    cr_rng words = cr_rng_make(9, CR_RNG_SYNTH, 0, 1), draws = words;
    uint32_t a = cr_rng_u32(&words), b = cr_rng_u32(&words);
    uint64_t pair = (uint64_t)b << 32 | a;
    assert_true(cr_rng_u64(&draws) == pair);
    a = cr_rng_u32(&words);
    assert_true(cr_rng_uniform(&draws) == (float)(a >> 8) / 16777216.0f);
    a = cr_rng_u32(&words);
    b = cr_rng_u32(&words);
    pair = (uint64_t)b << 32 | a;
    assert_true(cr_rng_uniform_double(&draws) == (double)(pair >> 11) / 9007199254740992.0);
    a = cr_rng_u32(&words);
    b = cr_rng_u32(&words);
    pair = (uint64_t)b << 32 | a;
    assert_true(cr_rng_below(&draws, 1000) == (uint64_t)((long double)pair / 0x1p64L * 1000));
}

static void ranges_hold_and_are_filled(void **state)
{
    (void)state;
    cr_rng rng = cr_rng_make(3, CR_RNG_MIX, 0, 0);
    int counts[7] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < 70000; i++) {
        float u = cr_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        double d = cr_rng_uniform_double(&rng);
        assert_true(d >= 0 && d < 1);
        uint64_t below = cr_rng_below(&rng, 7);
        assert_true(below < 7);
        counts[below]++;
        double z = cr_rng_normal(&rng);
        assert_true(isfinite(z));
        sum += z;
        squares += z * z;
    }
    for (int i = 0; i < 7; i++) /* 10000 expected, deviation 93 */
        assert_in_range(counts[i], 9500, 10500);
    assert_true(fabs(sum / 70000) < 0.02); /* deviation .0038 */
    assert_true(fabs(squares / 70000 - 1) < 0.03);
    assert_true(cr_rng_below(&rng, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_answers),
        cmocka_unit_test(a_stream_is_philox_over_its_purpose),
        cmocka_unit_test(streams_differ_in_every_part_of_their_name),
        cmocka_unit_test(draws_are_defined_by_the_words),
        cmocka_unit_test(ranges_hold_and_are_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
