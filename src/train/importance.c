#include "importance.h"

#include "crisol/metrics.h"
#include "crisol/rng.h"
#include "split_logits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- weights ---------------------------------------------------------------------------------------------------- */

static int64_t image_width(const cr_session *session)
{
    int t = cr_net_find_tensor(session->net, "head.0.weight");
    int64_t inputs = t >= 0 ? session->net->tensors[t].shape[1] : 0;
    int n = session->model.n_metadata_hidden;
    return inputs - (n ? session->model.metadata_hidden[n - 1] : session->net->n_features);
}

cr_status cr_feature_weights(const cr_session *session, const cr_safetensors *weights, double *sizes)
{
    bool hidden = session->model.n_metadata_hidden > 0; /* otherwise the head reads the columns, behind the image */
    const char *name = hidden ? "metadata.0.weight" : "head.0.weight";
    int64_t first = hidden ? 0 : image_width(session), width = cr_encoder_width(session->encoder);
    const cr_tensor_view *view = cr_evaluated_tensor(weights, name);
    if (!view || view->dtype != CR_DTYPE_F32 || view->rank != 2 || view->shape[1] != first + width)
        return cr_fail(CR_BAD_DATA, "the checkpoint has no %s of %lld columns: it is of another model", name,
                       (long long)(first + width));
    for (int64_t f = 0; f < width; f++) {
        double sum = 0;
        for (int64_t unit = 0; unit < view->shape[0]; unit++) {
            float value;
            memcpy(&value, (const char *)view->data + (size_t)(unit * view->shape[1] + first + f) * sizeof value,
                   sizeof value);
            sum += fabs((double)value);
        }
        sizes[f] = sum / (double)view->shape[0];
    }
    return CR_OK;
}

/* --- the model in parts ------------------------------------------------------------------------------------------ */

typedef struct part { /* of the model, as a session of its own */
    cr_session session;
    cr_model_state state;
    cr_program *program;
    float *inputs, *outputs; /* of one micro-batch */
} part;

typedef struct probe {
    const cr_session *session;
    cr_split split;
    int64_t n, n_classes, size;      /* samples, classes, micro-batch */
    int64_t width, n_image, n_table; /* encoded columns, features of each branch */
    float *image;                    /* [n, n_image] */
    float *encoded;                  /* [n, width] */
    float *raw;                      /* [the pack's features] */
    int64_t *order;                  /* [n] which sample a shuffled cell comes from */
    part table, head;
    cr_confusion confusion;
} probe;

static cr_status open_part(const cr_session *session, const cr_fusion_params *params, cr_fusion_part which,
                           const cr_safetensors *weights, part *opened)
{
    cr_status status = CR_OK;
    opened->session = *session;
    opened->session.net = NULL;
    opened->session.encoder = NULL;
    CR_TRY(cr_net_create_fusion_part(params, which, &opened->session.net));
    opened->session.n_classes = opened->session.net->n_classes;
    CR_TRY(cr_model_state_create(&opened->session, NULL, &opened->state));
    CR_TRY(cr_model_state_restore(&opened->session, NULL, weights, &opened->state));
done:
    return status;
}

static void close_part(part *opened)
{
    cr_program_destroy(&opened->program);
    cr_model_state_destroy(&opened->state);
    cr_net_destroy(&opened->session.net);
    free(opened->inputs);
    free(opened->outputs);
    memset(opened, 0, sizeof *opened);
}

/* A small part's program, in this thread. */
static cr_status compile_part(const probe *p, part *opened)
{
    const cr_config *config = p->session->config;
    cr_program_params params = {.micro_batch = p->size,
                                .precision = (cr_precision)config->train.precision,
                                .convolution = (cr_convolution)config->cpu.convolution,
                                .n_threads = (int)config->cpu.threads};
    const cr_net *net = opened->session.net;
    opened->inputs = calloc((size_t)(p->size * net->n_features), sizeof(float));
    opened->outputs = calloc((size_t)(p->size * net->n_classes), sizeof(float));
    if (!opened->inputs || !opened->outputs)
        return cr_fail_memory("features", (size_t)(p->size * net->n_features) * sizeof(float));
    return cr_program_create(p->session->backend, net, &params, &opened->program);
}

static cr_status run_part(part *opened)
{
    cr_batch batch = {.metadata = opened->inputs, .state_version = opened->state.version};
    return cr_program_evaluate(opened->program, opened->state.weights, &batch, opened->outputs);
}

/* --- features of the images: collective ------------------------------------------------------------------------- */

static cr_status open_image(probe *p, const cr_safetensors *weights, int64_t workers, part *image, cr_team *team)
{
    int64_t n_micro = (p->n + p->size - 1) / p->size;
    cr_status status = CR_OK;
    CR_TRY(open_part(p->session, &p->session->model, CR_FUSION_IMAGE, weights, image));
    p->n_image = image->session.n_classes;
    CR_TRY(cr_team_create(&image->session, workers, n_micro, false, team));
    size_t bytes = (size_t)(p->n * p->n_image) * sizeof *p->image;
    p->image = malloc(bytes);
    if (!p->image)
        status = cr_fail_memory("image features", bytes);
done:
    return status;
}

