/* When a checkpoint is due, and what becomes of one that is written while the training goes on. */
#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/log.h"

#include <jansson.h>

enum {
    MAX_FAILURES = 3 /* in a row: then the training would only burn time that cannot be kept */
};

bool cr_trainer_save_is_due(const cr_trainer *trainer)
{
    int64_t steps = trainer->config->train.checkpoint_steps;
    double seconds = trainer->config->train.checkpoint_seconds;
    if (!trainer->saver || cr_saver_is_busy(trainer->saver))
        return false;
    return (steps > 0 && trainer->step + 1 - trainer->saves.step >= steps) ||
           (seconds > 0 && cr_clock_s() - trainer->saves.start_s >= seconds);
}

/* A journal that cannot be written does not end the training here: what it must hold to go on is not in these lines. */
static void note(cr_trainer *trainer, const char *event, json_t *fields)
{
    if (cr_run_journal(trainer->run, event, fields) != CR_OK)
        cr_log_warning("%s", cr_error_message());
}

static cr_status bear_failure(cr_trainer *trainer, const cr_save_outcome *outcome)
{
    bool may_pass = outcome->status == CR_IO || outcome->status == CR_PERMISSION || outcome->status == CR_MISSING;
    int n = ++trainer->saves.n_failures;
    if (!may_pass || trainer->saves.must_succeed)
        return cr_fail(outcome->status, "step %lld: no checkpoint: %s", (long long)outcome->step, outcome->message);
    if (n >= MAX_FAILURES)
        return cr_fail(CR_IO, "%d checkpoints in a row could not be written, the last of step %lld: %s", n,
                       (long long)outcome->step, outcome->message);
    cr_log_warning("step %lld: no checkpoint, training goes on (failure %d of %d): %s", (long long)outcome->step, n,
                   MAX_FAILURES, outcome->message);
    note(trainer, "checkpoint_failed",
         json_pack("{s:I, s:s}", "step", (json_int_t)outcome->step, "reason", outcome->message));
    return CR_OK;
}

cr_status cr_trainer_settle(cr_trainer *trainer, bool wait)
{
    cr_save_outcome outcome;
    double start = cr_clock_s();
    if (!trainer->saver || !cr_saver_take(trainer->saver, wait, &outcome))
        return CR_OK;
    if (outcome.status != CR_OK)
        return bear_failure(trainer, &outcome);
    if (trainer->saves.must_succeed)
        outcome.stall_s += cr_clock_s() - start;
    trainer->saves.n_failures = 0;
    trainer->saves.cost_s = outcome.write_s + outcome.stall_s;
    note(trainer, "checkpoint",
         json_pack("{s:I, s:I, s:f, s:f}", "step", (json_int_t)outcome.step, "bytes", (json_int_t)outcome.bytes,
                   "write_s", outcome.write_s, "stall_s", outcome.stall_s));
    return CR_OK;
}
