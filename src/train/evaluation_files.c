#include "evaluation_files.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "evaluation_figures.h"
#include "npz_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *class_metrics(const cr_evaluation *evaluation, const cr_figures *f)
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

static json_t *intervals(const cr_evaluation *evaluation, const cr_figures *f)
{
    json_t *bounds = json_object();
    for (int i = 0; i < CR_N_BOOTSTRAP_FIGURES; i++)
        json_object_set_new(bounds, cr_bootstrap_name((cr_bootstrap_figure)i),
                            json_pack("[o, o]", cr_json_real(f->intervals.low[i]), cr_json_real(f->intervals.high[i])));
    return json_pack("{s:f, s:s, s:I, s:I, s:I, s:o}", "level", 0.95, "method", "percentile bootstrap over groups",
                     "groups", (json_int_t)f->intervals.n_groups, "resamples", (json_int_t)f->intervals.n_resamples,
                     "seed", (json_int_t)evaluation->session->config->train.seed, "bounds", bounds);
}

static cr_status write_metrics(const cr_evaluation *evaluation, const cr_figures *f, const char *folder)
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
        {"odir_kappa", f->odir.kappa},
        {"odir_f1", f->odir.f1},
        {"odir_auc", f->odir.auc},
        {"odir_score", f->odir.score},
    };
    json_t *root = json_pack("{s:s, s:I, s:s, s:I, s:s}", "split", cr_split_name(evaluation->split), "samples",
                             (json_int_t)f->n, "pack", cr_pack_id(evaluation->session->pack), "step",
                             (json_int_t)evaluation->step, "weights", evaluation->checkpoint);
    for (size_t i = 0; i < sizeof figures_list / sizeof *figures_list; i++)
        json_object_set_new(root, figures_list[i].name, cr_json_real(figures_list[i].value));
    json_object_set_new(root, "intervals", intervals(evaluation, f));
    json_object_set_new(root, "classes", class_metrics(evaluation, f));
    char *path = cr_path_join(folder, "metrics.json");
    cr_status status = path && root ? cr_json_save(path, root) : cr_fail_memory("metrics", 1);
    free(path);
    json_decref(root);
    return status;
}

static cr_status write_arrays(const cr_evaluation *evaluation, const cr_figures *f, const char *folder)
{
    const cr_session *session = evaluation->session;
    const cr_subset *subset = &session->subsets[evaluation->split];
    const char **ids = malloc((size_t)f->n * sizeof *ids);
    char *path = cr_path_join(folder, "predictions.npz");
    cr_status status = CR_OK;
    if (!ids || !path) {
        status = cr_fail_memory("sample ids", (size_t)f->n * sizeof *ids);
        goto done;
    }
    for (int64_t i = 0; i < f->n; i++)
        ids[i] = cr_pack_sample_id(session->pack, evaluation->split, subset->samples[i]);
    const cr_npz_array arrays[] = {
        {"ids", CR_NPZ_TEXT, 1, {f->n, 0}, ids},
        {"labels", CR_NPZ_I32, 1, {f->n, 0}, subset->labels},
        {"predictions", CR_NPZ_I32, 1, {f->n, 0}, f->predictions},
        {"probabilities", CR_NPZ_F64, 2, {f->n, f->n_classes}, f->probabilities},
        {"logits", CR_NPZ_F32, 2, {f->n, f->n_classes}, evaluation->logits},
        {"classes", CR_NPZ_TEXT, 1, {f->n_classes, 0}, session->class_names},
    };
    CR_TRY(cr_npz_save(path, arrays, sizeof arrays / sizeof *arrays));
done:
    free(ids);
    free(path);
    return status;
}

static cr_status write_report(const cr_evaluation *evaluation, const cr_figures *f, const char *folder, bool quiet)
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

static cr_status drop_importance(const char *folder)
{
    char *path = cr_path_join(folder, "importance.csv");
    cr_status status = CR_OK;
    if (!path)
        return cr_fail_memory("a path", 1);
    if (remove(path) && errno != ENOENT)
        status = cr_fail_errno("%s", path);
    free(path);
    return status;
}

cr_status cr_evaluation_write(const cr_evaluation *evaluation, const char *folder, bool quiet)
{
    cr_figures f = {0};
    cr_status status = CR_OK;
    CR_TRY(cr_figures_compute(evaluation, &f));
    CR_TRY(cr_make_folders(folder));
    CR_TRY(cr_write_predictions(evaluation, &f, folder));
    CR_TRY(write_arrays(evaluation, &f, folder));
    CR_TRY(cr_write_confusion(evaluation, &f, folder));
    CR_TRY(cr_write_errors(evaluation, &f, folder));
    CR_TRY(cr_write_class_frequencies(evaluation, folder));
    if (evaluation->session->encoder)
        CR_TRY(cr_write_feature_weights(evaluation, folder));
    CR_TRY(evaluation->n_columns > 0 ? cr_write_importance(evaluation, folder) : drop_importance(folder));
    CR_TRY(write_metrics(evaluation, &f, folder));
    CR_TRY(write_report(evaluation, &f, folder, quiet));
done:
    cr_figures_destroy(&f);
    return status;
}
