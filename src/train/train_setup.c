/* Making and unmaking the trainer. */
#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/device.h"
#include "crisol/hash.h"
#include "crisol/log.h"
#include "resident.h"
#include "session_plans.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static cr_schedule_params schedule_params(const cr_config *config, int64_t steps_per_epoch, bool maximize)
{
    cr_schedule_params params = {
        .kind = (cr_schedule_kind)config->schedule.name,
        .lr = config->optimizer.lr,
        .total = config->train.epochs,
        .step_size = config->schedule.step_size,
        .gamma = config->schedule.gamma,
        .n_milestones = (int)config->schedule.milestones.n,
        .warmup = config->schedule.warmup,
        .warmup_start = config->schedule.warmup_start,
        .min_lr = config->schedule.min_lr,
        .factor = config->schedule.factor,
        .threshold = config->schedule.threshold,
        .patience = config->schedule.patience,
        .cooldown = config->schedule.cooldown,
        .maximize = maximize,
        .pct_start = config->schedule.pct_start,
        .div_factor = 25,
        .final_div_factor = 1e4,
    };
    for (int i = 0; i < params.n_milestones && i < CR_SCHEDULE_MAX_MILESTONES; i++)
        params.milestones[i] = config->schedule.milestones.items[i];
    if (params.kind == CR_SCHEDULE_ONE_CYCLE)
        params.total *= steps_per_epoch;
    return params;
}

static cr_status choose_rules(cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    trainer->maximize = cr_monitor_is_maximized(config);
    trainer->optimizer = (cr_optimizer_params){.kind = (cr_optimizer_kind)config->optimizer.name,
                                               .beta1 = config->optimizer.beta1,
                                               .beta2 = config->optimizer.beta2,
                                               .eps = config->optimizer.eps,
                                               .momentum = config->optimizer.momentum,
                                               .nesterov = config->optimizer.nesterov};
    trainer->stop = cr_early_stop_make(trainer->maximize, config->train.patience, config->train.min_delta);
    trainer->metric = NAN;
    cr_schedule_params schedule = schedule_params(config, trainer->steps_per_epoch, trainer->maximize);
    return cr_schedule_make(&schedule, &trainer->schedule);
}

static cr_status lay_out_steps(cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    int64_t n_train = trainer->session.subsets[CR_SPLIT_TRAIN].n_samples;
    int n_ranks = cr_comm_size(trainer->comm);
    trainer->n_micro = config->data.batch / config->data.micro_batch;
    trainer->steps_per_epoch = n_train / config->data.batch; /* the rest of an epoch waits for another epoch's order */
    if (trainer->steps_per_epoch == 0)
        return cr_fail(CR_BAD_CONFIG, "data.batch: %lld samples a step, but the training split has only %lld",
                       (long long)config->data.batch, (long long)n_train);
    if (n_ranks > trainer->n_micro)
        return cr_fail(
            CR_BAD_CONFIG,
            "%d ranks, but a batch of %lld has only %lld micro-batches of %lld; start at most %lld ranks, or "
            "change data.batch or data.micro_batch",
            n_ranks, (long long)config->data.batch, (long long)trainer->n_micro, (long long)config->data.micro_batch,
            (long long)trainer->n_micro);
    cr_share(trainer->n_micro, n_ranks, cr_comm_rank(trainer->comm), &trainer->first, &trainer->last);
    trainer->n_local = (trainer->last - trainer->first) * config->data.micro_batch;
    return CR_OK;
}

