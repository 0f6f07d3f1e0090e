#include "evaluation_files.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/metrics.h"
#include "split_logits.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct figures { /* everything that the files show */
    int64_t n, n_classes;
    double *probabilities; /* [n, n_classes] */
    cr_confusion confusion;
    cr_scores scores;
    cr_class_scores *classes; /* [n_classes] */
    cr_probability_scores ranked;
    double *roc_auc, *average_precision; /* [n_classes] */
    double loss;
} figures;

static void destroy_figures(figures *f)
{
    free(f->probabilities);
    free(f->classes);
    free(f->roc_auc);
    free(f->average_precision);
    cr_confusion_destroy(&f->confusion);
}

static cr_status compute_figures(const cr_evaluation *evaluation, figures *f)
{
    const cr_subset *subset = &evaluation->session->subsets[evaluation->split];
    cr_status status = CR_OK;
    f->n = subset->n_samples;
    f->n_classes = evaluation->session->n_classes;
    size_t bytes = (size_t)(f->n * f->n_classes) * sizeof(double);
    f->probabilities = malloc(bytes ? bytes : 1);
    f->classes = calloc((size_t)f->n_classes, sizeof *f->classes);
    f->roc_auc = calloc((size_t)f->n_classes, sizeof *f->roc_auc);
    f->average_precision = calloc((size_t)f->n_classes, sizeof *f->average_precision);
    if (!f->probabilities || !f->classes || !f->roc_auc || !f->average_precision) {
        status = cr_fail_memory("probabilities", bytes);
        goto done;
    }
    CR_TRY(cr_confusion_create(f->n_classes, &f->confusion));
    for (int64_t i = 0; i < f->n; i++) {
        const float *row = evaluation->logits + i * f->n_classes;
        cr_softmax(row, f->n_classes, f->probabilities + i * f->n_classes);
        cr_confusion_add(&f->confusion, subset->labels[i], cr_argmax(row, f->n_classes));
    }
    cr_scores_compute(&f->confusion, &f->scores, f->classes);
    CR_TRY(cr_probability_scores_compute(f->n, f->n_classes, f->probabilities, subset->labels, &f->ranked, f->roc_auc,
                                         f->average_precision));
    CR_TRY(cr_split_loss(evaluation->session, evaluation->split, evaluation->logits, &f->loss));
done:
    return status;
}

/* --- a text that grows ---------------------------------------------------------------------------------------- */

typedef struct text {
    FILE *stream;
    char *data;
    size_t bytes;
} text;

static cr_status open_text(text *t)
{
    memset(t, 0, sizeof *t);
    t->stream = open_memstream(&t->data, &t->bytes);
    return t->stream ? CR_OK : cr_fail_memory("a file's text", 1);
}

static cr_status save_text(text *t, const char *folder, const char *name)
{
    char *path = cr_path_join(folder, name);
    cr_status status = CR_OK;
    if (fclose(t->stream) || !path)
        status = cr_fail_memory("a file's text", t->bytes);
    if (status == CR_OK)
        status = cr_atomic_file_save(path, t->data, t->bytes);
    free(path);
    free(t->data);
    return status;
}

/* RFC 4180: quoted when it holds a comma, a quote or a line break. */
static void print_cell(FILE *out, const char *cell)
{
    if (!strpbrk(cell, ",\"\r\n")) {
        fputs(cell, out);
        return;
    }
    putc('"', out);
    for (; *cell; cell++) {
        if (*cell == '"')
            putc('"', out);
        putc(*cell, out);
    }
    putc('"', out);
}

static cr_status write_predictions(const cr_evaluation *evaluation, const figures *f, const char *folder)
{
    const cr_session *session = evaluation->session;
    const cr_subset *subset = &session->subsets[evaluation->split];
    text t;
    cr_status status = open_text(&t);
    if (status != CR_OK)
        return status;
    fputs("id,label,prediction", t.stream);
    for (int64_t k = 0; k < f->n_classes; k++) {
        fputs(",p_", t.stream);
        print_cell(t.stream, session->class_names[k]);
    }
    putc('\n', t.stream);
    for (int64_t i = 0; i < f->n; i++) {
        int32_t prediction = cr_argmax(evaluation->logits + i * f->n_classes, f->n_classes);
        print_cell(t.stream, cr_pack_sample_id(session->pack, evaluation->split, subset->samples[i]));
        putc(',', t.stream);
        print_cell(t.stream, session->class_names[subset->labels[i]]);
        putc(',', t.stream);
        print_cell(t.stream, session->class_names[prediction]);
        for (int64_t k = 0; k < f->n_classes; k++)
            fprintf(t.stream, ",%.9g", f->probabilities[i * f->n_classes + k]);
        putc('\n', t.stream);
    }
    return save_text(&t, folder, "predictions.csv");
}

