/* A sweep on the ranks of one job: the world is cut into groups; the first rank of each, its lead, claims trials and
 * tells the others of its group. Groups meet again only when all is over. */
#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "crisol/train.h"
#include "crisol/workers.h"
#include "scheduler.h"
#include "sweep_table.h"
#include "trial_metrics.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    SESSION_BYTES = 33
};

typedef struct group {
    const cr_sweep_options *options;
    const cr_sweep *sweep;
    cr_comm *world, *comm; /* comm: this group; null for ranks that are left over */
    char session[SESSION_BYTES];
    double start_s, heartbeat_s;
    int64_t workers; /* of a rank, where the config leaves it open */

    /* of the lead */
    cr_ledger *ledger;
    cr_scheduler *scheduler;
    cr_claim claim;
    double busy_s; /* in trainings */
    int64_t n_run;
    bool is_pruned, is_stopped; /* what this group's lead decided: on a trial, on itself */
} group;

/* --- what the lead decides ---------------------------------------------------------------------------------------- */

static bool is_out_of_hours(const group *it)
{
    return it->sweep->hours > 0 && cr_clock_s() - it->start_s >= it->sweep->hours * 3600;
}

/* Asked to stop by a signal, by another group of this start that was, or by the clock. */
static bool must_stop(group *it)
{
    it->is_stopped = it->is_stopped || cr_train_is_stopped() || is_out_of_hours(it) ||
                     !strcmp(cr_ledger_stopped_session(it->ledger), it->session);
    return it->is_stopped;
}

static cr_status tell_others_to_stop(group *it)
{
    if (!strcmp(cr_ledger_stopped_session(it->ledger), it->session))
        return CR_OK;
    return cr_ledger_append(it->ledger, "stop", json_pack("{s:s}", "session", it->session));
}

static void pause_a_while(const group *it)
{
    double seconds = it->heartbeat_s / 10;
    seconds = seconds < 0.02 ? 0.02 : seconds > 2 ? 2 : seconds;
    struct timespec pause = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&pause, NULL);
}

/* Claims the next trial, or none when all is over; waits while others run the last ones, since they may be lost. */
static cr_status choose_trial(group *it)
{
    cr_status status = CR_OK;
    bool waited = false;
    it->claim = (cr_claim){.trial = -1};
    while (!must_stop(it)) {
        CR_TRY(cr_scheduler_claim(it->scheduler, &it->claim));
        if (it->claim.trial >= 0 || it->claim.is_over)
            break;
        if (!waited)
            cr_log_info("no trial is free; waiting for those that run elsewhere, to take over what is lost");
        waited = true;
        pause_a_while(it);
    }
    if (it->is_stopped) {
        CR_TRY(tell_others_to_stop(it));
        status = cr_fail(CR_STOPPED, "%s: stopped %s; the same command goes on", it->options->output,
                         is_out_of_hours(it) ? "after the hours that it was given" : "as asked");
    }
done:
    return status;
}

static cr_status epoch_ended(void *context, int64_t epoch, double metric, bool *go_on)
{
    group *it = context;
    cr_status status = cr_scheduler_end_epoch(it->scheduler, &it->claim, epoch, metric, go_on);
    if (status != CR_OK)
        return status;
    cr_log_set_quiet(it->options->quiet);
    cr_log_info("trial %" PRId64 ": epoch %" PRId64 ", %s %.4f%s", it->claim.trial, epoch, it->sweep->metric, metric,
                *go_on ? "" : ", pruned");
    cr_log_set_quiet(true);
    it->is_pruned = !*go_on;
    *go_on = *go_on && !must_stop(it);
    return CR_OK;
}

/* What a training's status means for its trial. */
static cr_trial_state judge_end(group *it, cr_status trained)
{
    if (trained == CR_OK)
        return CR_TRIAL_DONE;
    if (trained != CR_STOPPED)
        return CR_TRIAL_FAILED;
    if (it->is_pruned)
        return CR_TRIAL_PRUNED;
    it->is_stopped = true;
    return CR_TRIAL_STOPPED;
}

