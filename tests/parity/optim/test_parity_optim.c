/* torch.optim's trajectories: every case of optim.json, in double and in float, path and final state. */
#include "crisol/optim.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_SPANS = 64
};

typedef struct reference {
    json_t *cases, *tolerances;
    cr_safetensors *tensors;
    double *start, *gradients;
    int64_t n, n_steps; /* elements; gradients is [n_steps, n] */
} reference;

typedef struct run {
    cr_optimizer_params params;
    cr_optimizer_span spans[MAX_SPANS];
    int n_spans;
    double lr;
    double *path;                              /* [n_steps, n] */
    double *moments[CR_OPTIMIZER_MAX_MOMENTS]; /* [n] */
} run;

static double *new_doubles(int64_t n)
{
    double *values = calloc((size_t)n, sizeof *values);
    assert_non_null(values);
    return values;
}

static bool without_decay(const json_t *list, int64_t element)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == element)
            return true;
    return false;
}

/* Neighbouring elements of the same group form a span. */
static void make_spans(run *r, json_t *options, int64_t n)
{
    const json_t *list = parity_get(options, "elements_without_decay");
    double decay = parity_real(options, "weight_decay");
    for (int64_t i = 0; i < n; i++) {
        double own = without_decay(list, i) ? 0 : decay;
        if (r->n_spans == 0 || r->spans[r->n_spans - 1].weight_decay != own) {
            assert_true(r->n_spans < MAX_SPANS);
            r->spans[r->n_spans++] = (cr_optimizer_span){.begin = i, .lr_factor = 1, .weight_decay = own};
        }
        r->spans[r->n_spans - 1].end = i + 1;
    }
}

static void make_run(run *r, json_t *options, const reference *ref)
{
    *r = (run){.lr = parity_real(options, "lr")};
    const char *kind = json_string_value(parity_get(options, "optimiser"));
    if (!strcmp(kind, "SGD")) {
        r->params.kind = CR_OPTIMIZER_SGD;
        r->params.momentum = parity_real(options, "momentum");
        r->params.nesterov = json_is_true(parity_get(options, "nesterov"));
    } else {
        assert_true(!strcmp(kind, "AdamW") || !strcmp(kind, "Adam"));
        r->params.kind = strcmp(kind, "Adam") ? CR_OPTIMIZER_ADAMW : CR_OPTIMIZER_ADAM;
        r->params.beta1 = parity_real(options, "betas.0");
        r->params.beta2 = parity_real(options, "betas.1");
        r->params.eps = parity_real(options, "eps");
    }
    make_spans(r, options, ref->n);
    r->path = new_doubles(ref->n * ref->n_steps);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        r->moments[m] = new_doubles(ref->n);
}

static void free_run(run *r)
{
    free(r->path);
    for (int m = 0; m < CR_OPTIMIZER_MAX_MOMENTS; m++)
        free(r->moments[m]);
}

static void run_f64(run *r, const reference *ref)
{
    double *p = new_doubles(ref->n);
    memcpy(p, ref->start, (size_t)ref->n * sizeof *p);
    for (int64_t s = 0; s < ref->n_steps; s++) {
        cr_optimizer_step_f64(&r->params, r->spans, r->n_spans, 0, ref->n, s + 1, r->lr, ref->gradients + s * ref->n, p,
                              r->moments);
        memcpy(r->path + s * ref->n, p, (size_t)ref->n * sizeof *p);
    }
    free(p);
}

