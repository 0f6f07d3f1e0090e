#include "suite_run.h"

#include "fusion_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t n_state(const suite_case *c)
{
    return c->net->n_params + c->net->n_stats;
}

static int64_t n_logits(const suite_case *c)
{
    return c->n * c->net->n_classes;
}

void suite_result_make(const suite_case *c, suite_result *result)
{
    *result = (suite_result){.gradient = aligned_floats(n_state(c)),
                             .logits = aligned_floats(n_logits(c)),
                             .losses = calloc((size_t)c->n, sizeof(double)),
                             .evaluated = aligned_floats(n_logits(c))};
}

void suite_result_free(suite_result *result)
{
    free(result->gradient);
    free(result->logits);
    free(result->losses);
    free(result->evaluated);
    *result = (suite_result){0};
}

bool suite_result_equal(const suite_case *c, const suite_result *a, const suite_result *b)
{
    return memcmp(a->gradient, b->gradient, (size_t)n_state(c) * sizeof(float)) == 0 &&
           memcmp(a->logits, b->logits, (size_t)n_logits(c) * sizeof(float)) == 0 &&
           memcmp(a->losses, b->losses, (size_t)c->n * sizeof(double)) == 0 &&
           memcmp(a->evaluated, b->evaluated, (size_t)n_logits(c) * sizeof(float)) == 0;
}

float *suite_array(const cr_backend *backend, const suite_case *c)
{
    float *array;
    if (cr_memory_allocate(cr_backend_memory(backend), n_state(c), "a state", &array) != CR_OK)
        abort();
    return array;
}

void suite_array_free(const cr_backend *backend, float *array)
{
    cr_memory_release(cr_backend_memory(backend), &array);
}

cr_status suite_program(cr_backend *backend, const suite_target *target, const suite_case *c, bool training,
                        cr_program **program)
{
    cr_program_params params = {.micro_batch = c->n,
                                .training = training,
                                .precision = target->precision,
                                .convolution = target->convolution,
                                .n_threads = 1,
                                .frozen_layers = c->frozen_layers};
    return cr_program_create(backend, c->net, &params, program);
}

cr_status suite_train(cr_program *program, const suite_case *c, const float *native, suite_result *result)
{
    cr_status status = CR_OK;
    float *gradient = suite_array(program->backend, c);
    float *unwritten = aligned_floats(n_state(c));
    for (int64_t i = 0; i < n_state(c); i++)
        unwritten[i] = NAN; /* must be overwritten, padding included */
    cr_batch_result got = {result->logits, result->losses};
    CR_TRY(cr_memory_write(cr_backend_memory(program->backend), unwritten, n_state(c), gradient));
    CR_TRY(cr_program_train(program, native, &c->batch, gradient, &got));
    CR_TRY(cr_program_wait(program));
    CR_TRY(cr_backend_state_export(program->backend, c->net, gradient, result->gradient));
done:
    free(unwritten);
    suite_array_free(program->backend, gradient);
    return status;
}

cr_status suite_compute(cr_backend *backend, const suite_target *target, const suite_case *c, suite_result *result)
{
    cr_status status = CR_OK;
    cr_program *training = NULL, *evaluation = NULL;
    float *native = suite_array(backend, c);
    CR_TRY(cr_backend_state_import(backend, c->net, c->state, native));
    CR_TRY(suite_program(backend, target, c, true, &training));
    CR_TRY(suite_program(backend, target, c, false, &evaluation));
    CR_TRY(suite_train(training, c, native, result));
    CR_TRY(cr_program_evaluate(evaluation, native, &c->batch, result->evaluated));
done:
    cr_program_destroy(&training);
    cr_program_destroy(&evaluation);
    suite_array_free(backend, native);
    return status;
}
