/* What every backend must do, judged by the reference backend on small nets. */
#ifndef CRISOL_TEST_BACKEND_SUITE_H
#define CRISOL_TEST_BACKEND_SUITE_H

#include "crisol/backend.h"

typedef struct suite_target {
    const char *name; /* "cpu f32 direct" */
    cr_status (*open)(cr_backend **backend);
    cr_precision precision;
    cr_convolution convolution;
    /* Allowed |error| of a tensor over its largest number, for each layer with weights. */
    double tolerance;
    /* How far (over the deviation) an argument of a ReLU can be off, so that nets are chosen whose arguments all lie
     * farther from 0 and gradients can be compared. 0: too far for that; gradients are then compared on nets without
     * ReLU and max-pooling only. */
    double margin;
} suite_target;

/* Runs every test as one cmocka group. Returns the number of failed tests; 0, with a line, when the machine cannot do
 * what the target asks. */
int backend_suite_run(const suite_target *target);

#endif
