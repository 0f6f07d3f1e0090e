/* Buffers whose lives meet never share memory; others may. */
#include "cpu_fill.h"
#include "program.h"

static void free_program(cr_cpu_program *program)
{
    free(program->arena);
    cr_buffer_plan_clear(&program->lowered.plan);
}

static bool overlap(const cr_buffer *a, const cr_buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static void test_lives_that_meet_do_not_share(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        cr_cpu_program program = {0};
        cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, 0, 0);
        size_t total = 0;
        for (int i = 0; i < 60; i++) {
            int buffer, birth = (int)cr_rng_below(&rng, 40);
            size_t bytes = 1 + cr_rng_below(&rng, 5000);
            assert_int_equal(cr_buffer_add(&program, bytes, birth, &buffer), CR_OK);
            cr_buffer_use(&program, buffer, birth + (int)cr_rng_below(&rng, 6));
            if (cr_rng_below(&rng, 10) == 0)
                cr_buffer_keep(&program, buffer);
            total += (bytes + 63) / 64 * 64;
        }
        assert_int_equal(cr_arena_create(&program), CR_OK);
        for (int i = 0; i < program.lowered.plan.n_buffers; i++) {
            const cr_buffer *a = &program.lowered.plan.buffers[i];
            assert_int_equal((uintptr_t)cr_buffer_data(&program, i) % 64, 0);
            assert_true(a->offset + a->bytes <= program.arena_bytes);
            for (int j = 0; j < i; j++) {
                const cr_buffer *b = &program.lowered.plan.buffers[j];
                bool meet = a->kept || b->kept || (a->birth <= b->death && b->birth <= a->death);
                assert_false(meet && overlap(a, b));
            }
        }
        assert_true(program.arena_bytes < total); /* something is shared */
        free_program(&program);
    }
}

static void test_a_chain_needs_two_places(void **state)
{
    (void)state;
    cr_cpu_program program = {0};
    for (int t = 0; t < 20; t++) { /* each is written at t and read at t + 1 */
        int buffer;
        assert_int_equal(cr_buffer_add(&program, 6400, t, &buffer), CR_OK);
        cr_buffer_use(&program, buffer, t + 1);
    }
    assert_int_equal(cr_arena_create(&program), CR_OK);
    assert_true(program.arena_bytes < 3 * 6400);
    free_program(&program);
}

static void test_nothing(void **state)
{
    (void)state;
    cr_cpu_program program = {0};
    int buffer = 5;
    assert_int_equal(cr_buffer_add(&program, 0, 3, &buffer), CR_OK);
    assert_int_equal(buffer, CR_NONE);
    cr_buffer_use(&program, CR_NONE, 4);
    cr_buffer_keep(&program, CR_NONE);
    assert_int_equal(cr_arena_create(&program), CR_OK);
    assert_null(cr_buffer_data(&program, CR_NONE));
    free_program(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lives_that_meet_do_not_share),
                                       cmocka_unit_test(test_a_chain_needs_two_places), cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
