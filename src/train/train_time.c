/* Stopping in time. */
#include "trainer.h"

#include "crisol/clock.h"
#include "crisol/log.h"
#include "deadline.h"

#include <math.h>

static const double unknown_write_rate = 50e6; /* bytes a second, of a disk that nothing was written to yet */

void cr_trainer_find_end(cr_trainer *trainer)
{
    double limit_s = trainer->config->train.time_limit;
    const char *source = "";
    trainer->time.end_s = INFINITY;
    if (!trainer->run)
        return;
    double now = cr_clock_s();
    double slurm_s = cr_deadline_slurm_left_s(&source);
    if (limit_s > 0)
        trainer->time.end_s = trainer->saves.start_s + limit_s;
    if (isfinite(slurm_s) && now + slurm_s < trainer->time.end_s)
        trainer->time.end_s = now + slurm_s;
    else
        source = "train.time_limit";
    if (isfinite(trainer->time.end_s))
        cr_log_info("%.0f s are left (%s): stopping with a checkpoint before that", trainer->time.end_s - now, source);
}

static double expected_save_s(const cr_trainer *trainer)
{
    if (trainer->saves.cost_s > 0)
        return trainer->saves.cost_s;
    double bytes = (double)trainer->state.n * sizeof(float) * (1 + trainer->state.n_moments);
    return 1 + bytes / unknown_write_rate;
}

/* Before the first validation: a forward pass takes no longer than a step. */
static double expected_epoch_end_s(const cr_trainer *trainer)
{
    if (trainer->time.epoch_end_s > 0)
        return trainer->time.epoch_end_s;
    double n = (double)trainer->session.subsets[CR_SPLIT_VAL].n_samples;
    return trainer->time.step_s * n / (double)trainer->config->data.batch;
}

bool cr_trainer_is_out_of_time(cr_trainer *trainer)
{
    cr_time_left *time = &trainer->time;
    if (!trainer->run || !isfinite(time->end_s))
        return false;
    double now = cr_clock_s();
    if (trainer->step_in_epoch > 0 && time->last_s > 0)
        time->step_s = fmax(now - time->last_s, 0.95 * time->step_s);
    time->last_s = now;
    double need_s = time->step_s + expected_save_s(trainer) + trainer->config->train.time_margin;
    if (trainer->step_in_epoch + 2 >= trainer->steps_per_epoch) /* the next chance to stop lies behind a validation */
        need_s += expected_epoch_end_s(trainer);
    time->is_over = time->is_over || now + need_s > time->end_s;
    return time->is_over;
}