static cr_status conclude(group *it, cr_status trained)
{
    char cause[CR_ERROR_MAX];
    int64_t trial = it->claim.trial;
    cr_trial_metrics found = {0};
    cr_status status = CR_OK;
    snprintf(cause, sizeof cause, "%s", trained == CR_OK ? "" : cr_error_message());
    if (cr_run_check(it->claim.run) != CR_OK) { /* whoever has it now says how it ends */
        cr_log_warning("trial %" PRId64 ": %s", trial, cr_error_message());
        goto done;
    }
    /* the disk, or a pack that is not there at the moment: the next trial would fare no better, and this one is not
     * over */
    if (trained == CR_IO || trained == CR_PERMISSION || trained == CR_MISSING) {
        status = cr_fail(trained, "trial %" PRId64 ": %s", trial, cause);
        goto done;
    }
    cr_trial_state state = judge_end(it, trained);
    CR_TRY(cr_trial_metrics_read(cr_run_folder(it->claim.run), it->sweep->metric, &found));
    cr_trial_end end = {.state = state,
                        .metrics = found.metrics,
                        .n_epochs = found.n_epochs,
                        .seconds = found.seconds,
                        .failure = state == CR_TRIAL_FAILED ? trained : CR_OK,
                        .cause = state == CR_TRIAL_FAILED ? cause : NULL};
    CR_TRY(cr_scheduler_end_trial(it->scheduler, &it->claim, &end));
    cr_record record = {.metrics = found.metrics, .n_epochs = found.n_epochs};
    double best = cr_record_best(&record, found.n_epochs, it->sweep->maximize, NULL);
    if (state == CR_TRIAL_FAILED)
        cr_log_warning("trial %" PRId64 " (%s) failed: %s", trial, it->sweep->trials[trial].id, cause);
    else
        cr_log_info("trial %" PRId64 " (%s): %s after %" PRId64 " epochs, best %s %.4f", trial,
                    it->sweep->trials[trial].id, cr_trial_state_name(state), found.n_epochs, it->sweep->metric, best);
done:
    cr_run_close(&it->claim.run);
    cr_trial_metrics_clear(&found);
    return status;
}

/* --- what a group does together ----------------------------------------------------------------------------------- */

static cr_status make_config(const group *it, const cr_trial *trial, cr_config **config)
{
    cr_status status = cr_plan_config(it->sweep, trial, config);
    if (status != CR_OK)
        return status;
    if ((*config)->cpu.workers == 0)
        (*config)->cpu.workers = it->workers;
    double left_s = it->sweep->hours * 3600 - (cr_clock_s() - it->start_s);
    if (it->sweep->hours > 0 && ((*config)->train.time_limit == 0 || left_s < (*config)->train.time_limit))
        (*config)->train.time_limit = left_s > 0.001 ? left_s : 0.001;
    return CR_OK;
}

/* Trains the lead's trial, to its end or to a stop; *trained is what became of it. */
static cr_status train_trial(group *it, int64_t trial, cr_status *trained)
{
    char folder[64];
    cr_config *config = NULL;
    cr_status status = CR_OK;
    bool is_lead = cr_comm_rank(it->comm) == 0;
    snprintf(folder, sizeof folder, "trials/%s", it->sweep->trials[trial].id);
    char *path = cr_path_join(it->options->output, folder);
    status = path ? make_config(it, &it->sweep->trials[trial], &config) : cr_fail_memory("a path", sizeof folder);
    CR_TRY(cr_comm_agree(it->comm, status));
    cr_train_options options = {.config = config,
                                .output = path,
                                .command = it->options->command,
                                .resume = CR_RESUME_AUTO,
                                .is_part = true,
                                .run = is_lead ? it->claim.run : NULL,
                                .epoch_ended = epoch_ended,
                                .context = it};
    double start = cr_clock_s();
    it->is_pruned = false;
    cr_log_set_quiet(true);
    /* all ranks agreed that they have a config */
    double patience_s = config->train.watchdog; // NOLINT(clang-analyzer-core.NullDereference)
    cr_comm_set_patience(it->comm, patience_s, it->options->rank_lost);
    *trained = cr_train(it->comm, &options);
    cr_comm_set_patience(it->comm, 0, NULL);
    cr_log_set_quiet(it->options->quiet);
    it->busy_s += cr_clock_s() - start;
    it->n_run++;
done:
    cr_config_destroy(&config);
    free(path);
    return status;
}

