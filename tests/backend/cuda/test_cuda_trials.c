/* A convolution's trial: the plans that the rule takes pass it, for shapes of every kind, and what is not their result
 * is seen. On the emulated device the plans are plain loops of their own, so sums and plans judge each other. */
#include "cuda_case.h"
#include "cuda_trial.h"

typedef struct form {
    int64_t n, in, height, width, out, kernel, stride, padding;
} form;

static const form forms[] = {{3, 16, 9, 11, 24, 3, 1, 1},   {2, 8, 32, 32, 64, 7, 2, 3},  {2, 16, 35, 35, 64, 4, 1, 0},
                             {4, 64, 14, 14, 128, 1, 2, 0}, {1, 64, 14, 14, 64, 3, 2, 1}, {5, 72, 1, 1, 8, 3, 1, 1}};

enum {
    N_FORMS = sizeof forms / sizeof *forms
};

static cr_conv_shape shape_of(const form *f, bool bf16, bool winograd)
{
    return (cr_conv_shape){.n = f->n,
                           .in = f->in,
                           .height = f->height,
                           .width = f->width,
                           .out = f->out,
                           .out_height = (f->height + 2 * f->padding - f->kernel) / f->stride + 1,
                           .out_width = (f->width + 2 * f->padding - f->kernel) / f->stride + 1,
                           .kernel = f->kernel,
                           .stride = f->stride,
                           .padding = f->padding,
                           .bf16 = bf16,
                           .winograd = winograd};
}

/* The rule's own choice, not what would take its place. */
static void test_right(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2 * N_FORMS; i++) {
        const cr_conv_shape shape = shape_of(&forms[i / 4], i % 2, i / 2 % 2);
        for (int pass = 0; pass < CR_CONV_N_PASSES; pass++) {
            cr_conv_plan *plan = NULL;
            cr_conv_trial trial = {.cuda = backend->context, .shape = &shape, .pass = (cr_conv_pass)pass};
            expect_ok(cr_conv_plan_create(backend->context, &shape, (cr_conv_pass)pass, "a layer", &plan));
            expect_ok(cr_conv_trial_check(&trial, plan));
            assert_true(trial.is_news || shape.bf16);
            cr_conv_trial_end(&trial);
            cr_conv_plan_destroy(&plan);
        }
    }
}

/* The sums of a result that is zero everywhere. */
static void test_seen(void **state)
{
    (void)state;
    static cr_trial_found found[CR_TRIAL_PLACES];
    const cr_conv_shape shape = shape_of(&forms[0], false, false);
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