static cr_status see_images(probe *p, const cr_safetensors *weights, int64_t workers)
{
    part image = {0};
    cr_team team = {0};
    cr_status status = CR_OK;
    if (!p->session->net->uses_image)
        return CR_OK;
    CR_TRY(cr_comm_agree(p->session->comm, open_image(p, weights, workers, &image, &team)));
    CR_TRY(cr_split_logits(&image.session, &team, &image.state, p->split, p->image));
done:
    cr_team_destroy(&team);
    close_part(&image);
    return status;
}

/* --- shuffling: rank 0 ------------------------------------------------------------------------------------------ */

/* Encodes all samples, the cells of `column` (if any) taken from the samples that `order` says. */
static void encode(probe *p, const cr_column *column)
{
    const cr_session *session = p->session;
    const cr_subset *subset = &session->subsets[p->split];
    size_t bytes = (size_t)cr_pack_n_features(session->pack) * sizeof *p->raw;
    for (int64_t i = 0; i < p->n; i++) {
        memcpy(p->raw, cr_pack_metadata(session->pack, p->split, subset->samples[i]), bytes);
        if (column)
            memcpy(p->raw + column->feature,
                   cr_pack_metadata(session->pack, p->split, subset->samples[p->order[i]]) + column->feature,
                   (size_t)column->n_features * sizeof *p->raw);
        cr_encoder_encode(session->encoder, p->raw, p->encoded + i * p->width);
    }
}

/* The table's features of one micro-batch, which starts at sample `first`; the last one repeats the last sample. */
static cr_status read_table(probe *p, int64_t first)
{
    bool hidden = p->session->model.n_metadata_hidden > 0;
    const float *features = p->encoded;
    int64_t n_head = p->n_image + p->n_table;
    cr_status status = CR_OK;
    for (int64_t i = 0; hidden && i < p->size; i++) {
        int64_t at = first + i < p->n ? first + i : p->n - 1;
        memcpy(p->table.inputs + i * p->width, p->encoded + at * p->width, (size_t)p->width * sizeof(float));
    }
    if (hidden)
        CR_TRY(run_part(&p->table));
    for (int64_t i = 0; i < p->size; i++) {
        int64_t at = first + i < p->n ? first + i : p->n - 1;
        float *to = p->head.inputs + i * n_head;
        if (p->n_image)
            memcpy(to, p->image + at * p->n_image, (size_t)p->n_image * sizeof *to);
        memcpy(to + p->n_image, hidden ? p->table.outputs + i * p->n_table : features + at * p->width,
               (size_t)p->n_table * sizeof *to);
    }
done:
    return status;
}

static cr_status score(probe *p, double *accuracy, double *f1)
{
    const int32_t *labels = p->session->subsets[p->split].labels;
    cr_scores scores;
    cr_status status = CR_OK;
    memset(p->confusion.counts, 0, (size_t)(p->n_classes * p->n_classes) * sizeof *p->confusion.counts);
    for (int64_t first = 0; first < p->n; first += p->size) {
        CR_TRY(read_table(p, first));
        CR_TRY(run_part(&p->head));
        for (int64_t i = 0; i < p->size && first + i < p->n; i++)
            cr_confusion_add(&p->confusion, labels[first + i],
                             cr_argmax(p->head.outputs + i * p->n_classes, p->n_classes));
    }
    cr_scores_compute(&p->confusion, &scores, NULL);
    *accuracy = scores.accuracy;
    *f1 = scores.f1_macro;
done:
    return status;
}

static void shuffle(probe *p, int repeat, int64_t column)
{
    cr_rng rng = cr_rng_make(p->session->config->train.seed, CR_RNG_PERMUTE, (uint64_t)repeat, (uint64_t)column);
    for (int64_t i = 0; i < p->n; i++)
        p->order[i] = i;
    for (int64_t i = p->n - 1; i > 0; i--) { /* Fisher, Yates; Durstenfeld's form */
        int64_t j = (int64_t)cr_rng_below(&rng, (uint64_t)i + 1), other = p->order[i];
        p->order[i] = p->order[j];
        p->order[j] = other;
    }
}

static void mean_and_deviation(const double *values, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < CR_IMPORTANCE_REPEATS; i++)
        sum += values[i];
    *mean = sum / CR_IMPORTANCE_REPEATS;
    for (int i = 0; i < CR_IMPORTANCE_REPEATS; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = sqrt(squares / CR_IMPORTANCE_REPEATS);
}