/* Trial after trial. All ranks of the group return the lead's status. */
static cr_status work(group *it)
{
    bool is_lead = cr_comm_rank(it->comm) == 0;
    cr_status status = CR_OK;
    for (;;) {
        cr_status trained = CR_OK;
        if (is_lead && status == CR_OK)
            status = choose_trial(it);
        CR_TRY(cr_comm_agree(it->comm, status));
        int64_t trial = it->claim.trial;
        CR_TRY(cr_comm_broadcast(it->comm, &trial, sizeof trial, 0));
        if (trial < 0)
            return CR_OK;
        CR_TRY(train_trial(it, trial, &trained));
        if (is_lead)
            status = conclude(it, trained);
    }
done:
    return status;
}

/* --- the job ------------------------------------------------------------------------------------------------------ */

static cr_status open_lead(group *it)
{
    cr_status status = CR_OK;
    CR_TRY(cr_ledger_open(it->options->output, true, &it->ledger));
    CR_TRY(cr_scheduler_create(it->options, it->ledger, it->heartbeat_s, &it->scheduler));
done:
    return status;
}

/* The same trials on every rank, and one name for this start. */
static cr_status agree_on_plan(group *it)
{
    char hash[CR_HASH_TEXT];
    unsigned char random[(SESSION_BYTES - 1) / 2] = {0};
    struct {
        char session[SESSION_BYTES], plan[CR_HASH_TEXT];
    } first = {"", ""};
    cr_hasher *hasher = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_comm_agree(it->world, cr_hasher_create(&hasher)));
    for (int64_t i = 0; i < it->sweep->n_trials; i++)
        cr_hasher_update(hasher, it->sweep->trials[i].id, CR_TRIAL_ID);
    cr_hasher_finish(hasher, hash);
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memcpy(random, &it->start_s, sizeof it->start_s);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(first.session + 2 * i, 3, "%02x", random[i]);
    snprintf(first.plan, sizeof first.plan, "%s", hash);
    CR_TRY(cr_comm_broadcast(it->world, &first, sizeof first, 0));
    snprintf(it->session, sizeof it->session, "%s", first.session);
    if (strcmp(first.plan, hash) != 0)
        status = cr_fail(CR_BAD_CONFIG,
                         "%s: makes other trials here than on rank 0; put it, its base config, the pack "
                         "and pretrained weights where all nodes see the same",
                         it->sweep->path);
    status = cr_comm_agree(it->world, status);
done:
    cr_hasher_destroy(&hasher);
    return status;
}

/* Cuts the world into groups of `ranks`; who is left over waits for the end. */
static cr_status form_group(group *it)
{
    int64_t ranks = it->sweep->ranks;
    int rank = cr_comm_rank(it->world), size = cr_comm_size(it->world);
    int64_t n_groups = size / ranks;
    cr_status status = CR_OK;
    cr_config *config = NULL;
    if (n_groups == 0)
        return cr_fail(CR_BAD_CONFIG, "%s: a trial takes %" PRId64 " ranks, but there are %d", it->sweep->path, ranks,
                       size);
    CR_TRY(cr_comm_split(it->world, rank / ranks < n_groups ? (int)(rank / ranks) : -1, &it->comm));
    CR_TRY(cr_comm_agree(it->world, cr_plan_config(it->sweep, &it->sweep->trials[0], &config)));
    it->heartbeat_s = config->train.heartbeat;
    int64_t share = cr_cores_available() / (cr_comm_local_size(it->world) * config->cpu.threads);
    it->workers = share > 1 ? share : 1;
    if (rank == 0 && size % ranks > 0)
        cr_log_warning("%d ranks make %" PRId64 " groups of %" PRId64 "; %" PRId64 " of them have nothing to do", size,
                       n_groups, ranks, size % ranks);
    cr_log_info("%" PRId64 " trials, %" PRId64 " group%s of %" PRId64 " rank%s", it->sweep->n_trials, n_groups,
                n_groups > 1 ? "s" : "", ranks, ranks > 1 ? "s" : "");
    bool is_lead = it->comm && cr_comm_rank(it->comm) == 0;
    if (size > 1)
        cr_log_set_rank(is_lead ? 0 : rank, size);
    CR_TRY(cr_comm_agree(it->world, is_lead ? open_lead(it) : CR_OK));
done:
    cr_config_destroy(&config);
    return status;
}