static cr_status write_confusion(const cr_evaluation *evaluation, const figures *f, const char *folder)
{
    const char *const *names = evaluation->session->class_names;
    text t;
    cr_status status = open_text(&t);
    if (status != CR_OK)
        return status;
    fputs("truth", t.stream);
    for (int64_t k = 0; k < f->n_classes; k++) {
        putc(',', t.stream);
        print_cell(t.stream, names[k]);
    }
    putc('\n', t.stream);
    for (int64_t truth = 0; truth < f->n_classes; truth++) {
        print_cell(t.stream, names[truth]);
        for (int64_t k = 0; k < f->n_classes; k++)
            fprintf(t.stream, ",%lld", (long long)f->confusion.counts[truth * f->n_classes + k]);
        putc('\n', t.stream);
    }
    return save_text(&t, folder, "confusion.csv");
}

static json_t *class_metrics(const cr_evaluation *evaluation, const figures *f)
{
    json_t *classes = json_object();
    for (int64_t k = 0; k < f->n_classes; k++) {
        const cr_class_scores *scores = &f->classes[k];
        json_object_set_new(classes, evaluation->session->class_names[k],
                            json_pack("{s:o, s:o, s:o, s:I, s:o, s:o}", "precision", cr_json_real(scores->precision),
                                      "recall", cr_json_real(scores->recall), "f1", cr_json_real(scores->f1), "support",
                                      (json_int_t)scores->support, "roc_auc", cr_json_real(f->roc_auc[k]),
                                      "average_precision", cr_json_real(f->average_precision[k])));
    }
    return classes;
}

static cr_status write_metrics(const cr_evaluation *evaluation, const figures *f, const char *folder)
{
    const struct {
        const char *name;
        double value;
    } figures_list[] = {
        {"loss", f->loss},
        {"accuracy", f->scores.accuracy},
        {"balanced_accuracy", f->scores.balanced_accuracy},
        {"precision_macro", f->scores.precision_macro},
        {"recall_macro", f->scores.recall_macro},
        {"f1_macro", f->scores.f1_macro},
        {"precision_weighted", f->scores.precision_weighted},
        {"recall_weighted", f->scores.recall_weighted},
        {"f1_weighted", f->scores.f1_weighted},
        {"kappa", f->scores.kappa},
        {"log_loss", f->ranked.log_loss},
        {"roc_auc_macro", f->ranked.roc_auc_macro},
        {"roc_auc_over_defined", f->ranked.roc_auc_over_defined},
        {"average_precision_macro", f->ranked.average_precision_macro},
        {"top2_accuracy", f->ranked.top2_accuracy},
        {"ece", f->ranked.ece},
    };
    json_t *root = json_pack("{s:s, s:I, s:s, s:I, s:s}", "split", cr_split_name(evaluation->split), "samples",
                             (json_int_t)f->n, "pack", cr_pack_id(evaluation->session->pack), "step",
                             (json_int_t)evaluation->step, "weights", evaluation->checkpoint);
    for (size_t i = 0; i < sizeof figures_list / sizeof *figures_list; i++)
        json_object_set_new(root, figures_list[i].name, cr_json_real(figures_list[i].value));
    json_object_set_new(root, "classes", class_metrics(evaluation, f));
    char *path = cr_path_join(folder, "metrics.json");
    cr_status status = path && root ? cr_json_save(path, root) : cr_fail_memory("metrics", 1);
    free(path);
    json_decref(root);
    return status;
}

static cr_status write_report(const cr_evaluation *evaluation, const figures *f, const char *folder, bool quiet)
{
    char *report = NULL;
    char *matrix = NULL;
    char *path = cr_path_join(folder, "report.txt");
    cr_status status = CR_OK;
    if (!path)
        return cr_fail_memory("a path", 1);
    CR_TRY(cr_classification_report(&f->confusion, evaluation->session->class_names, 4, &report));
    CR_TRY(cr_atomic_file_save(path, report, strlen(report)));
    if (!quiet) {
        CR_TRY(cr_confusion_text(&f->confusion, evaluation->session->class_names, &matrix));
        printf("%s\n%s\n", report, matrix);
        fflush(stdout);
    }
done:
    free(matrix);
    free(report);
    free(path);
    return status;
}

cr_status cr_evaluation_write(const cr_evaluation *evaluation, const char *folder, bool quiet)
{
    figures f = {0};
    cr_status status = CR_OK;
    CR_TRY(compute_figures(evaluation, &f));
    CR_TRY(cr_make_folders(folder));
    CR_TRY(write_predictions(evaluation, &f, folder));
    CR_TRY(write_confusion(evaluation, &f, folder));
    CR_TRY(write_metrics(evaluation, &f, folder));
    CR_TRY(write_report(evaluation, &f, folder, quiet));
done:
    destroy_figures(&f);
    return status;
}
