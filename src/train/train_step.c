#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/json.h"
#include "stop_flag.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

void cr_trainer_request(cr_trainer *trainer, int64_t step_in_epoch)
{
    int64_t at = step_in_epoch * trainer->config->data.batch + trainer->first * trainer->config->data.micro_batch;
    cr_loader_request(trainer->loader, trainer->order + at, trainer->n_local);
}

/* The rank's own part: its samples through forward and backward, their gradients into the tree. A device has all of it
 * queued then. */
static cr_status compute(cr_trainer *trainer, const cr_loss *loss)
{
    cr_loaded batch;
    cr_status status = CR_OK;
    double start = cr_clock_s();
    CR_TRY(cr_loader_wait(trainer->loader, &batch));
    double loaded = cr_clock_s();
    trainer->times.wait += loaded - start;
    if (trainer->step_in_epoch + 1 < trainer->steps_per_epoch)
        cr_trainer_request(trainer, trainer->step_in_epoch + 1);

    const cr_subset *subset = &trainer->session.subsets[CR_SPLIT_TRAIN];
    for (int64_t i = 0; i < batch.n; i++) {
        trainer->samples[i] = subset->samples[batch.positions[i]];
        trainer->augments[i] = cr_augment_draw(&trainer->augment, trainer->config->train.seed, (uint64_t)trainer->epoch,
                                               (uint64_t)trainer->samples[i]);
    }
    cr_trainer_draw_mixes(trainer, &batch);
    cr_team_step work = {.state = &trainer->state,
                         .batch = &batch,
                         .augments = trainer->augments,
                         .samples = trainer->samples,
                         .mixes = trainer->mixes,
                         .targets = trainer->targets,
                         .loss = loss,
                         .epoch = (uint64_t)trainer->epoch,
                         .first = trainer->first,
                         .reducer = trainer->reducer,
                         .logits = trainer->logits,
                         .losses = trainer->losses};
    CR_TRY(cr_team_train(&trainer->team, &work));
    trainer->times.compute += cr_clock_s() - loaded;
done:
    return status;
}

/* Where the ranks' sum overlaps with what a device has queued, it begins now: they agree first that they all came so
 * far, since whoever takes part in it waits for the others. */
static cr_status begin_sum(cr_trainer *trainer, cr_status *mine)
{
    cr_status status = CR_OK;
    if (!cr_reducer_overlaps(trainer->reducer))
        return CR_OK;
    CR_TRY(cr_comm_agree(trainer->comm, *mine));
    *mine = cr_reducer_begin(trainer->reducer, trainer->team.workers);
done:
    return status;
}

/* Ranks tell each other how it went: one small message carries status, wishes, losses and predictions, so that a rank
 * that failed still takes part and all leave together. */
static cr_status exchange_rows(cr_trainer *trainer, cr_status mine)
{
    int rank = cr_comm_rank(trainer->comm);
    int n_ranks = cr_comm_size(trainer->comm);
    int64_t n_classes = trainer->session.n_classes;
    int64_t limit = trainer->config->train.stop_after_steps;
    cr_step_row *own = (cr_step_row *)((char *)trainer->rows + trainer->row_offsets[rank]);
    bool stop = cr_stop_flag_is_set() || (limit > 0 && trainer->step + 1 - trainer->start_step >= limit) ||
                cr_trainer_is_out_of_time(trainer);
    bool save = cr_trainer_save_is_due(trainer);
    own[0] =
        (cr_step_row){.prediction = (int32_t)mine, .wishes = (stop ? CR_WISH_STOP : 0) | (save ? CR_WISH_SAVE : 0)};
    for (int64_t i = 0; mine == CR_OK && i < trainer->n_local; i++)
        own[1 + i] = (cr_step_row){.loss = trainer->losses[i],
                                   .prediction = cr_argmax(trainer->logits + i * n_classes, n_classes)};
    cr_status status =
        cr_comm_allgatherv(trainer->comm, NULL, trainer->rows, trainer->row_counts, trainer->row_offsets);
    if (status != CR_OK)
        return status;
    bool failed = false;
    for (int r = 0; r < n_ranks; r++) {
        const cr_step_row *head = (const cr_step_row *)((const char *)trainer->rows + trainer->row_offsets[r]);
        failed = failed || head->prediction != CR_OK;
        trainer->stop_agreed = trainer->stop_agreed || (head->wishes & CR_WISH_STOP);
        trainer->save_agreed = trainer->save_agreed || (head->wishes & CR_WISH_SAVE);
    }
    return failed ? cr_comm_agree(trainer->comm, mine) : CR_OK;
}