static cr_status judge_column(probe *p, double accuracy, double f1, cr_column_importance *importance)
{
    double accuracy_drops[CR_IMPORTANCE_REPEATS], f1_drops[CR_IMPORTANCE_REPEATS];
    int64_t number = 0;
    cr_status status = CR_OK;
    while (cr_pack_column(p->session->pack, number) != importance->column)
        number++;
    for (int repeat = 0; repeat < CR_IMPORTANCE_REPEATS; repeat++) {
        shuffle(p, repeat, number);
        encode(p, importance->column);
        CR_TRY(score(p, &accuracy_drops[repeat], &f1_drops[repeat]));
        accuracy_drops[repeat] = accuracy - accuracy_drops[repeat];
        f1_drops[repeat] = f1 - f1_drops[repeat];
    }
    mean_and_deviation(accuracy_drops, &importance->accuracy_drop, &importance->accuracy_deviation);
    mean_and_deviation(f1_drops, &importance->f1_drop, &importance->f1_deviation);
done:
    return status;
}

/* One entry a column that the model reads, in the encoder's order. */
static cr_status list_columns(const probe *p, const cr_safetensors *weights, cr_column_importance **list, int64_t *n)
{
    size_t bytes = (size_t)p->width * sizeof(double);
    double *sizes = calloc((size_t)p->width, sizeof *sizes);
    cr_status status = CR_OK;
    *list = calloc((size_t)p->width, sizeof **list);
    *n = 0;
    if (!sizes || !*list) {
        status = cr_fail_memory("a list of columns", bytes);
        goto done;
    }
    CR_TRY(cr_feature_weights(p->session, weights, sizes));
    for (int64_t f = 0; f < p->width; f++) {
        const cr_column *column = cr_encoder_feature_column(p->session->encoder, f);
        if (*n == 0 || (*list)[*n - 1].column != column)
            (*list)[(*n)++].column = column;
        (*list)[*n - 1].n_features++;
        (*list)[*n - 1].weight += sizes[f];
    }
    for (int64_t i = 0; i < *n; i++)
        (*list)[i].weight /= (double)(*list)[i].n_features;
done:
    free(sizes);
    return status;
}

static cr_status open_tail(probe *p, const cr_safetensors *weights)
{
    cr_fusion_params params = p->session->model;
    cr_status status = CR_OK;
    int n_hidden = params.n_metadata_hidden;
    p->n_table = n_hidden ? params.metadata_hidden[n_hidden - 1] : p->width;
    if (n_hidden) {
        CR_TRY(open_part(p->session, &params, CR_FUSION_METADATA, weights, &p->table));
        CR_TRY(compile_part(p, &p->table));
    }
    params.n_features = p->n_image + p->n_table;
    CR_TRY(open_part(p->session, &params, CR_FUSION_HEAD, weights, &p->head));
    CR_TRY(compile_part(p, &p->head));
    CR_TRY(cr_confusion_create(p->n_classes, &p->confusion));
    p->encoded = malloc((size_t)(p->n * p->width) * sizeof *p->encoded);
    p->raw = malloc((size_t)cr_pack_n_features(p->session->pack) * sizeof *p->raw);
    p->order = malloc((size_t)p->n * sizeof *p->order);
    if (!p->encoded || !p->raw || !p->order)
        status = cr_fail_memory("encoded columns", (size_t)(p->n * p->width) * sizeof *p->encoded);
done:
    return status;
}

static cr_status judge_columns(probe *p, const cr_safetensors *weights, cr_column_importance **list, int64_t *n)
{
    cr_status status = CR_OK;
    double accuracy, f1;
    CR_TRY(open_tail(p, weights));
    CR_TRY(list_columns(p, weights, list, n));
    encode(p, NULL);
    CR_TRY(score(p, &accuracy, &f1));
    for (int64_t i = 0; i < *n; i++)
        CR_TRY(judge_column(p, accuracy, f1, &(*list)[i]));
done:
    return status;
}

cr_status cr_importance_compute(const cr_session *session, const cr_safetensors *weights, int64_t workers,
                                cr_split split, cr_column_importance **list, int64_t *n)
{
    probe p = {.session = session,
               .split = split,
               .n = session->subsets[split].n_samples,
               .n_classes = session->n_classes,
               .size = session->config->cpu.eval_batch,
               .width = cr_encoder_width(session->encoder)};
    cr_status status = CR_OK;
    *list = NULL;
    *n = 0;
    CR_TRY(see_images(&p, weights, workers));
    CR_TRY(
        cr_comm_agree(session->comm, cr_comm_rank(session->comm) == 0 ? judge_columns(&p, weights, list, n) : CR_OK));
done:
    close_part(&p.table);
    close_part(&p.head);
    cr_confusion_destroy(&p.confusion);
    free(p.image);
    free(p.encoded);
    free(p.raw);
    free(p.order);
    if (status != CR_OK) {
        free(*list);
        *list = NULL;
        *n = 0;
    }
    return status;
}
