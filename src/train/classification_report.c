#include "crisol/metrics.h"

#include "metrics_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* One row's four columns. scikit-learn's supports become floating-point numbers when no prediction at all is right
 * (sklearn.metrics.multilabel_confusion_matrix starts from zeros then), and are printed so. */
static void print_row(FILE *out, const char *name, int width, int digits, const double scores[3], int64_t support,
                      bool supports_are_real)
{
    cr_metrics_print_right(out, name, width);
    fputc(' ', out);
    for (int i = 0; i < 3; i++) {
        if (scores[i] < 0)
            fprintf(out, " %9s", "");
        else
            fprintf(out, " %9.*f", digits, scores[i]);
    }
    fprintf(out, supports_are_real ? " %7lld.0\n" : " %9lld\n", (long long)support);
}

static void print_report(FILE *out, const cr_confusion *confusion, const char *const class_names[], int digits,
                         const cr_scores *scores, const cr_class_scores *classes)
{
    char number[32];
    int width = (int)sizeof "weighted avg" - 1;
    for (int64_t c = 0; c < confusion->n_classes; c++) {
        int length = cr_metrics_text_width(cr_metrics_class_name(class_names, c, number, sizeof number));
        width = length > width ? length : width;
    }
    width = digits > width ? digits : width;
    bool real = scores->accuracy == 0;
    fprintf(out, "%*s  %9s %9s %9s %9s\n\n", width, "", "precision", "recall", "f1-score", "support");
    for (int64_t c = 0; c < confusion->n_classes; c++)
        print_row(out, cr_metrics_class_name(class_names, c, number, sizeof number), width, digits,
                  (double[]){classes[c].precision, classes[c].recall, classes[c].f1}, classes[c].support, real);
    fputc('\n', out);
    print_row(out, "accuracy", width, digits, (double[]){-1, -1, scores->accuracy}, scores->n_samples, real);
    print_row(out, "macro avg", width, digits,
              (double[]){scores->precision_macro, scores->recall_macro, scores->f1_macro}, scores->n_samples, real);
    print_row(out, "weighted avg", width, digits,
              (double[]){scores->precision_weighted, scores->recall_weighted, scores->f1_weighted}, scores->n_samples,
              real);
}

cr_status cr_classification_report(const cr_confusion *confusion, const char *const class_names[], int digits,
                                   char **text)
{
    cr_status status = CR_OK;
    size_t bytes = 0;
    FILE *out = NULL;
    cr_scores scores;
    *text = NULL;
    cr_class_scores *classes = malloc((size_t)confusion->n_classes * sizeof *classes);
    if (!classes) {
        status = cr_fail(CR_INTERNAL, "out of memory for the classification report");
        goto done;
    }
    CR_TRY(cr_metrics_open_text(text, &bytes, &out));
    cr_scores_compute(confusion, &scores, classes);
    print_report(out, confusion, class_names, digits, &scores, classes);
    CR_TRY(cr_metrics_close_text(&out, text));
done:
    free(classes);
    return status;
}
