#include "split_logits.h"

#include "crisol/clock.h"
#include "crisol/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct pass { /* this rank's part of a split */
    const cr_session *session;
    cr_team *team;
    const cr_model_state *state;
    cr_split split;
    const cr_subset *subset;
    int64_t size;       /* samples of a micro-batch */
    int64_t begin, end; /* micro-batches of this rank */
    cr_loader *loader;
    int64_t *positions; /* [n_workers · size] */
    float *logits;      /* [n_workers · size, n_classes] */
} pass;

static int64_t round_length(const pass *p, int64_t at)
{
    int64_t left = p->end - at;
    return left < p->team->n_workers ? left : p->team->n_workers;
}

static void request_round(pass *p, int64_t at)
{
    int64_t n = round_length(p, at) * p->size;
    for (int64_t i = 0; i < n; i++) {
        int64_t position = at * p->size + i;
        p->positions[i] = position < p->subset->n_samples ? position : p->subset->n_samples - 1;
    }
    if (n > 0)
        cr_loader_request(p->loader, p->positions, n);
}

/* One micro-batch a worker and round; the next round is read while this one computes. */
static cr_status run_rounds(pass *p, float *all)
{
    int64_t n_classes = p->session->n_classes;
    cr_status status = CR_OK;
    request_round(p, p->begin);
    for (int64_t at = p->begin; at < p->end;) {
        int64_t n = round_length(p, at);
        cr_loaded loaded;
        CR_TRY(cr_loader_wait(p->loader, &loaded));
        if (at + n < p->end)
            request_round(p, at + n);
        CR_TRY(cr_team_evaluate(p->team, p->state, p->split, &loaded, n, p->logits));
        int64_t first = at * p->size;
        int64_t n_rows = n * p->size;
        if (first + n_rows > p->subset->n_samples)
            n_rows = p->subset->n_samples - first;
        memcpy(all + first * n_classes, p->logits, (size_t)(n_rows * n_classes) * sizeof(float));
        at += n;
    }
done:
    return status;
}

static cr_status gather(const cr_session *session, int64_t n_micro, int64_t size, int64_t n_samples, float *all)
{
    int n_ranks = cr_comm_size(session->comm);
    size_t *counts = calloc((size_t)n_ranks * 2, sizeof *counts);
    if (!counts)
        return cr_fail_memory("gathering logits", (size_t)n_ranks * 2 * sizeof *counts);
    size_t row_bytes = (size_t)session->n_classes * sizeof(float);
    for (int r = 0; r < n_ranks; r++) {
        int64_t begin, end;
        cr_share(n_micro, n_ranks, r, &begin, &end);
        int64_t first = begin * size < n_samples ? begin * size : n_samples;
        int64_t last = end * size < n_samples ? end * size : n_samples;
        counts[r] = (size_t)(last - first) * row_bytes;
        counts[n_ranks + r] = (size_t)first * row_bytes;
    }
    cr_status status = cr_comm_allgatherv(session->comm, NULL, all, counts, counts + n_ranks);
    free(counts);
    return status;
}

static cr_status run_local(pass *p, float *all)
{
    cr_status status = CR_OK;
    int64_t capacity = p->team->n_workers * p->size;
    p->positions = malloc((size_t)capacity * sizeof *p->positions);
    p->logits = malloc((size_t)(capacity * p->session->n_classes) * sizeof *p->logits);
    if (!p->positions || !p->logits) {
        status = cr_fail_memory("an evaluation round", (size_t)capacity * sizeof *p->positions);
        goto done;
    }
    CR_TRY(cr_team_compile_evaluation(p->team));
    CR_TRY(cr_loader_create(p->subset, p->session->encoder, cr_session_loads_images(p->session, p->split), capacity,
                            &p->loader));
    CR_TRY(run_rounds(p, all));
done:
    cr_loader_destroy(&p->loader);
    free(p->positions);
    free(p->logits);
    return status;
}

cr_status cr_split_logits(const cr_session *session, cr_team *team, const cr_model_state *state, cr_split split,
                          float *logits)
{
    pass p = {.session = session,
              .team = team,
              .state = state,
              .split = split,
              .subset = &session->subsets[split],
              .size = session->config->cpu.eval_batch};
    int64_t n_micro = (p.subset->n_samples + p.size - 1) / p.size;
    cr_share(n_micro, cr_comm_size(session->comm), cr_comm_rank(session->comm), &p.begin, &p.end);
    cr_status status = CR_OK;
    CR_TRY(cr_comm_agree(session->comm, run_local(&p, logits)));
    CR_TRY(gather(session, n_micro, p.size, p.subset->n_samples, logits));
done:
    return status;
}

