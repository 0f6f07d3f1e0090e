/* A convolution's trial: the plans that the rule takes pass it, for shapes of every kind, and what is not their result
 * is seen. On the emulated device the plans are plain loops of their own, so sums and plans judge each other. */
#include "cuda_case.h"
#include "cuda_choice.h"
#include "cuda_trial.h"

static const cr_conv_shape shapes[] = {{.n = 3,
                                        .in = 16,
                                        .height = 9,
                                        .width = 11,
                                        .out = 24,
                                        .out_height = 9,
                                        .out_width = 11,
                                        .kernel = 3,
                                        .stride = 1,
                                        .padding = 1},
                                       {.n = 2,
                                        .in = 8,
                                        .height = 32,
                                        .width = 32,
                                        .out = 64,
                                        .out_height = 16,
                                        .out_width = 16,
                                        .kernel = 7,
                                        .stride = 2,
                                        .padding = 3},
                                       {.n = 2,
                                        .in = 16,
                                        .height = 35,
                                        .width = 35,
                                        .out = 64,
                                        .out_height = 32,
                                        .out_width = 32,
                                        .kernel = 4,
                                        .stride = 1},
                                       {.n = 4,
                                        .in = 64,
                                        .height = 14,
                                        .width = 14,
                                        .out = 128,
                                        .out_height = 7,
                                        .out_width = 7,
                                        .kernel = 1,
                                        .stride = 2},
                                       {.n = 1,
                                        .in = 64,
                                        .height = 14,
                                        .width = 14,
                                        .out = 64,
                                        .out_height = 7,
                                        .out_width = 7,
                                        .kernel = 3,
                                        .stride = 2,
                                        .padding = 1},
                                       {.n = 5,
                                        .in = 72,
                                        .height = 1,
                                        .width = 1,
                                        .out = 8,
                                        .out_height = 1,
                                        .out_width = 1,
                                        .kernel = 3,
                                        .stride = 1,
                                        .padding = 1}};

enum {
    N_SHAPES = sizeof shapes / sizeof *shapes
};

static void test_right(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2 * N_SHAPES; i++) {
        cr_conv_shape shape = shapes[i / 4];
        shape.bf16 = i % 2;
        shape.winograd = i / 2 % 2;
        for (int pass = 0; pass < CR_CONV_N_PASSES; pass++) {
            cr_conv_plan *plan = NULL;
            expect_ok(cr_cuda_choose(backend->context, &shape, (cr_conv_pass)pass, "a layer", &plan));
            cr_conv_plan_destroy(&plan);
        }
    }
}

/* The sums of a result that is zero everywhere. */
static void test_seen(void **state)
{
    (void)state;
    static cr_trial_found found[CR_TRIAL_PLACES];
    cr_conv_shape shape = shapes[0];
    int64_t counts[CR_CONV_N_PASSES] = {3 * 9 * 11 * 24, 3 * 9 * 11 * 16, 24 * 3 * 3 * 16}; /* y, x, w */
    for (int pass = 0; pass < CR_CONV_N_PASSES; pass++) {
        float *arrays[CR_CONV_N_PASSES];
        for (int a = 0; a < CR_CONV_N_PASSES; a++) {
            float *zeros = calloc((size_t)counts[a], sizeof *zeros);
            arrays[a] = to_device(zeros, (size_t)counts[a] * sizeof *zeros);
            cr_trial_fill_job fill = {.to = arrays[a], .n = counts[a], .key = (uint32_t)a};
            if (a != pass)
                cr_kernel_trial_fill(&fill, cuda_case_stream());
            free(zeros);
        }
        cr_trial_job job = {.shape = shape,
                            .pass = (cr_conv_pass)pass,
                            .y = arrays[CR_CONV_FORWARD],
                            .x = arrays[CR_CONV_DATA],
                            .w = arrays[CR_CONV_WEIGHTS],
                            .found = to_device(found, sizeof found)};
        cr_kernel_trial_sums(&job, cuda_case_stream());
        from_device(job.found, found, sizeof found);
        for (int i = 0; i < CR_TRIAL_PLACES; i++) {
            assert_true(found[i].result == 0);
            assert_true(found[i].squares > 1); /* terms of about 1/9 */
            assert_true(fabs(found[i].sum) > 0 && fabs(found[i].sum) < 6 * sqrt(found[i].squares));
        }
        for (int a = 0; a < CR_CONV_N_PASSES; a++)
            cudaFree(arrays[a]);
    }
}

/* Numbers are between -1 and 1, use float32's bits, and differ from array to array. */
static void test_numbers(void **state)
{
    (void)state;
    enum {
        N = 1003
    };
    float first[N], second[N];
    int n_fine = 0, n_alike = 0;
    memset(first, 0, sizeof first);
    cr_trial_fill_job fill = {.to = to_device(first, sizeof first), .n = N, .key = 1};
    cr_trial_fill_job other = {.to = to_device(first, sizeof first), .n = N, .key = 2};
    cr_kernel_trial_fill(&fill, cuda_case_stream());
    cr_kernel_trial_fill(&other, cuda_case_stream());
    from_device(fill.to, first, sizeof first);
    from_device(other.to, second, sizeof second);
    for (int i = 0; i < N; i++) {
        assert_true(first[i] >= -1 && first[i] < 1);
        n_fine += first[i] * 0x1p10F != floorf(first[i] * 0x1p10F);
        n_alike += first[i] == second[i];
    }
    assert_true(n_fine > N - 10 && n_alike < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right), cmocka_unit_test(test_seen),
                                       cmocka_unit_test(test_numbers)};
    int code = cuda_case_open();
    if (code != 0)
        return code;
    code = cmocka_run_group_tests_name("convolutions on trial", tests, NULL, NULL);
    cr_backend_close(&backend);
    return code;
}
