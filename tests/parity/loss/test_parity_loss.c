/* Weighted cross-entropy with label smoothing against PyTorch: Crisol's and the reference backend's own. A batch whose
 * targets all have weight 0 has no loss; cr_program_train() refuses it (judged by the backend suite). */
#include "crisol/backend.h"

#include "parity.h"
#include "reference_layers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct loss_case {
    int64_t n, n_classes;
    float *logits;      /* [n, n_classes], exact */
    double *logits_f64; /* the same */
    float *weights;     /* [n_classes] or null */
    int32_t *labels;    /* [n] */
    double *losses;     /* [n], expected */
    double *dlogits;    /* [n, n_classes], expected */
    cr_loss loss;
} loss_case;

static void *room(int64_t count, size_t bytes)
{
    void *made = calloc((size_t)(count > 0 ? count : 1), bytes);
    assert_non_null(made);
    return made;
}

static void open_case(json_t *entry, loss_case *c)
{
    *c = (loss_case){.n = json_integer_value(parity_get(entry, "n")),
                     .n_classes = json_integer_value(parity_get(entry, "classes"))};
    c->logits = room(c->n * c->n_classes, sizeof *c->logits);
    c->logits_f64 = room(c->n * c->n_classes, sizeof *c->logits_f64);
    c->dlogits = room(c->n * c->n_classes, sizeof *c->dlogits);
    c->labels = room(c->n, sizeof *c->labels);
    c->losses = room(c->n, sizeof *c->losses);
    json_t *logits = parity_get(entry, "logits"), *dlogits = parity_get(entry, "dlogits");
    for (int64_t i = 0; i < c->n; i++) {
        c->labels[i] = (int32_t)json_integer_value(json_array_get(parity_get(entry, "labels"), (size_t)i));
        c->losses[i] = parity_value(json_array_get(parity_get(entry, "per_sample"), (size_t)i));
        for (int64_t k = 0; k < c->n_classes; k++) {
            int64_t at = i * c->n_classes + k;
            c->logits_f64[at] = parity_value(json_array_get(json_array_get(logits, (size_t)i), (size_t)k));
            c->logits[at] = (float)c->logits_f64[at];
            c->dlogits[at] = parity_value(json_array_get(json_array_get(dlogits, (size_t)i), (size_t)k));
        }
    }
    json_t *weights = parity_get(entry, "class_weights");
    if (!json_is_null(weights)) {
        c->weights = room(c->n_classes, sizeof *c->weights);
        for (int64_t k = 0; k < c->n_classes; k++)
            c->weights[k] = (float)parity_value(json_array_get(weights, (size_t)k));
    }
    c->loss = (cr_loss){.class_weights = c->weights,
                        .label_smoothing = parity_real(entry, "smoothing"),
                        .weight_sum = parity_real(entry, "sum_of_target_weights")};
}

static void close_case(loss_case *c)
{
    free(c->logits);
    free(c->logits_f64);
    free(c->weights);
    free(c->labels);
    free(c->losses);
    free(c->dlogits);
}

/* Largest |a - b| over |b|, where a tiny b counts as 1e-300. */
static double worst_relative(const double *a, const double *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double gap = fabs(a[i] - b[i]) / fmax(fabs(b[i]), 1e-300);
        if (a[i] != b[i] && !(gap <= worst))
            worst = gap;
    }
    return worst;
}

/* Sums over micro-batches, as ranks add them up, against the file's numerators, weights and loss. */
static double worst_sum(json_t *entry, const loss_case *c, const double *losses)
{
    json_t *micro = parity_get(entry, "micro_numerator_and_weight");
    int64_t n_micro = (int64_t)json_array_size(micro);
    double worst = 0, numerator = 0, denominator = 0;
    for (int64_t w = 0; w < n_micro; w++) {
        double sum[2] = {0, 0}, expected[2];
        for (int64_t i = w * c->n / n_micro; i < (w + 1) * c->n / n_micro; i++) {
            sum[0] += losses[i];
            sum[1] += c->weights ? (double)c->weights[c->labels[i]] : 1.0;
        }
        for (size_t k = 0; k < 2; k++)
            expected[k] = parity_value(json_array_get(json_array_get(micro, (size_t)w), k));
        worst = fmax(worst, worst_relative(sum, expected, 2));
        numerator += sum[0];
        denominator += sum[1];
    }
    double loss = parity_real(entry, "loss"), mine = numerator / denominator;
    return isnan(loss) ? worst : fmax(worst, worst_relative(&mine, &loss, 1));
}

static bool judge_case(const char *name, json_t *entry, json_t *tolerances)
{
    char what[128];
    loss_case c;
    open_case(entry, &c);
    double *losses = room(c.n, sizeof *losses), *gradient = room(c.n * c.n_classes, sizeof *gradient);
    float *dlogits = room(c.n * c.n_classes, sizeof *dlogits);
    double bound = parity_real(tolerances, "loss.float64_rel");
    bool good = true;

    cr_loss_evaluate(&c.loss, c.n, c.n_classes, c.logits, c.labels, NULL, losses, dlogits);
    snprintf(what, sizeof what, "loss %s per sample", name);
    good &= parity_line(what, worst_relative(losses, c.losses, c.n), bound);
    snprintf(what, sizeof what, "loss %s sums", name);
    good &= parity_line(what, worst_sum(entry, &c, losses), bound);
    if (c.loss.weight_sum > 0) {
        for (int64_t i = 0; i < c.n * c.n_classes; i++)
            gradient[i] = (double)dlogits[i];
        snprintf(what, sizeof what, "loss %s dlogits (abs)", name);
        good &= parity_line(what, parity_max_abs(gradient, c.dlogits, c.n * c.n_classes),
                            parity_real(tolerances, "loss.float32_dlogits_abs"));
    }
    ref_cross_entropy(c.n, c.n_classes, c.weights, c.loss.label_smoothing, c.loss.weight_sum, c.logits_f64, c.labels,
                      losses, gradient);
    snprintf(what, sizeof what, "loss %s reference, per sample", name);
    good &= parity_line(what, worst_relative(losses, c.losses, c.n), bound);
    if (c.loss.weight_sum > 0) {
        snprintf(what, sizeof what, "loss %s reference, dlogits (abs)", name);
        good &= parity_line(what, parity_max_abs(gradient, c.dlogits, c.n * c.n_classes), bound);
    }
    free(losses);
    free(gradient);
    free(dlogits);
    close_case(&c);
    return good;
}

static void test_cases(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("loss.json"), *tolerances = parity_json("tolerances.json"), *entry;
    const char *name;
    bool good = true;
    json_object_foreach(root, name, entry) good &= judge_case(name, entry, tolerances);
    json_decref(root);
    json_decref(tolerances);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
