#include "fusion_judge.h"

#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_MEASURES = 64,
    FREE_ELEMENTS = 2 /* of the parameters: may be off whatever the share says (README, section 2) */
};

typedef struct measure {
    const char *quantity, *field; /* "grads", "rel_l2" */
    double value;
    char where[CR_NET_NAME_MAX]; /* worst tensor, or empty */
} measure;

typedef struct judgement {
    const char *name;
    const fusion_variant *variant;
    fusion_case source;
    fusion_run run;
    measure measures[MAX_MEASURES];
    int n_measures;
} judgement;

/* Keeps the worst value of (quantity, field). */
static void note(judgement *j, const char *quantity, const char *field, double value, const char *where)
{
    measure *at = NULL;
    for (int i = 0; i < j->n_measures && !at; i++)
        if (strcmp(j->measures[i].quantity, quantity) == 0 && strcmp(j->measures[i].field, field) == 0)
            at = &j->measures[i];
    if (!at) {
        assert_true(j->n_measures < MAX_MEASURES);
        at = &j->measures[j->n_measures++];
        *at = (measure){.quantity = quantity, .field = field, .value = -1};
    }
    if (value <= at->value)
        return;
    at->value = value;
    snprintf(at->where, sizeof at->where, "%s", where);
}

static void note_distance(judgement *j, const char *quantity, const double *values, const double *expected, int64_t n,
                          const char *where)
{
    note(j, quantity, "rel_l2", parity_rel_l2(values, expected, n), where);
    note(j, quantity, "max_abs", parity_max_abs(values, expected, n), where);
}

static json_t *expected(judgement *j, const char *quantity)
{
    return parity_get(parity_get(j->source.root, "float64"), quantity);
}

static void judge_number(judgement *j, const char *quantity, double value)
{
    double reference = parity_value(expected(j, quantity));
    note_distance(j, quantity, &value, &reference, 1, "");
}

static void judge_logits(judgement *j, const char *quantity)
{
    int64_t n = j->source.batch, n_classes = j->source.net->n_classes;
    json_t *rows = expected(j, quantity);
    double *values = calloc((size_t)(2 * n * n_classes), sizeof *values), *reference = values + n * n_classes;
    assert_non_null(values);
    assert_int_equal(json_array_size(rows), n);
    for (int64_t i = 0; i < n * n_classes; i++) {
        values[i] = (double)j->run.logits[i];
        reference[i] =
            parity_value(json_array_get(json_array_get(rows, (size_t)(i / n_classes)), (size_t)(i % n_classes)));
    }
    note_distance(j, quantity, values, reference, n * n_classes, "");
    free(values);
}

static void judge_sample_losses(judgement *j)
{
    json_t *losses = expected(j, "per_sample_loss");
    double *reference = calloc((size_t)j->source.batch, sizeof *reference);
    assert_non_null(reference);
    assert_int_equal(json_array_size(losses), j->source.batch);
    for (int64_t i = 0; i < j->source.batch; i++)
        reference[i] = parity_value(json_array_get(losses, (size_t)i));
    note_distance(j, "per_sample_loss", j->run.losses, reference, j->source.batch, "");
    free(reference);
}

/* A tensor against its summary: norm, sum, and the elements (k·stride) mod n (README, section 2). */
static void judge_gradient(judgement *j, const cr_tensor *tensor, const float *values, json_t *summary)
{
    json_t *given = parity_get(summary, "values");
    double l2 = parity_real(summary, "l2"), squares = 0, sum = 0, gap = 0, norm = 0;
    int64_t stride = json_integer_value(parity_get(summary, "stride")), m = (int64_t)json_array_size(given);
    for (int64_t i = 0; i < tensor->count; i++) {
        squares += (double)values[i] * (double)values[i];
        sum += (double)values[i];
    }
    for (int64_t k = 0; k < m; k++) {
        double reference = parity_value(json_array_get(given, (size_t)k));
        double distance = (double)values[k * stride % tensor->count] - reference;
        gap += distance * distance;
        norm += reference * reference;
    }
    double n = (double)tensor->count;
    double relative = sqrt(gap) / fmax(sqrt(norm), l2 * sqrt((double)m / n));
    note(j, "grads", "rel_l2", relative, tensor->name);
    note(j, "grads", "norm_rel", fabs(sqrt(squares) / l2 - 1), tensor->name);
    note(j, "grads", "sum", fabs(sum - parity_real(summary, "sum")) / (l2 * sqrt(n)), tensor->name);
}

static float *canonical(judgement *j, const float *native)
{
    const cr_net *net = j->source.net;
    float *values = aligned_floats(net->n_params + net->n_stats);
    assert_int_equal(cr_backend_state_export(j->run.backend, net, native, values), CR_OK);
    return values;
}

static void judge_gradients(judgement *j)
{
    const cr_net *net = j->source.net;
    json_t *summaries = expected(j, "grads");
    float *gradient = canonical(j, j->run.gradient);
    assert_int_equal(json_object_size(summaries), net->n_param_tensors);
    for (int t = 0; t < net->n_param_tensors; t++) {
        json_t *summary = json_object_get(summaries, net->tensors[t].name);
        assert_non_null(summary);
        judge_gradient(j, &net->tensors[t], gradient + net->tensors[t].offset, summary);
    }
    free(gradient);
}

/* Adam's first step is lr · sign(g), so parameters are compared by the root mean square over lr and by the share that
 * is off by more than a tenth of it. */