static cr_status make_arrays(cr_trainer *trainer)
{
    int n_ranks = cr_comm_size(trainer->comm);
    int64_t batch = trainer->config->data.batch;
    size_t n_local = (size_t)trainer->n_local;
    trainer->order = malloc((size_t)trainer->session.subsets[CR_SPLIT_TRAIN].n_samples * sizeof *trainer->order);
    trainer->samples = malloc(n_local * sizeof *trainer->samples);
    trainer->augments = malloc(n_local * sizeof *trainer->augments);
    if (cr_trainer_mixes(trainer)) {
        trainer->mixes = calloc(n_local, sizeof *trainer->mixes);
        trainer->targets = calloc(n_local * (size_t)trainer->session.n_classes, sizeof *trainer->targets);
        if (!trainer->mixes || !trainer->targets)
            return cr_fail_memory("mixed targets", n_local * sizeof *trainer->mixes);
    }
    trainer->labels = malloc((size_t)batch * sizeof *trainer->labels);
    trainer->logits = malloc(n_local * (size_t)trainer->session.n_classes * sizeof *trainer->logits);
    trainer->losses = malloc(n_local * sizeof *trainer->losses);
    trainer->rows = calloc((size_t)(n_ranks + batch), sizeof *trainer->rows);
    trainer->row_counts = malloc((size_t)n_ranks * sizeof *trainer->row_counts);
    trainer->row_offsets = malloc((size_t)n_ranks * sizeof *trainer->row_offsets);
    if (!trainer->order || !trainer->samples || !trainer->augments || !trainer->labels || !trainer->logits ||
        !trainer->losses || !trainer->rows || !trainer->row_counts || !trainer->row_offsets)
        return cr_fail_memory("a step's arrays", n_local * sizeof *trainer->samples);
    size_t at = 0;
    for (int r = 0; r < n_ranks; r++) {
        int64_t begin, end;
        cr_share(trainer->n_micro, n_ranks, r, &begin, &end);
        trainer->row_offsets[r] = at;
        trainer->row_counts[r] =
            (size_t)(1 + (end - begin) * trainer->config->data.micro_batch) * sizeof *trainer->rows;
        at += trainer->row_counts[r];
    }
    return cr_confusion_create(trainer->session.n_classes, &trainer->sums.confusion);
}

/* Rank 0 of a training that writes owns the run directory from now on. */
static cr_status open_run(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    if (!trainer->options->output || cr_comm_rank(trainer->comm) != 0)
        return CR_OK;
    trainer->run = trainer->options->run;
    if (!trainer->run) {
        CR_TRY(cr_run_open(trainer->options->output, &trainer->run));
        CR_TRY(cr_run_take(trainer->run, trainer->config->train.heartbeat));
    }
    CR_TRY(cr_saver_create(trainer->run, &trainer->saver));
    trainer->saves.start_s = cr_clock_s();
done:
    return status;
}

/* For all epochs at once: what thaws later is measured now. Collective. */
static cr_status measure_plans(cr_trainer *trainer)
{
    int frozen = cr_trainer_frozen_layers(trainer);
    bool stays = trainer->config->model.unfreeze_epoch == 0 && frozen > 0;
    return cr_session_measure_plans(&trainer->session, trainer->options->output, trainer->options->repeats,
                                    stays ? frozen : 0);
}

static cr_status create_local(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    const cr_session *session = &trainer->session;
    if (trainer->options->output)
        CR_TRY(cr_trainer_check_monitor(trainer));
    CR_TRY(lay_out_steps(trainer));
    CR_TRY(cr_train_augmentation(trainer->config, &trainer->augment, &trainer->mix));
    CR_TRY(choose_rules(trainer));
    CR_TRY(make_arrays(trainer));
    CR_TRY(cr_model_state_create(session, &trainer->optimizer, &trainer->state));
    CR_TRY(cr_model_state_init(session, &trainer->state));
    CR_TRY(cr_team_create(session, trainer->config->cpu.workers, trainer->last - trainer->first,
                          trainer->options->profile, &trainer->team));
    CR_TRY(cr_trainer_choose_parts(trainer));
done:
    return status;
}

