/* The numbers that `crisol doctor` compares a backend with are those of the reference backend (plain loops in double).
 */
#include "doctor.h"
#include "reference_backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* The reference rounds its results to float32; the stored numbers have nine digits. */
static const double tolerance = 1e-6;

static void test_numbers(void **state)
{
    (void)state;
    cr_backend *backend = NULL;
    cr_doctor_numbers found;
    assert_int_equal(reference_backend_open(&backend), CR_OK);
    assert_int_equal(cr_doctor_step(backend, CR_PRECISION_F32, &found), CR_OK);
    printf("{.loss = %.9g, .norm = %.9g, .projection = %.9g}\n", found.loss, found.norm, found.projection);
    assert_true(fabs(found.loss - cr_doctor_expected.loss) <= tolerance * found.loss);
    assert_true(fabs(found.norm - cr_doctor_expected.norm) <= tolerance * found.norm);
    assert_true(fabs(found.projection - cr_doctor_expected.projection) <= tolerance * found.norm);
    cr_backend_close(&backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