static void judge_parameters(judgement *j, const char *quantity, double lr)
{
    const cr_net *net = j->source.net;
    float *state = canonical(j, j->run.state);
    double squares = 0;
    int64_t n = 0, off = 0;
    for (int t = 0; t < net->n_param_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        json_t *summary = json_object_get(expected(j, quantity), tensor->name);
        assert_non_null(summary);
        json_t *given = parity_get(summary, "values");
        int64_t stride = json_integer_value(parity_get(summary, "stride"));
        for (int64_t k = 0; k < (int64_t)json_array_size(given); k++) {
            double value = (double)state[tensor->offset + k * stride % tensor->count];
            double gap = (value - parity_value(json_array_get(given, (size_t)k))) / lr;
            squares += gap * gap;
            off += !(fabs(gap) <= 0.1);
            n++;
        }
    }
    free(state);
    note(j, quantity, "rms_over_lr", sqrt(squares / (double)n), "");
    note(j, quantity, "share_above_lr_over_10", off <= FREE_ELEMENTS ? 0 : (double)off / (double)n, "");
}

static void judge_running(judgement *j)
{
    const cr_net *net = j->source.net;
    char file[256], key[CR_NET_NAME_MAX + 16];
    snprintf(file, sizeof file, "%s_running.safetensors", j->name);
    cr_safetensors *tensors = parity_tensors(file);
    float *state = canonical(j, j->run.state);
    for (int t = net->n_param_tensors; t < net->n_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        int64_t n;
        snprintf(key, sizeof key, "float64.%s", tensor->name);
        double *reference = parity_doubles(tensors, key, &n), *values = malloc((size_t)n * sizeof *values);
        assert_non_null(values);
        assert_int_equal(n, tensor->count);
        for (int64_t i = 0; i < n; i++)
            values[i] = (double)state[tensor->offset + i];
        note_distance(j, tensor->role == CR_TENSOR_BN_MEAN ? "running_mean" : "running_var", values, reference, n,
                      tensor->name);
        free(reference);
        free(values);
    }
    free(state);
    cr_safetensors_close(&tensors);
}

static void three_steps(judgement *j)
{
    json_t *adamw = parity_get(j->source.root, "adamw");
    double lr = parity_real(adamw, "lr"), weight_decay = parity_real(adamw, "weight_decay");
    const cr_optimizer_params params = {.kind = CR_OPTIMIZER_ADAMW,
                                        .beta1 = parity_real(adamw, "betas.0"),
                                        .beta2 = parity_real(adamw, "betas.1"),
                                        .eps = parity_real(adamw, "eps")};
    fusion_run *run = &j->run;
    fusion_run_evaluate(run);
    judge_logits(j, "logits_eval");
    fusion_run_gradient(run);
    judge_number(j, "loss", run->loss);
    judge_logits(j, "logits_train");
    judge_sample_losses(j);
    judge_gradients(j);
    fusion_run_update(run, &params, lr, weight_decay);
    judge_running(j);
    judge_parameters(j, "params_after_1", lr);
    fusion_run_gradient(run);
    judge_number(j, "loss_step_2", run->loss);
    fusion_run_update(run, &params, lr, weight_decay);
    fusion_run_gradient(run);
    judge_number(j, "loss_step_3", run->loss);
}

static const measure *find_measure(const judgement *j, const char *quantity, const char *field)
{
    for (int i = 0; i < j->n_measures; i++)
        if (strcmp(j->measures[i].quantity, quantity) == 0 && strcmp(j->measures[i].field, field) == 0)
            return &j->measures[i];
    fail_msg("tolerances.json bounds %s %s, which this test does not measure", quantity, field);
    return NULL;
}

static bool print_measure(const judgement *j, const measure *m, double bound)
{
    char what[320];
    snprintf(what, sizeof what, "%s %s %s %s%s%s", j->name, j->variant->name, m->quantity, m->field,
             *m->where ? " " : "", m->where);
    return parity_line(what, m->value, bound * j->variant->factor);
}

/* Every bound of the file for this case and precision. */
static bool compare(const judgement *j, json_t *bounds)
{
    const char *quantity, *field;
    json_t *fields, *by_precision;
    bool good = true;
    int64_t n = 0;
    json_object_foreach(bounds, quantity, fields) json_object_foreach(fields, field, by_precision)
    {
        json_t *bound = json_object_get(by_precision, j->variant->precision);
        if (!bound)
            continue;
        good &= print_measure(j, find_measure(j, quantity, field), parity_value(bound));
        n++;
        if (strcmp(quantity, "grads") == 0 && strcmp(field, "rel_l2") == 0)
            good &= print_measure(j, find_measure(j, "grads", "sum"), parity_value(bound));
    }
    return good && n > 0;
}

bool fusion_judge(const char *name, cr_backend *backend, const fusion_variant *variant)
{
    judgement j = {.name = name, .variant = variant};
    json_t *tolerances = parity_json("tolerances.json");
    json_t *bounds = json_object_get(parity_get(tolerances, "fusion"), name);
    assert_non_null(bounds);
    bool good = true;
    fusion_case_open(name, &j.source);
    cr_status status = fusion_run_open(&j.source, backend, variant->params, &j.run);
    if (status == CR_BAD_CONFIG) {
        printf("skipped: %s\n", cr_error_message());
    } else {
        if (status != CR_OK)
            fail_msg("%s", cr_error_message());
        three_steps(&j);
        good = compare(&j, bounds);
        fusion_run_close(&j.run);
    }
    fusion_case_close(&j.source);
    json_decref(tolerances);
    return good;
}

bool fusion_judge_all(cr_backend *backend, const fusion_variant *variant)
{
    json_t *tolerances = parity_json("tolerances.json"), *bounds;
    const char *name;
    bool good = true;
    json_object_foreach(parity_get(tolerances, "fusion"), name, bounds) good &= fusion_judge(name, backend, variant);
    json_decref(tolerances);
    return good;
}
