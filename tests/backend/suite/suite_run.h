/* One case through one backend, results in canonical layout. */
#ifndef CRISOL_TEST_SUITE_RUN_H
#define CRISOL_TEST_SUITE_RUN_H

#include "backend_suite.h"
#include "suite_nets.h"

typedef struct suite_result {
    float *gradient;  /* canonical, n_params + n_stats */
    float *logits;    /* [n, n_classes], training */
    double *losses;   /* [n] */
    float *evaluated; /* [n, n_classes] */
} suite_result;

void suite_result_make(const suite_case *c, suite_result *result);
void suite_result_free(suite_result *result);
bool suite_result_equal(const suite_case *c, const suite_result *a, const suite_result *b); /* same bits */

/* A state, gradient or moment array in the backend's memory. */
float *suite_array(const cr_backend *backend, const suite_case *c);
void suite_array_free(const cr_backend *backend, float *array);

/* A program of its own for each of training and evaluation, used once. Takes no cmocka assertion, so that threads may
 * call it. */
CR_NODISCARD cr_status suite_compute(cr_backend *backend, const suite_target *target, const suite_case *c,
                                     suite_result *result);
/* Training alone, through a program that lives on. `native` has the case's state. */
CR_NODISCARD cr_status suite_train(cr_program *program, const suite_case *c, const float *native, suite_result *result);
CR_NODISCARD cr_status suite_program(cr_backend *backend, const suite_target *target, const suite_case *c,
                                     bool training, cr_program **program);

/* However images come, the bits are those of a batch that brings them in ordinary memory: in pinned arrays, which are
 * overwritten as soon as the program was waited for; where the backend keeps images, by places there. Elsewhere such a
 * batch is refused. */
void suite_check_images(cr_backend *backend, const suite_target *target);

#endif
