/* The judge judged: a whole step of ResNet-18 through the reference backend. Its gradients are doubles made from the
 * same numbers as the file's, so they agree far below any float32 bound. */
#include "fusion_judge.h"
#include "parity.h"
#include "reference_backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Measured 1e-12 to 1e-10; a single ReLU on the other side of 0 would be 1e-3. */
static const double bound = 1e-8;

static void test_double_gradients(void **state)
{
    (void)state;
    parity_require();
    fusion_case source;
    fusion_run run;
    cr_backend *backend = NULL;
    fusion_case_open("fusion_a_sharp", &source);
    assert_int_equal(reference_backend_open(&backend), CR_OK);
    assert_int_equal(source.n_micro, 1);
    assert_int_equal(fusion_run_open(&source, backend, (cr_program_params){.n_threads = 1}, &run), CR_OK);
    fusion_run_gradient(&run);
    const double *gradient = reference_gradient(run.training[0]);
    double worst = 0, loss = parity_real(source.root, "float64.loss");
    for (int t = 0; t < source.net->n_param_tensors; t++) {
        const cr_tensor *tensor = &source.net->tensors[t];
        json_t *summary = json_object_get(parity_get(source.root, "float64.grads"), tensor->name);
        assert_non_null(summary);
        json_t *values = parity_get(summary, "values");
        int64_t stride = json_integer_value(parity_get(summary, "stride"));
        double scale = parity_real(summary, "l2") / sqrt((double)tensor->count), squares = 0;
        for (int64_t i = 0; i < tensor->count; i++)
            squares += gradient[tensor->offset + i] * gradient[tensor->offset + i];
        worst = fmax(worst, fabs(sqrt(squares) / parity_real(summary, "l2") - 1));
        for (int64_t k = 0; k < (int64_t)json_array_size(values); k++)
            worst = fmax(worst, fabs(gradient[tensor->offset + k * stride % tensor->count] -
                                     parity_value(json_array_get(values, (size_t)k))) /
                                    scale);
    }
    printf("nearest kink: %.1e of a layer's deviation\n", reference_margin(run.training[0]));
    bool good = parity_line("fusion_a_sharp reference loss (relative)", fabs(run.loss / loss - 1), bound);
    good &= parity_line("fusion_a_sharp reference gradients (of the root mean square)", worst, bound);
    fusion_run_close(&run);
    cr_backend_close(&backend);
    fusion_case_close(&source);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_double_gradients)};
    return cmocka_run_group_tests_name("fusion_reference", tests, NULL, NULL);
}
