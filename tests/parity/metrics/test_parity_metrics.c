/* scikit-learn's metrics: every case of metrics/metrics.json; counts and reports exactly, scores within tolerance. */
#include "crisol/metrics.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct sample_set {
    const char *name;
    json_t *expected;
    int64_t n, n_classes;
    double *probabilities; /* [n, n_classes] */
    int32_t *labels;       /* [n] */
    double tolerance;
    bool good;
} sample_set;

static void compare(sample_set *set, const char *key, double got)
{
    char what[160];
    const json_t *value = parity_get(set->expected, key);
    double want = parity_value(value); /* null and "nan" are NaN */
    double gap = isnan(want) && isnan(got) ? 0 : fabs(got - want);
    snprintf(what, sizeof what, "metrics %s %s", set->name, key);
    set->good &= parity_line(what, isnan(gap) ? INFINITY : gap, set->tolerance);
}

/* The list at `key` against got[c * stride]; one line. */
static void compare_list(sample_set *set, const char *key, const double *got, size_t stride)
{
    char what[160];
    const json_t *list = parity_get(set->expected, key);
    double worst = 0;
    assert_int_equal(json_array_size(list), set->n_classes);
    for (size_t c = 0; c < json_array_size(list); c++) {
        double want = parity_value(json_array_get(list, c)), value = got[c * stride];
        double gap = isnan(want) && isnan(value) ? 0 : fabs(value - want);
        worst = isnan(gap) ? INFINITY : fmax(worst, gap);
    }
    snprintf(what, sizeof what, "metrics %s %s", set->name, key);
    set->good &= parity_line(what, worst, set->tolerance);
}

static void count(sample_set *set, cr_confusion *confusion)
{
    assert_int_equal(cr_confusion_create(set->n_classes, confusion), CR_OK);
    const json_t *predictions = parity_get(set->expected, "y_pred");
    int64_t n_different = 0;
    for (int64_t i = 0; i < set->n; i++) {
        int32_t prediction = 0; /* cr_argmax takes float logits; these are doubles */
        for (int64_t c = 1; c < set->n_classes; c++)
            if (set->probabilities[i * set->n_classes + c] > set->probabilities[i * set->n_classes + prediction])
                prediction = (int32_t)c;
        n_different += prediction != json_integer_value(json_array_get(predictions, (size_t)i));
        cr_confusion_add(confusion, set->labels[i], prediction);
    }
    for (int64_t t = 0; t < set->n_classes; t++)
        for (int64_t p = 0; p < set->n_classes; p++)
            n_different += confusion->counts[t * set->n_classes + p] !=
                           json_integer_value(json_array_get(
                               json_array_get(parity_get(set->expected, "confusion"), (size_t)t), (size_t)p));
    char what[160];
    snprintf(what, sizeof what, "metrics %s predictions and confusion, differences", set->name);
    set->good &= parity_line(what, (double)n_different, 0);
}

static void compare_scores(sample_set *set, const cr_confusion *confusion)
{
    cr_scores s;
    cr_class_scores *classes = calloc((size_t)set->n_classes, sizeof *classes);
    assert_non_null(classes);
    cr_scores_compute(confusion, &s, classes);
    compare(set, "n", (double)s.n_samples);
    compare(set, "accuracy", s.accuracy);
    compare(set, "balanced_accuracy", s.balanced_accuracy);
    compare(set, "macro.precision", s.precision_macro);
    compare(set, "macro.recall", s.recall_macro);
    compare(set, "macro.f1", s.f1_macro);
    compare(set, "weighted.precision", s.precision_weighted);
    compare(set, "weighted.recall", s.recall_weighted);
    compare(set, "weighted.f1", s.f1_weighted);
    compare(set, "cohen_kappa", s.kappa);
    double *columns = calloc((size_t)set->n_classes * 4, sizeof *columns);
    assert_non_null(columns);
    for (int64_t c = 0; c < set->n_classes; c++)
        memcpy(columns + 4 * c,
               (double[]){classes[c].precision, classes[c].recall, classes[c].f1, (double)classes[c].support},
               4 * sizeof *columns);
    compare_list(set, "per_class.precision", columns, 4);
    compare_list(set, "per_class.recall", columns + 1, 4);
    compare_list(set, "per_class.f1", columns + 2, 4);
    compare_list(set, "per_class.support", columns + 3, 4);
    free(columns);
    free(classes);
}