typedef struct cost { /* of a group, from its lead; zero from other ranks */
    double busy_s;
    int64_t n_run, n_groups;
} cost;

/* Groups that wait for each other would show here. */
static cr_status print_cost(const group *it, double wall_s)
{
    int size = cr_comm_size(it->world);
    bool is_lead = it->ledger != NULL;
    cost mine = {.busy_s = is_lead ? it->busy_s : 0, .n_run = is_lead ? it->n_run : 0, .n_groups = is_lead}, sum = {0};
    cost *all = calloc((size_t)size, sizeof *all);
    cr_status status = CR_OK;
    CR_TRY(cr_comm_agree(it->world, all ? CR_OK : cr_fail_memory("costs", sizeof *all)));
    CR_TRY(cr_comm_allgather(it->world, &mine, sizeof mine, all));
    for (int r = 0; r < size; r++)
        sum = (cost){sum.busy_s + all[r].busy_s, sum.n_run + all[r].n_run, sum.n_groups + all[r].n_groups};
    double share_s = sum.busy_s / (double)sum.n_groups;
    if (cr_comm_rank(it->world) == 0 && sum.n_run > 0)
        cr_log_info("%" PRId64 " trainings in %.1f s on %" PRId64
                    " group%s, %.1f s of training a group: %.2f x as long",
                    sum.n_run, wall_s, sum.n_groups, sum.n_groups > 1 ? "s" : "", share_s, wall_s / share_s);
done:
    free(all);
    return status;
}

static cr_status finish(group *it, cr_status worked)
{
    cr_status status = CR_OK;
    char message[CR_ERROR_MAX];
    worked = cr_comm_agree(it->world, worked);
    snprintf(message, sizeof message, "%s", cr_error_message());
    CR_TRY(print_cost(it, cr_clock_s() - it->start_s));
    if (cr_comm_rank(it->world) == 0) {
        status = cr_ledger_refresh(it->ledger);
        if (status == CR_OK)
            status = cr_sweep_table_write(it->sweep, it->ledger, it->options->output);
        if (status == CR_OK && worked == CR_OK)
            status = cr_sweep_table_judge(it->sweep, it->ledger);
    }
    CR_TRY(cr_comm_agree(it->world, status));
    if (worked != CR_OK)
        status = cr_fail(worked, "%s", message);
done:
    return status;
}

cr_status cr_sweep_run(cr_comm *world, const cr_sweep_options *options)
{
    group it = {
        .options = options, .sweep = options->sweep, .world = world, .start_s = cr_clock_s(), .claim = {.trial = -1}};
    cr_status status = CR_OK;
    it.is_stopped = cr_train_is_stopped(); /* from here on signals are noticed */
    CR_TRY(agree_on_plan(&it));
    CR_TRY(form_group(&it));
    status = it.comm ? work(&it) : CR_OK;
    cr_log_set_rank(cr_comm_rank(world), cr_comm_size(world));
    status = finish(&it, status);
done:
    cr_run_close(&it.claim.run);
    cr_scheduler_destroy(&it.scheduler);
    cr_ledger_close(&it.ledger);
    if (it.comm)
        cr_comm_close(&it.comm);
    return status;
}