/* Adds the step's rows to the epoch's sums in sample order, alike on every rank. */
static cr_status add_rows(cr_trainer *trainer, double weight_sum)
{
    const cr_config *config = trainer->config;
    int64_t at = 0;
    for (int r = 0; r < cr_comm_size(trainer->comm); r++) {
        const cr_step_row *rows = (const cr_step_row *)((const char *)trainer->rows + trainer->row_offsets[r]);
        int64_t n = (int64_t)(trainer->row_counts[r] / sizeof *rows) - 1;
        for (int64_t i = 1; i <= n; i++, at++) {
            if (!isfinite(rows[i].loss))
                return cr_fail(
                    CR_NON_FINITE,
                    "epoch %lld, step %lld, micro-batch %lld: the loss is not finite; lower optimizer.lr, or "
                    "look for broken metadata with 'crisol inspect'",
                    (long long)trainer->epoch + 1, (long long)trainer->step + 1,
                    (long long)(at / config->data.micro_batch));
            trainer->sums.loss += rows[i].loss;
            trainer->lately.loss += rows[i].loss;
            cr_confusion_add(&trainer->sums.confusion, trainer->labels[at], rows[i].prediction);
        }
    }
    trainer->sums.weight += weight_sum;
    trainer->lately.weight += weight_sum;
    return CR_OK;
}

static cr_status apply_gradient(cr_trainer *trainer)
{
    const float *gradient;
    cr_status status = CR_OK;
    double start = cr_clock_s();
    CR_TRY(cr_reducer_sum(trainer->reducer, trainer->team.workers, &gradient));
    double reduced = cr_clock_s();
    trainer->times.reduce += reduced - start;
    double squares;
    CR_TRY(cr_comm_fail_alone(trainer->comm, cr_backend_sum_of_squares(trainer->session.backend, gradient,
                                                                       trainer->session.net->n_params, &squares)));
    if (!isfinite(squares)) {
        status = cr_fail(CR_NON_FINITE, "epoch %lld, step %lld: the gradient is not finite; lower optimizer.lr",
                         (long long)trainer->epoch + 1, (long long)trainer->step + 1);
        goto done;
    }
    CR_TRY(cr_comm_fail_alone(trainer->comm, cr_trainer_update(trainer, gradient, squares)));
    trainer->times.update += cr_clock_s() - reduced;
done:
    return status;
}

/* The mean loss of the steps since the last such line; the first one after a resume may be of fewer. */
static cr_status journal_step(cr_trainer *trainer, double lr)
{
    int64_t every = trainer->config->train.journal_steps;
    if (every == 0 || trainer->step % every != 0)
        return CR_OK;
    cr_loss_sums lately = trainer->lately;
    trainer->lately = (cr_loss_sums){0};
    return cr_trainer_journal(trainer, "step",
                              json_pack("{s:I, s:I, s:o, s:o}", "step", (json_int_t)trainer->step, "epoch",
                                        (json_int_t)trainer->epoch + 1, "lr", cr_json_real(lr), "train/loss",
                                        cr_json_real(lately.loss / lately.weight)));
}

cr_status cr_trainer_step(cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    const cr_subset *subset = &trainer->session.subsets[CR_SPLIT_TRAIN];
    const int64_t *positions = trainer->order + trainer->step_in_epoch * config->data.batch;
    for (int64_t i = 0; i < config->data.batch; i++)
        trainer->labels[i] = subset->labels[positions[i]];
    cr_loss loss = {.class_weights = trainer->session.class_weights,
                    .label_smoothing = config->loss.label_smoothing,
                    .focal_gamma = config->loss.focal,
                    .weight_sum = cr_trainer_weight_sum(trainer)};
    cr_status status = CR_OK;
    cr_status mine = compute(trainer, &loss);
    if (mine == CR_OK)
        mine = cr_trainer_settle(trainer, false);
    double queued = cr_clock_s();
    CR_TRY(begin_sum(trainer, &mine));
    if (mine == CR_OK)
        mine = cr_team_wait(&trainer->team);
    trainer->times.compute += cr_clock_s() - queued;
    CR_TRY(exchange_rows(trainer, mine));
    CR_TRY(add_rows(trainer, loss.weight_sum));
    CR_TRY(apply_gradient(trainer));
    double lr = trainer->schedule.lr;
    if (cr_schedule_is_per_step(&trainer->schedule))
        cr_schedule_advance(&trainer->schedule, NAN);
    trainer->times.n_samples += config->data.batch;
    trainer->step_in_epoch++;
    trainer->step++;
    CR_TRY(journal_step(trainer, lr));
done:
    if (status != CR_OK && cr_reducer_overlaps(trainer->reducer))
        cr_reducer_abandon(trainer->reducer);
    return status;
}