static void compare_probability_scores(sample_set *set)
{
    cr_probability_scores s;
    double *auc = calloc((size_t)set->n_classes, sizeof *auc);
    double *precision = calloc((size_t)set->n_classes, sizeof *precision);
    assert_true(auc && precision);
    assert_int_equal(
        cr_probability_scores_compute(set->n, set->n_classes, set->probabilities, set->labels, &s, auc, precision),
        CR_OK);
    compare_list(set, "roc_auc_per_class", auc, 1);
    compare_list(set, "average_precision_per_class", precision, 1);
    compare(set, "roc_auc_macro", s.roc_auc_macro);
    compare(set, "roc_auc_macro_over_defined", s.roc_auc_over_defined);
    compare(set, "average_precision_macro_over_defined", s.average_precision_macro);
    compare(set, "log_loss", s.log_loss);
    compare(set, "top_2_accuracy", s.top2_accuracy);
    compare(set, "ece_15", s.ece);
    free(auc);
    free(precision);
}

static char *read_text(const char *file)
{
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", parity_dir(), file);
    FILE *in = fopen(path, "rb");
    if (!in)
        fail_msg("cannot read %s", path);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, in) < (1 << 16) - 1);
    fclose(in);
    return text;
}

static void compare_reports(sample_set *set, const cr_confusion *confusion)
{
    const json_t *list = parity_get(set->expected, "class_names");
    const char **names = calloc((size_t)set->n_classes, sizeof *names);
    assert_non_null(names);
    assert_int_equal(json_array_size(list), set->n_classes);
    for (int64_t c = 0; c < set->n_classes; c++)
        names[c] = json_string_value(json_array_get(list, (size_t)c));
    for (int digits = 2; digits <= 4; digits += 2) {
        char what[160], *text = NULL;
        snprintf(what, sizeof what, "metrics/%s.report%d.txt", set->name, digits);
        char *want = read_text(what);
        assert_int_equal(cr_classification_report(confusion, names, digits, &text), CR_OK);
        bool same = !strcmp(text, want);
        if (!same)
            printf("%s\nexpected\n%s", text, want);
        set->good &= parity_line(what, same ? 0 : 1, 0);
        free(text);
        free(want);
    }
    free(names);
}

static void compare_case(sample_set *set, const cr_safetensors *tensors)
{
    char tensor[160];
    int64_t n_labels, n_values;
    set->n = json_integer_value(parity_get(set->expected, "n"));
    set->n_classes = json_integer_value(parity_get(set->expected, "classes"));
    snprintf(tensor, sizeof tensor, "%s.probabilities", set->name);
    set->probabilities = parity_doubles(tensors, tensor, &n_values);
    snprintf(tensor, sizeof tensor, "%s.y_true", set->name);
    double *labels = parity_doubles(tensors, tensor, &n_labels);
    assert_true(n_labels == set->n && n_values == set->n * set->n_classes);
    set->labels = calloc((size_t)set->n, sizeof *set->labels);
    assert_non_null(set->labels);
    for (int64_t i = 0; i < set->n; i++)
        set->labels[i] = (int32_t)labels[i];
    free(labels);
    cr_confusion confusion;
    count(set, &confusion);
    compare_scores(set, &confusion);
    compare_probability_scores(set);
    compare_reports(set, &confusion);
    cr_confusion_destroy(&confusion);
    free(set->probabilities);
    free(set->labels);
}

static void every_case_equals_scikit_learn(void **state)
{
    (void)state;
    parity_require();
    json_t *cases = parity_json("metrics/metrics.json"), *tolerances = parity_json("tolerances.json"), *expected;
    cr_safetensors *tensors = parity_tensors("metrics/metrics.safetensors");
    const char *name;
    bool good = json_object_size(cases) > 0;
    json_object_foreach(cases, name, expected)
    {
        sample_set set = {
            .name = name, .expected = expected, .tolerance = parity_real(tolerances, "metrics.abs"), .good = true};
        compare_case(&set, tensors);
        good &= set.good;
    }
    assert_true(good);
    cr_safetensors_close(&tensors);
    json_decref(cases);
    json_decref(tolerances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_equals_scikit_learn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