/* Ranks whose processors or libraries differ may compute with other kernels, hence other bits. */
static cr_status compare_kernels(const cr_trainer *trainer)
{
    cr_status status = CR_OK;
    cr_comm *comm = trainer->comm;
    int n = cr_comm_size(comm), r = 1;
    json_t *kernels = cr_program_describe(trainer->team.train_programs[0]);
    char *text = kernels ? json_dumps(kernels, JSON_COMPACT) : NULL, mine[CR_HASH_TEXT];
    char(*all)[CR_HASH_TEXT] = calloc((size_t)n, sizeof *all);
    cr_hash128(text ? text : "", text ? strlen(text) : 0, mine);
    CR_TRY(cr_comm_agree(comm, all ? CR_OK : cr_fail_memory("the ranks' kernels", (size_t)n * sizeof *all)));
    CR_TRY(cr_comm_allgather(comm, mine, sizeof mine, all));
    // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): all ranks have agreed that there is one
    while (r < n && strcmp(all[r], all[0]) == 0)
        r++;
    if (r < n && cr_comm_rank(comm) == 0)
        cr_log_warning(
            "rank %d computes with other kernels than rank 0, as other processors or libraries do: the weights "
            "will depend on the number of ranks (`crisol doctor` on each machine tells more)",
            r);
done:
    json_decref(kernels);
    free(text);
    free(all);
    return status;
}

cr_status cr_trainer_create(cr_comm *comm, const cr_train_options *options, cr_trainer *trainer)
{
    memset(trainer, 0, sizeof *trainer);
    trainer->options = options;
    trainer->config = options->config;
    trainer->comm = comm;
    cr_status status = CR_OK;
    CR_TRY(cr_session_open(comm, options->config, &trainer->session));
    CR_TRY(cr_comm_agree(comm, open_run(trainer)));
    CR_TRY(measure_plans(trainer));
    CR_TRY(cr_comm_agree(comm, create_local(trainer)));
    CR_TRY(compare_kernels(trainer));
    cr_reducer_params reduction = {.n = trainer->state.n,
                                   .n_leaves = trainer->n_micro,
                                   .n_workers = trainer->team.n_workers,
                                   .reduction = (cr_reduction)options->config->train.reduction,
                                   .transport = cr_device_transport(options->config, trainer->session.ranks_per_device),
                                   .memory = trainer->state.memory,
                                   .buckets = trainer->team.buckets};
    CR_TRY(cr_reducer_create(comm, &reduction, &trainer->reducer));
done:
    return status;
}

static cr_status create_loader(cr_trainer *trainer)
{
    const cr_session *session = &trainer->session;
    return cr_loader_create(&session->subsets[CR_SPLIT_TRAIN], session->encoder,
                            cr_session_loads_images(session, CR_SPLIT_TRAIN), trainer->n_local, &trainer->loader);
}

cr_status cr_trainer_open_samples(cr_trainer *trainer)
{
    cr_status status = CR_OK;
    bool evaluates = trainer->session.subsets[CR_SPLIT_VAL].n_samples > 0;
    if (evaluates && cr_resident_is_possible(&trainer->session)) /* so that what is free then stays free */
        CR_TRY(cr_comm_agree(trainer->comm, cr_team_compile_evaluation(&trainer->team)));
    CR_TRY(cr_resident_load(&trainer->session));
    CR_TRY(cr_comm_agree(trainer->comm, create_loader(trainer)));
done:
    return status;
}

void cr_trainer_destroy(cr_trainer *trainer)
{
    cr_loader_destroy(&trainer->loader);
    cr_team_destroy(&trainer->team);
    cr_reducer_destroy(&trainer->reducer);
    cr_model_state_destroy(&trainer->state);
    cr_confusion_destroy(&trainer->sums.confusion);
    free(trainer->order);
    free(trainer->samples);
    free(trainer->augments);
    free(trainer->mixes);
    free(trainer->targets);
    free(trainer->spans);
    free(trainer->labels);
    free(trainer->logits);
    free(trainer->losses);
    free(trainer->rows);
    free(trainer->row_counts);
    free(trainer->row_offsets);
    cr_saver_destroy(&trainer->saver);
    if (!trainer->options->run)
        cr_run_close(&trainer->run);
    cr_session_close(&trainer->session);
    memset(trainer, 0, sizeof *trainer);
}
