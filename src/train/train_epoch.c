/* What ends an epoch. */
#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/log.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

void cr_trainer_clear_sums(cr_trainer *trainer)
{
    cr_confusion *confusion = &trainer->sums.confusion;
    trainer->sums.loss = trainer->sums.weight = 0;
    memset(confusion->counts, 0, (size_t)(confusion->n_classes * confusion->n_classes) * sizeof *confusion->counts);
}

cr_status cr_trainer_journal(cr_trainer *trainer, const char *event, json_t *fields)
{
    cr_status status = CR_OK;
    if (trainer->run)
        status = cr_run_journal(trainer->run, event, fields);
    else
        json_decref(fields);
    return cr_comm_agree(trainer->comm, status);
}

enum {
    MAX_FIGURES = 32
};
typedef struct figures { /* an epoch's row, in the order of metrics.csv */
    const char *names[MAX_FIGURES];
    double values[MAX_FIGURES];
    int n;
} figures;

static void add_figure(figures *row, const char *name, double value)
{
    row->names[row->n] = name;
    row->values[row->n++] = value;
}

static void add_training(const cr_trainer *trainer, figures *row)
{
    cr_scores scores;
    double seconds = cr_clock_s() - trainer->epoch_start_s;
    cr_scores_compute(&trainer->sums.confusion, &scores, NULL);
    add_figure(row, "epoch", (double)trainer->epoch + 1);
    add_figure(row, "step", (double)trainer->step);
    add_figure(row, "lr", trainer->schedule.lr);
    add_figure(row, "train/loss", trainer->sums.loss / trainer->sums.weight);
    add_figure(row, "train/accuracy", scores.accuracy);
    add_figure(row, "train/f1_macro", scores.f1_macro);
    add_figure(row, "train/precision_macro", scores.precision_macro);
    add_figure(row, "images_s", (double)trainer->times.n_samples / seconds);
    add_figure(row, "train_s", seconds);
    add_figure(row, "data_wait_s", trainer->times.wait);
    add_figure(row, "compute_s", trainer->times.compute);
    add_figure(row, "reduce_s", trainer->times.reduce);
    add_figure(row, "update_s", trainer->times.update);
}

static void add_validation(const cr_split_scores *scores, figures *row)
{
    add_figure(row, "val/loss", scores->loss);
    add_figure(row, "val/accuracy", scores->accuracy);
    add_figure(row, "val/balanced_accuracy", scores->balanced_accuracy);
    add_figure(row, "val/f1_macro", scores->f1_macro);
    add_figure(row, "val/f1_weighted", scores->f1_weighted);
    add_figure(row, "val/precision_macro", scores->precision_macro);
    add_figure(row, "val/recall_macro", scores->recall_macro);
    add_figure(row, "val_s", scores->seconds);
    add_figure(row, "val/kappa", scores->kappa);
    add_figure(row, "val/roc_auc_macro", scores->roc_auc);
    add_figure(row, "val/average_precision_macro", scores->average_precision);
    add_figure(row, "val/log_loss", scores->log_loss);
    add_figure(row, "val/top2_accuracy", scores->top2_accuracy);
    add_figure(row, "val/ece", scores->ece);
    add_figure(row, "val/odir_score", scores->odir_score);
}

static cr_status find_figure(const figures *row, const char *name, double *value)
{
    char known[1024] = "";
    for (int i = 0; i < row->n; i++) {
        if (!strcmp(row->names[i], name)) {
            *value = row->values[i];
            return CR_OK;
        }
        size_t used = strlen(known);
        if (strchr(row->names[i], '/'))
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", row->names[i]);
    }
    return cr_fail(CR_BAD_CONFIG, "train.monitor: there is no '%s' here; there are %s", name, known);
}

cr_status cr_trainer_check_monitor(const cr_trainer *trainer)
{
    const cr_split_scores none = {0};
    figures row = {.n = 0};
    double value;
    add_training(trainer, &row);
    if (trainer->session.subsets[CR_SPLIT_VAL].n_samples > 0)
        add_validation(&none, &row);
    return find_figure(&row, trainer->config->train.monitor, &value);
}

static cr_status write_row(cr_trainer *trainer, const figures *row, const char *hash)
{
    if (!trainer->run)
        return CR_OK;
    cr_status status = CR_OK;
    json_t *numbers = json_object();
    for (int i = 0; status == CR_OK && i < row->n; i++)
        if (json_object_set_new(numbers, row->names[i], cr_json_real(row->values[i])))
            status = cr_fail_memory("an epoch's figures", sizeof *row);
    json_t *event = json_deep_copy(numbers);
    if (status == CR_OK && json_object_set_new(event, "weights", json_string(hash)))
        status = cr_fail_memory("an epoch's figures", sizeof *row);
    CR_TRY(status);
    CR_TRY(cr_run_metrics_row(trainer->run, json_incref(numbers)));
    CR_TRY(cr_run_journal(trainer->run, "epoch", json_incref(event)));
    CR_TRY(cr_trainer_record_epoch(trainer, numbers, hash));
done:
    json_decref(numbers);
    json_decref(event);
    return status;
}

cr_status cr_trainer_end_epoch(cr_trainer *trainer, bool *improved, bool *finished)
{
    const cr_config *config = trainer->config;
    figures row = {.n = 0};
    cr_split_scores scores;
    char hash[CR_HASH_TEXT];
    cr_status status = CR_OK;
    *improved = false;
    add_training(trainer, &row);
    if (trainer->session.subsets[CR_SPLIT_VAL].n_samples > 0) {
        cr_model_state evaluated = cr_model_state_to_evaluate(&trainer->state);
        CR_TRY(cr_split_score(&trainer->session, &trainer->team, &evaluated, CR_SPLIT_VAL, &scores));
        add_validation(&scores, &row);
    }
    CR_TRY(find_figure(&row, config->train.monitor, &trainer->metric));
    CR_TRY(cr_comm_agree(trainer->comm, cr_trainer_hash(trainer, hash)));
    CR_TRY(cr_comm_agree(trainer->comm, write_row(trainer, &row, hash)));
    bool exhausted = cr_early_stop_update(&trainer->stop, trainer->metric, improved);
    cr_log_info("epoch %lld: train/loss %.4f  train/accuracy %.4f  %s %.4f%s  %.1f images/s",
                (long long)trainer->epoch + 1, row.values[3], row.values[4], config->train.monitor, trainer->metric,
                *improved ? " (best)" : "", row.values[7]);
    if (!cr_schedule_is_per_step(&trainer->schedule))
        cr_schedule_advance(&trainer->schedule, trainer->metric);
    cr_trainer_clear_sums(trainer);
    trainer->epoch++;
    trainer->step_in_epoch = 0;
    *finished = exhausted || trainer->epoch >= config->train.epochs;
    if (*finished)
        CR_TRY(cr_trainer_journal(trainer, "end",
                                  json_pack("{s:s, s:I, s:s}", "reason", exhausted ? "no improvement" : "last epoch",
                                            "epochs", (json_int_t)trainer->epoch, "weights", hash)));
done:
    return status;
}