static void run_f32(run *r, const reference *ref)
{
    float *memory = calloc((size_t)ref->n * 4, sizeof *memory);
    assert_non_null(memory);
    float *p = memory, *g = memory + ref->n, *moments[2] = {memory + 2 * ref->n, memory + 3 * ref->n};
    for (int64_t i = 0; i < ref->n; i++)
        p[i] = (float)ref->start[i];
    for (int64_t s = 0; s < ref->n_steps; s++) {
        for (int64_t i = 0; i < ref->n; i++)
            g[i] = (float)ref->gradients[s * ref->n + i];
        cr_optimizer_step(&r->params, r->spans, r->n_spans, 0, ref->n, s + 1, r->lr, g, p, moments);
        for (int64_t i = 0; i < ref->n; i++)
            r->path[s * ref->n + i] = p[i];
    }
    for (int m = 0; m < 2; m++)
        for (int64_t i = 0; i < ref->n; i++)
            r->moments[m][i] = moments[m][i];
    free(memory);
}

/* In double everything is relative to the largest reference value of the tensor. */
static bool compare_f64(const char *name, const run *r, const reference *ref)
{
    char what[128];
    int64_t n;
    double allowed = parity_real(ref->tolerances, "optim.float64_rel_to_max_abs");
    snprintf(what, sizeof what, "%s.float64.path", name);
    double *path = parity_doubles(ref->tensors, what, &n);
    assert_int_equal(n, ref->n * ref->n_steps);
    bool good = parity_line(what, parity_rel_to_max(r->path, path, n), allowed);
    free(path);
    for (int m = 0; m < cr_optimizer_n_moments(&r->params); m++) {
        snprintf(what, sizeof what, "%s.float64.final.%s", name, cr_optimizer_moment_name(&r->params, m));
        double *moment = parity_doubles(ref->tensors, what, &n);
        assert_int_equal(n, ref->n);
        good &= parity_line(what, parity_rel_to_max(r->moments[m], moment, n), allowed);
        free(moment);
    }
    return good;
}

/* A float path is judged against double: within the file's bound, or four times PyTorch's own gap when the file has
 * none for the case. */
static bool compare_f32(const char *name, json_t *options, const run *r, const reference *ref)
{
    char what[128];
    int64_t n;
    snprintf(what, sizeof what, "optim.float32_abs.%s", name);
    const json_t *bound = parity_find(ref->tolerances, what);
    double own = 4 * parity_real(options, "max_abs_float32_minus_float64") + 2e-6;
    double allowed = bound ? fmax(parity_value(bound), own) : own;
    snprintf(what, sizeof what, "%s.float64.path", name);
    double *path = parity_doubles(ref->tensors, what, &n);
    snprintf(what, sizeof what, "%s.float32 path against float64", name);
    bool good = parity_line(what, parity_max_abs(r->path, path, n), allowed);
    free(path);
    snprintf(what, sizeof what, "%s.float32.path", name);
    path = parity_doubles(ref->tensors, what, &n);
    good &= parity_line(what, parity_max_abs(r->path, path, n), allowed);
    free(path);
    return good;
}

static void every_optimiser_follows_pytorch(void **state)
{
    (void)state;
    parity_require();
    reference ref = {.cases = parity_json("optim.json"),
                     .tolerances = parity_json("tolerances.json"),
                     .tensors = parity_tensors("optim.safetensors")};
    int64_t n_gradients;
    ref.start = parity_doubles(ref.tensors, "start", &ref.n);
    ref.gradients = parity_doubles(ref.tensors, "grads", &n_gradients);
    assert_true(ref.n > 0 && n_gradients > 0 && n_gradients % ref.n == 0);
    ref.n_steps = n_gradients / ref.n;
    const char *name;
    json_t *options;
    bool good = true;
    json_object_foreach(ref.cases, name, options)
    {
        run r;
        make_run(&r, options, &ref);
        run_f64(&r, &ref);
        good &= compare_f64(name, &r, &ref);
        run_f32(&r, &ref);
        good &= compare_f32(name, options, &r, &ref);
        free_run(&r);
    }
    assert_true(json_object_size(ref.cases) > 0);
    assert_true(good);
    free(ref.start);
    free(ref.gradients);
    cr_safetensors_close(&ref.tensors);
    json_decref(ref.cases);
    json_decref(ref.tolerances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_optimiser_follows_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
