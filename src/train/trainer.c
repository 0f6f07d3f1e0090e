/* The training loop. */
#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/log.h"
#include "resident.h"
#include "stop_flag.h"

#include <jansson.h>
#include <math.h>

static void show_progress(const cr_trainer *trainer)
{
    double seconds = cr_clock_s() - trainer->epoch_start_s;
    double rate = (double)trainer->times.n_samples / seconds;
    int64_t total = trainer->config->train.epochs * trainer->steps_per_epoch;
    double left_s = (double)((total - trainer->step) * trainer->config->data.batch) / rate;
    cr_log_progress(
        trainer->step_in_epoch == trainer->steps_per_epoch,
        "epoch %lld/%lld  step %lld/%lld  loss %.4f  %.1f images/s  data wait %.1f %%  %lld:%02lld:%02lld left",
        (long long)trainer->epoch + 1, (long long)trainer->config->train.epochs, (long long)trainer->step_in_epoch,
        (long long)trainer->steps_per_epoch, trainer->sums.loss / trainer->sums.weight, rate,
        100 * trainer->times.wait / seconds, (long long)left_s / 3600, (long long)left_s / 60 % 60,
        (long long)left_s % 60);
}

/* What follows from the epoch's number alone: the order of the samples, and which layers learn. */
static cr_status choose_epoch(cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    const cr_subset *subset = &trainer->session.subsets[CR_SPLIT_TRAIN];
    cr_status status = CR_OK;
    if (config->data.sampler == 1)
        CR_TRY(cr_sample_balanced(config->train.seed, (uint64_t)trainer->epoch, subset->labels, subset->n_samples,
                                  trainer->session.n_classes, trainer->order));
    else
        CR_TRY(cr_sample_order(config->train.seed, (uint64_t)trainer->epoch, subset->n_samples, trainer->order));
    if (cr_trainer_frozen_layers(trainer) != trainer->team.frozen_layers)
        CR_TRY(cr_trainer_choose_parts(trainer));
done:
    return status;
}

cr_status cr_trainer_begin_epoch(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    CR_TRY(cr_comm_agree(trainer->comm, choose_epoch(trainer)));
    trainer->times = (cr_phase_times){0};
    trainer->epoch_start_s = cr_clock_s();
    if (trainer->step_in_epoch < trainer->steps_per_epoch)
        cr_trainer_request(trainer, trainer->step_in_epoch);
done:
    return status;
}

static cr_status train_epoch(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    CR_TRY(cr_trainer_begin_epoch(trainer));
    while (trainer->step_in_epoch < trainer->steps_per_epoch && !trainer->stop_agreed) {
        CR_TRY(cr_trainer_step(trainer));
        show_progress(trainer);
        bool is_inside = trainer->step_in_epoch < trainer->steps_per_epoch && !trainer->stop_agreed;
        if (trainer->save_agreed && is_inside) /* otherwise with what follows here anyway */
            CR_TRY(cr_trainer_save(trainer, false));
    }
done:
    return status;
}

/* Saved and stopped: the caller leaves with CR_STOPPED. */
static cr_status stop_after(cr_trainer *trainer, const char *what, int64_t number)
{
    cr_status status = cr_trainer_journal(trainer, "stop", json_pack("{s:I}", "step", (json_int_t)trainer->step));
    if (status != CR_OK)
        return status;
    return cr_fail(CR_STOPPED, "stopped after %s %lld %s; the same command goes on from there", what, (long long)number,
                   trainer->time.is_over ? "before the time limit" : "as asked");
}

/* Rank 0's caller may have seen enough of this training: then all ranks stop as if they had been asked to. */
static cr_status ask_whether_to_go_on(cr_trainer *trainer)
{
    const cr_train_options *options = trainer->options;
    bool go_on = true;
    if (!options->epoch_ended)
        return CR_OK;
    cr_status status = CR_OK;
    if (cr_comm_rank(trainer->comm) == 0)
        status = options->epoch_ended(options->context, trainer->epoch, trainer->metric, &go_on);
    CR_TRY(cr_comm_agree(trainer->comm, status));
    CR_TRY(cr_comm_broadcast(trainer->comm, &go_on, sizeof go_on, 0));
    trainer->stop_agreed = trainer->stop_agreed || !go_on;
done:
    return status;
}