cr_status cr_split_loss(const cr_session *session, cr_split split, const float *logits, double *loss)
{
    const cr_subset *subset = &session->subsets[split];
    cr_loss rule = {.class_weights = session->class_weights,
                    .label_smoothing = session->config->loss.label_smoothing,
                    .focal_gamma = session->config->loss.focal,
                    .weight_sum = cr_session_weight_sum(session, subset->labels, subset->n_samples)};
    size_t bytes = (size_t)subset->n_samples * sizeof(double);
    double *losses = malloc(bytes ? bytes : 1);
    if (!losses)
        return cr_fail_memory("losses", bytes);
    cr_loss_evaluate(&rule, subset->n_samples, session->n_classes, logits, subset->labels, NULL, losses, NULL);
    double sum = 0;
    for (int64_t i = 0; i < subset->n_samples; i++)
        sum += losses[i];
    *loss = sum / rule.weight_sum;
    free(losses);
    return CR_OK;
}

/* Figures of the probabilities; all NaN when a logit is not finite, which is bad but no reason to stop. */
static cr_status score_probabilities(const cr_session *session, cr_split split, const float *logits,
                                     cr_split_scores *scores)
{
    const cr_subset *subset = &session->subsets[split];
    int64_t n = subset->n_samples, n_classes = session->n_classes;
    cr_probability_scores ranked = {NAN, NAN, NAN, NAN, NAN, NAN};
    cr_odir_scores odir = {.score = NAN};
    bool finite = true;
    cr_status status = CR_OK;
    size_t bytes = (size_t)(n * n_classes) * sizeof(double);
    double *probabilities = malloc(bytes ? bytes : 1);
    if (!probabilities)
        return cr_fail_memory("probabilities", bytes);
    for (int64_t i = 0; i < n * n_classes; i++)
        finite = finite && isfinite(logits[i]);
    for (int64_t i = 0; finite && i < n; i++)
        cr_softmax(logits + i * n_classes, n_classes, probabilities + i * n_classes);
    if (finite) {
        CR_TRY(cr_probability_scores_compute(n, n_classes, probabilities, subset->labels, &ranked, NULL, NULL));
        CR_TRY(cr_odir_scores_compute(n, n_classes, probabilities, subset->labels, &odir));
    }
    scores->roc_auc = ranked.roc_auc_macro;
    scores->average_precision = ranked.average_precision_macro;
    scores->log_loss = ranked.log_loss;
    scores->top2_accuracy = ranked.top2_accuracy;
    scores->ece = ranked.ece;
    scores->odir_score = odir.score;
done:
    free(probabilities);
    return status;
}

/* Figures from logits alone, computed alike on every rank. */
static cr_status score_logits(const cr_session *session, cr_split split, const float *logits, cr_split_scores *scores)
{
    const cr_subset *subset = &session->subsets[split];
    cr_confusion confusion = {0};
    cr_scores all;
    double loss;
    cr_status status = CR_OK;
    CR_TRY(cr_split_loss(session, split, logits, &loss));
    CR_TRY(cr_confusion_create(session->n_classes, &confusion));
    for (int64_t i = 0; i < subset->n_samples; i++)
        cr_confusion_add(&confusion, subset->labels[i], cr_argmax(logits + i * session->n_classes, session->n_classes));
    cr_scores_compute(&confusion, &all, NULL);
    *scores = (cr_split_scores){.loss = loss,
                                .accuracy = all.accuracy,
                                .balanced_accuracy = all.balanced_accuracy,
                                .precision_macro = all.precision_macro,
                                .recall_macro = all.recall_macro,
                                .f1_macro = all.f1_macro,
                                .f1_weighted = all.f1_weighted,
                                .kappa = all.kappa,
                                .n_samples = subset->n_samples};
    CR_TRY(score_probabilities(session, split, logits, scores));
done:
    cr_confusion_destroy(&confusion);
    return status;
}

cr_status cr_split_score(const cr_session *session, cr_team *team, const cr_model_state *state, cr_split split,
                         cr_split_scores *scores)
{
    double start = cr_clock_s();
    size_t bytes = (size_t)(session->subsets[split].n_samples * session->n_classes) * sizeof(float);
    float *logits = malloc(bytes ? bytes : 1);
    cr_status status = CR_OK;
    CR_TRY(cr_comm_agree(session->comm, logits ? CR_OK : cr_fail_memory("logits", bytes)));
    CR_TRY(cr_split_logits(session, team, state, split, logits));
    CR_TRY(cr_comm_agree(session->comm, score_logits(session, split, logits, scores)));
    scores->seconds = cr_clock_s() - start;
done:
    free(logits);
    return status;
}
