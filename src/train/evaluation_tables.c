/* The tables of an evaluation, as CSV. */
#include "evaluation_figures.h"
#include "file_text.h"
#include "importance.h"

#include <math.h>
#include <stdlib.h>

cr_status cr_write_predictions(const cr_evaluation *evaluation, const cr_figures *f, const char *folder)
{
    const cr_session *session = evaluation->session;
    const cr_subset *subset = &session->subsets[evaluation->split];
    cr_file_text t;
    cr_status status = cr_file_text_open(&t);
    if (status != CR_OK)
        return status;
    fputs("id,label,prediction", t.stream);
    for (int64_t k = 0; k < f->n_classes; k++) {
        fputs(",p_", t.stream);
        cr_file_text_cell(t.stream, session->class_names[k]);
    }
    putc('\n', t.stream);
    for (int64_t i = 0; i < f->n; i++) {
        cr_file_text_cell(t.stream, cr_pack_sample_id(session->pack, evaluation->split, subset->samples[i]));
        putc(',', t.stream);
        cr_file_text_cell(t.stream, session->class_names[subset->labels[i]]);
        putc(',', t.stream);
        cr_file_text_cell(t.stream, session->class_names[f->predictions[i]]);
        for (int64_t k = 0; k < f->n_classes; k++)
            fprintf(t.stream, ",%.9g", f->probabilities[i * f->n_classes + k]);
        putc('\n', t.stream);
    }
    return cr_file_text_save(&t, folder, "predictions.csv");
}

