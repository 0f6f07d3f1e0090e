#include "scheduler.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_IDLE_STARTS = 10 /* without the end of an epoch between them: the trial kills whoever runs it */
};

struct cr_scheduler {
    const cr_sweep_options *options;
    const cr_sweep *sweep;
    cr_ledger *ledger;
    double heartbeat_s;
    cr_run_watch *watches; /* [n_trials] */
    int64_t *retry;        /* [n_trials] the lease under which a trial failed that is to be tried again; 0: none */
    bool *skip;            /* [n_trials] not to be had, in this search */
    int64_t n_damaged;     /* lines of the ledger, of which was told */
    cr_standings standings;
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static void learn_records(cr_scheduler *scheduler)
{
    for (int64_t i = 0; i < scheduler->sweep->n_trials; i++)
        if (!scheduler->standings.records[i])
            scheduler->standings.records[i] = cr_ledger_find(scheduler->ledger, scheduler->sweep->trials[i].id);
}

static cr_status refresh(cr_scheduler *scheduler)
{
    cr_status status = cr_ledger_refresh(scheduler->ledger);
    int64_t latest, n_damaged = cr_ledger_damaged(scheduler->ledger, &latest);
    if (n_damaged > scheduler->n_damaged)
        cr_log_warning("trials.jsonl:%" PRId64 ": a damaged line (%" PRId64 " so far) is passed over; what it said is "
                       "found again in the trial",
                       latest, n_damaged);
    scheduler->n_damaged = n_damaged;
    learn_records(scheduler);
    return status;
}

cr_status cr_scheduler_create(const cr_sweep_options *options, cr_ledger *ledger, double heartbeat_s,
                              cr_scheduler **scheduler)
{
    size_t n = (size_t)options->sweep->n_trials;
    cr_status status = CR_OK;
    *scheduler = NULL;
    cr_scheduler *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a scheduler", sizeof *made);
    made->options = options;
    made->sweep = options->sweep;
    made->ledger = ledger;
    made->heartbeat_s = heartbeat_s;
    made->watches = calloc(n, sizeof *made->watches);
    made->retry = calloc(n, sizeof *made->retry);
    made->skip = calloc(n, sizeof *made->skip);
    made->standings = (cr_standings){.prune = &made->sweep->prune,
                                     .maximize = made->sweep->maximize,
                                     .records = calloc(n, sizeof *made->standings.records),
                                     .n_trials = made->sweep->n_trials};
    if (!made->watches || !made->retry || !made->skip || !made->standings.records)
        CR_TRY(cr_fail_memory("a scheduler", n * sizeof *made->watches));
    CR_TRY(refresh(made));
    for (size_t i = 0; i < n; i++)
        if (options->retry && made->standings.records[i])
            made->retry[i] = made->standings.records[i]->fence;
    *scheduler = made;
    made = NULL;
done:
    cr_scheduler_destroy(&made);
    return status;
}

void cr_scheduler_destroy(cr_scheduler **scheduler)
{
    if (!scheduler || !*scheduler)
        return;
    free((*scheduler)->watches);
    free((*scheduler)->retry);
    free((*scheduler)->skip);
    free((*scheduler)->standings.records);
    free(*scheduler);
    *scheduler = NULL;
}

const cr_record *cr_scheduler_record(const cr_scheduler *scheduler, int64_t trial)
{
    return scheduler->standings.records[trial];
}

/* --- claiming ----------------------------------------------------------------------------------------------------- */

typedef enum kind {
    BEGUN,
    PROMOTED,
    NEW,
    FINISHED
} kind;

/* What a trial is by the ledger; one that runs elsewhere is BEGUN, too, and its lease tells. */
static kind kind_of(const cr_scheduler *scheduler, int64_t trial)
{
    const cr_record *record = scheduler->standings.records[trial];
    switch (record ? record->state : CR_TRIAL_WAITING) {
    case CR_TRIAL_WAITING:
        return NEW;
    case CR_TRIAL_RUNNING:
    case CR_TRIAL_STOPPED:
        return BEGUN;
    case CR_TRIAL_PRUNED: /* without a rule, none is pruned any more */
        return scheduler->sweep->prune.rule == CR_PRUNE_NONE ? BEGUN : PROMOTED;
    case CR_TRIAL_FAILED:
        return record->fence == scheduler->retry[trial] ? BEGUN : FINISHED;
    case CR_TRIAL_DONE:
        break;
    }
    return FINISHED;
}

/* Tries to become the trial's owner. */
static cr_status take(cr_scheduler *scheduler, int64_t trial, cr_run **run)
{
    char folder[64];
    bool taken = false;
    cr_status status = CR_OK;
    snprintf(folder, sizeof folder, "trials/%s", scheduler->sweep->trials[trial].id);
    char *path = cr_path_join(scheduler->options->output, folder);
    if (!path)
        return cr_fail_memory("a path", sizeof folder);
    CR_TRY(cr_run_open(path, run));
    CR_TRY(cr_run_try(*run, scheduler->heartbeat_s, &scheduler->watches[trial], &taken));
done:
    if (!taken)
        cr_run_close(run);
    free(path);
    return status;
}

/* Takes a trial if it still is what it was taken for: whoever had it until now may have finished it. */
static cr_status try_trial(cr_scheduler *scheduler, int64_t trial, kind wanted, cr_claim *claim)
{
    cr_status status = CR_OK;
    bool goes_on = true;
    CR_TRY(take(scheduler, trial, &claim->run));
    if (!claim->run)
        return CR_OK;
    CR_TRY(refresh(scheduler));
    kind now = kind_of(scheduler, trial);
    if (now == PROMOTED)
        CR_TRY(cr_prune_judge(&scheduler->standings, trial, scheduler->standings.records[trial]->n_epochs, &goes_on));
    if ((now == wanted || now == BEGUN) && goes_on)
        claim->trial = trial;
done:
    if (claim->trial < 0)
        cr_run_close(&claim->run);
    return status;
}

static cr_status search_kind(cr_scheduler *scheduler, kind wanted, cr_claim *claim)
{
    int64_t n = scheduler->sweep->n_trials, n_shards = scheduler->options->n_shards;
    cr_status status = CR_OK;
    for (int own = 1; own >= 0; own--)
        for (int64_t i = 0; i < n && claim->trial < 0; i++) {
            if ((i % n_shards == scheduler->options->shard) != own || kind_of(scheduler, i) != wanted)
                continue;
            claim->is_over = false;
            CR_TRY(try_trial(scheduler, i, wanted, claim));
        }
done:
    return status;
}

static cr_status search_promotion(cr_scheduler *scheduler, cr_claim *claim)
{
    cr_status status = CR_OK;
    memset(scheduler->skip, 0, (size_t)scheduler->sweep->n_trials * sizeof *scheduler->skip);
    while (claim->trial < 0) {
        int64_t trial;
        CR_TRY(cr_prune_find_promotion(&scheduler->standings, scheduler->skip, &trial));
        if (trial < 0)
            break;
        claim->is_over = false;
        scheduler->skip[trial] = true;
        CR_TRY(try_trial(scheduler, trial, PROMOTED, claim));
    }
done:
    return status;
}

static json_t *describe_point(const cr_sweep *sweep, int64_t trial)
{
    json_t *values = json_object();
    for (int p = 0; p < sweep->n_parameters; p++)
        json_object_set_new(values, sweep->parameters[p].name,
                            json_string(sweep->points[sweep->trials[trial].point].texts[p]));
    return values;
}

static cr_status note_start(cr_scheduler *scheduler, const cr_claim *claim)
{
    char host[256] = "";
    const cr_sweep *sweep = scheduler->sweep;
    const cr_trial *trial = &sweep->trials[claim->trial];
    json_int_t fence = cr_run_fence(claim->run);
    cr_status status = CR_OK;
    if (gethostname(host, sizeof host - 1))
        host[0] = 0;
    CR_TRY(
        cr_ledger_append(scheduler->ledger, "trial",
                         json_pack("{s:s, s:I, s:I, s:I, s:s, s:b, s:o}", "trial", trial->id, "fence", fence, "number",
                                   (json_int_t)claim->trial, "seed", (json_int_t)trial->seed, "metric", sweep->metric,
                                   "maximize", sweep->maximize, "point", describe_point(sweep, claim->trial))));
    CR_TRY(cr_ledger_append(scheduler->ledger, "start",
                            json_pack("{s:s, s:I, s:s, s:I}", "trial", trial->id, "fence", fence, "host", host, "pid",
                                      (json_int_t)getpid())));
    CR_TRY(refresh(scheduler));
done:
    return status;
}

/* A trial that kills its process each time would hold up the sweep for ever. */
static cr_status give_up(cr_scheduler *scheduler, cr_claim *claim)
{
    char cause[128];
    snprintf(cause, sizeof cause, "started %d times without ending an epoch: its processes die; too little memory?",
             MAX_IDLE_STARTS);
    cr_trial_end end = {.state = CR_TRIAL_FAILED, .failure = CR_INTERNAL, .cause = cause};
    return cr_scheduler_end_trial(scheduler, claim, &end);
}

cr_status cr_scheduler_claim(cr_scheduler *scheduler, cr_claim *claim)
{
    cr_status status = CR_OK;
    do {
        *claim = (cr_claim){.trial = -1, .is_over = true};
        CR_TRY(refresh(scheduler));
        CR_TRY(search_kind(scheduler, BEGUN, claim));
        CR_TRY(search_promotion(scheduler, claim));
        CR_TRY(search_kind(scheduler, NEW, claim));
        if (claim->trial < 0)
            break;
        const cr_record *record = scheduler->standings.records[claim->trial];
        if (!record || record->n_idle < MAX_IDLE_STARTS)
            break;
        CR_TRY(give_up(scheduler, claim));
    } while (true);
    if (claim->trial >= 0)
        CR_TRY(note_start(scheduler, claim));
done:
    if (status != CR_OK)
        cr_run_close(&claim->run);
    return status;
}

/* --- what becomes of it ------------------------------------------------------------------------------------------- */

cr_status cr_scheduler_end_epoch(cr_scheduler *scheduler, const cr_claim *claim, int64_t epoch, double metric,
                                 bool *go_on)
{
    cr_status status = CR_OK;
    CR_TRY(cr_run_check(claim->run));
    CR_TRY(cr_ledger_append(scheduler->ledger, "epoch",
                            json_pack("{s:s, s:I, s:I, s:o}", "trial", scheduler->sweep->trials[claim->trial].id,
                                      "fence", (json_int_t)cr_run_fence(claim->run), "epoch", (json_int_t)epoch,
                                      "metric", cr_json_real(metric))));
    CR_TRY(refresh(scheduler));
    CR_TRY(cr_prune_judge(&scheduler->standings, claim->trial, epoch, go_on));
done:
    return status;
}

cr_status cr_scheduler_end_trial(cr_scheduler *scheduler, cr_claim *claim, const cr_trial_end *end)
{
    const char *id = scheduler->sweep->trials[claim->trial].id;
    cr_status status = CR_OK;
    CR_TRY(cr_run_check(claim->run));
    json_t *metrics = json_array();
    for (int64_t i = 0; i < end->n_epochs; i++)
        json_array_append_new(metrics, cr_json_real(end->metrics[i]));
    CR_TRY(cr_ledger_append(scheduler->ledger, "end",
                            json_pack("{s:s, s:I, s:s, s:o, s:f, s:i, s:s}", "trial", id, "fence",
                                      (json_int_t)cr_run_fence(claim->run), "state", cr_trial_state_name(end->state),
                                      "metrics", metrics, "seconds", end->seconds, "code", (int)end->failure, "cause",
                                      end->cause ? end->cause : "")));
    CR_TRY(refresh(scheduler));
done:
    cr_run_close(&claim->run);
    return status;
}