static cr_status train(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    bool exhausted =
        trainer->stop.patience > 0 && trainer->stop.bad >= trainer->stop.patience; /* already, when resumed */
    bool finished = exhausted || trainer->epoch >= trainer->config->train.epochs;
    if (finished) {
        cr_log_info("%s has finished already: %lld of %lld epochs%s; crisol inspect tells more",
                    trainer->options->output, (long long)trainer->epoch, (long long)trainer->config->train.epochs,
                    exhausted ? ", stopped early" : "");
        CR_TRY(cr_trainer_journal(trainer, "end",
                                  json_pack("{s:s, s:I}", "reason", exhausted ? "no improvement" : "last epoch",
                                            "epochs", (json_int_t)trainer->epoch)));
    } else if (trainer->epoch > 0 && trainer->step_in_epoch == 0) { /* resumed: asked before, and perhaps killed */
        CR_TRY(ask_whether_to_go_on(trainer));
    }
    while (!finished) {
        bool improved;
        CR_TRY(train_epoch(trainer));
        if (trainer->step_in_epoch < trainer->steps_per_epoch) {
            CR_TRY(cr_trainer_save(trainer, true));
            return stop_after(trainer, "step", trainer->step);
        }
        double start = cr_clock_s();
        CR_TRY(cr_trainer_end_epoch(trainer, &improved, &finished));
        CR_TRY(ask_whether_to_go_on(trainer));
        trainer->time.epoch_end_s = cr_clock_s() - start;
        bool due = trainer->epoch % trainer->config->train.checkpoint_epochs == 0;
        if (improved || finished || due || trainer->save_agreed || trainer->stop_agreed)
            CR_TRY(cr_trainer_save(trainer, finished || trainer->stop_agreed));
        if (trainer->stop_agreed && !finished)
            return stop_after(trainer, "epoch", trainer->epoch);
    }
done:
    return status;
}

static cr_status announce(cr_trainer *trainer, bool resumed)
{
    const cr_session *session = &trainer->session;
    int n_ranks = cr_comm_size(trainer->comm);
    const char *kept = cr_resident_text(session);
    char hash[CR_HASH_TEXT];
    cr_status status = cr_comm_agree(trainer->comm, cr_trainer_hash(trainer, hash));
    if (status != CR_OK)
        return status;
    cr_log_info("%s %s: %lld training samples, %lld steps an epoch of %lld x %lld samples, %d rank%s x %d worker%s, "
                "%s%s%s",
                resumed ? "resuming" : "training", trainer->options->output,
                (long long)session->subsets[CR_SPLIT_TRAIN].n_samples, (long long)trainer->steps_per_epoch,
                (long long)trainer->n_micro, (long long)trainer->config->data.micro_batch, n_ranks,
                n_ranks > 1 ? "s" : "", trainer->team.n_workers, trainer->team.n_workers > 1 ? "s" : "",
                cr_backend_library(session->backend), kept ? ", images that the device keeps: " : "", kept ? kept : "");
    return cr_trainer_journal(trainer, resumed ? "resume" : "start",
                              json_pack("{s:I, s:I, s:i, s:i, s:s, s:s, s:s, s:s*}", "epoch",
                                        (json_int_t)trainer->epoch, "step", (json_int_t)trainer->step, "ranks", n_ranks,
                                        "workers", trainer->team.n_workers, "transport",
                                        cr_reducer_transport(trainer->reducer), "pack", cr_pack_id(session->pack),
                                        "weights", hash, "kept_images", kept));
}

cr_status cr_train(cr_comm *comm, const cr_train_options *options)
{
    cr_trainer trainer;
    cr_status status = CR_OK;
    bool resumed = false;
    cr_stop_flag_install();
    CR_TRY(cr_trainer_create(comm, options, &trainer));
    CR_TRY(cr_trainer_preflight(&trainer));
    cr_trainer_find_end(&trainer);
    CR_TRY(cr_trainer_open_samples(&trainer));
    CR_TRY(cr_trainer_resume(&trainer, &resumed));
    CR_TRY(cr_trainer_write_record(&trainer, resumed));
    CR_TRY(announce(&trainer, resumed));
    status = train(&trainer);
    if (options->profile && cr_comm_rank(comm) == 0 && (status == CR_OK || status == CR_STOPPED))
        cr_program_profile(trainer.team.train_programs[0]);
done:
    cr_trainer_end_record(&trainer, status);
    cr_trainer_destroy(&trainer);
    return status;
}