cr_status cr_write_confusion(const cr_evaluation *evaluation, const cr_figures *f, const char *folder)
{
    const char *const *names = evaluation->session->class_names;
    cr_file_text t;
    cr_status status = cr_file_text_open(&t);
    if (status != CR_OK)
        return status;
    fputs("truth", t.stream);
    for (int64_t k = 0; k < f->n_classes; k++) {
        putc(',', t.stream);
        cr_file_text_cell(t.stream, names[k]);
    }
    putc('\n', t.stream);
    for (int64_t truth = 0; truth < f->n_classes; truth++) {
        cr_file_text_cell(t.stream, names[truth]);
        for (int64_t k = 0; k < f->n_classes; k++)
            fprintf(t.stream, ",%lld", (long long)f->confusion.counts[truth * f->n_classes + k]);
        putc('\n', t.stream);
    }
    return cr_file_text_save(&t, folder, "confusion.csv");
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

typedef struct mistake {
    double confidence; /* probability of the prediction */
    int64_t at;        /* in the subset */
} mistake;

static int compare_mistakes(const void *a, const void *b)
{
    const mistake *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence < y->confidence ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

/* A cell as the table had it: number, word, or words of a list; empty when missing. */
static void print_value(FILE *out, const cr_column *column, const float *raw)
{
    char text[4096] = "";
    size_t used = 0;
    if (column->kind == CR_COLUMN_NUMERIC && !isnan(raw[0]))
        fprintf(out, "%.7g", (double)raw[0]); /* digits that any table's number keeps in float32 */
    if (column->kind == CR_COLUMN_CATEGORICAL && raw[0] >= 0 && raw[0] < (float)column->n_words)
        cr_file_text_cell(out, column->words[(int64_t)raw[0]]);
    for (int64_t i = 0; column->kind == CR_COLUMN_LIST && i < column->n_words && used < sizeof text; i++)
        if (raw[i] > 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", column->words[i]);
    cr_file_text_cell(out, text);
}

/* `paths` of the split's images, or null. */
static void print_mistake(FILE *out, const cr_evaluation *evaluation, const cr_figures *f, char *const *paths,
                          const mistake *m)
{
    const cr_session *session = evaluation->session;
    const cr_subset *subset = &session->subsets[evaluation->split];
    int64_t sample = subset->samples[m->at];
    const float *raw = cr_pack_metadata(session->pack, evaluation->split, sample);
    cr_file_text_cell(out, cr_pack_sample_id(session->pack, evaluation->split, sample));
    putc(',', out);
    cr_file_text_cell(out, paths ? paths[sample] : "");
    fprintf(out, ",%lld,", (long long)sample);
    cr_file_text_cell(out, session->class_names[subset->labels[m->at]]);
    putc(',', out);
    cr_file_text_cell(out, session->class_names[f->predictions[m->at]]);
    fprintf(out, ",%.9g,%.9g", m->confidence, f->probabilities[m->at * f->n_classes + subset->labels[m->at]]);
    for (int64_t c = 0; c < cr_pack_n_columns(session->pack); c++) {
        const cr_column *column = cr_pack_column(session->pack, c);
        putc(',', out);
        print_value(out, column, raw + column->feature);
    }
    putc('\n', out);
}

cr_status cr_write_errors(const cr_evaluation *evaluation, const cr_figures *f, const char *folder)
{
    const cr_session *session = evaluation->session;
    const int32_t *labels = session->subsets[evaluation->split].labels;
    int64_t n = 0;
    cr_file_text t;
    char **paths = NULL;
    cr_status status = cr_pack_read_paths(session->pack, evaluation->split, &paths);
    if (status != CR_OK)
        return status;
    mistake *mistakes = malloc((size_t)f->n * sizeof *mistakes);
    status = mistakes ? cr_file_text_open(&t) : cr_fail_memory("mistakes", (size_t)f->n * sizeof *mistakes);
    if (status != CR_OK) {
        free(mistakes);
        free(paths);
        return status;
    }
    for (int64_t i = 0; i < f->n; i++)
        if (f->predictions[i] != labels[i])
            mistakes[n++] = (mistake){f->probabilities[i * f->n_classes + f->predictions[i]], i};
    qsort(mistakes, (size_t)n, sizeof *mistakes, compare_mistakes);
    fputs("id,path,sample,label,prediction,confidence,label_probability", t.stream);
    for (int64_t c = 0; c < cr_pack_n_columns(session->pack); c++) {
        putc(',', t.stream);
        cr_file_text_cell(t.stream, cr_pack_column(session->pack, c)->name);
    }
    putc('\n', t.stream);
    for (int64_t i = 0; i < n; i++)
        print_mistake(t.stream, evaluation, f, paths, &mistakes[i]);
    free(mistakes);
    free(paths);
    return cr_file_text_save(&t, folder, "errors.csv");
}

/* --- what the run was made of ----------------------------------------------------------------------------------- */

cr_status cr_write_class_frequencies(const cr_evaluation *evaluation, const char *folder)
{
    const cr_session *session = evaluation->session;
    cr_file_text t;
    cr_status status = cr_file_text_open(&t);
    if (status != CR_OK)
        return status;
    fputs("class,train,val,test\n", t.stream);
    for (int64_t k = 0; k < session->n_classes; k++) {
        cr_file_text_cell(t.stream, session->class_names[k]);
        for (int split = 0; split < CR_N_SPLITS; split++) {
            const cr_subset *subset = &session->subsets[split];
            int64_t count = 0;
            for (int64_t i = 0; i < subset->n_samples; i++)
                count += subset->labels[i] == k;
            fprintf(t.stream, ",%lld", (long long)count);
        }
        putc('\n', t.stream);
    }
    return cr_file_text_save(&t, folder, "class_frequencies.csv");
}

cr_status cr_write_feature_weights(const cr_evaluation *evaluation, const char *folder)
{
    const cr_session *session = evaluation->session;
    int64_t width = cr_encoder_width(session->encoder);
    double *sizes = malloc((size_t)width * sizeof *sizes);
    cr_file_text t;
    cr_status status = CR_OK;
    if (!sizes)
        return cr_fail_memory("weights of features", (size_t)width * sizeof *sizes);
    CR_TRY(cr_feature_weights(session, evaluation->tensors, sizes));
    CR_TRY(cr_file_text_open(&t));
    fputs("feature,column,mean_abs_weight\n", t.stream);
    for (int64_t i = 0; i < width; i++) {
        cr_file_text_cell(t.stream, cr_encoder_feature_name(session->encoder, i));
        putc(',', t.stream);
        cr_file_text_cell(t.stream, cr_encoder_feature_column(session->encoder, i)->name);
        fprintf(t.stream, ",%.9g\n", sizes[i]);
    }
    CR_TRY(cr_file_text_save(&t, folder, "feature_weights.csv"));
done:
    free(sizes);
    return status;
}

cr_status cr_write_importance(const cr_evaluation *evaluation, const char *folder)
{
    static const char *const kinds[] = {
        [CR_COLUMN_NUMERIC] = "numeric", [CR_COLUMN_CATEGORICAL] = "categorical", [CR_COLUMN_LIST] = "list"};
    cr_file_text t;
    cr_status status = cr_file_text_open(&t);
    if (status != CR_OK)
        return status;
    fputs("column,kind,features,mean_abs_weight,accuracy_drop,accuracy_drop_deviation,f1_macro_drop,"
          "f1_macro_drop_deviation\n",
          t.stream);
    for (int64_t i = 0; i < evaluation->n_columns; i++) {
        const cr_column_importance *c = &evaluation->columns[i];
        cr_file_text_cell(t.stream, c->column->name);
        fprintf(t.stream, ",%s,%lld,%.9g,%.9g,%.9g,%.9g,%.9g\n", kinds[c->column->kind], (long long)c->n_features,
                c->weight, c->accuracy_drop, c->accuracy_deviation, c->f1_drop, c->f1_deviation);
    }
    return cr_file_text_save(&t, folder, "importance.csv");
}
