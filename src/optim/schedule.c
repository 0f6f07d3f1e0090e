#include "crisol/optim.h"

#include <math.h>
#include <stddef.h>

static const double plateau_eps = 1e-8; /* ReduceLROnPlateau's default: smaller changes are not made */
static const double pi = 3.14159265358979323846;

/* The phases of OneCycleLR, as positions at which they end and factors of the maximum between which they move.
 * Source: torch/optim/lr_scheduler.py, OneCycleLR. */
static double one_cycle_lr(const cr_schedule_params *params, int64_t position)
{
    double initial = params->lr / params->div_factor, lowest = initial / params->final_div_factor;
    double last = (double)(params->total - 1), step = fmin((double)position, last);
    double peak_at = params->pct_start * (double)params->total - 1;
    double ends[3] = {peak_at, last, last};
    double values[4] = {initial, params->lr, lowest, lowest};
    int n_phases = 2;
    if (params->three_phase) {
        ends[1] = 2 * params->pct_start * (double)params->total - 2;
        values[2] = initial;
        n_phases = 3;
    }
    int phase = 0;
    while (phase < n_phases - 1 && step > ends[phase])
        phase++;
    double begin = phase > 0 ? ends[phase - 1] : 0, length = ends[phase] - begin;
    double share = length > 0 ? (step - begin) / length : 1;
    double from = values[phase], to = values[phase + 1];
    if (params->anneal_linear)
        return (to - from) * share + from;
    return to + (from - to) / 2 * (cos(pi * share) + 1);
}

static double cosine_lr(const cr_schedule_params *params, int64_t epoch)
{
    double whole = (double)(params->total - params->warmup);
    return params->min_lr + (params->lr - params->min_lr) * (1 + cos(pi * (double)epoch / whole)) / 2;
}

static bool is_better(const cr_schedule *schedule, double metric)
{
    const cr_schedule_params *params = &schedule->params;
    double best = schedule->best, threshold = params->threshold;
    if (params->maximize)
        return metric > (params->threshold_absolute ? best + threshold : best * (threshold + 1));
    return metric < (params->threshold_absolute ? best - threshold : best * (1 - threshold));
}

/* Source: torch/optim/lr_scheduler.py, ReduceLROnPlateau.step, in its order. */
static void plateau_advance(cr_schedule *schedule, double metric)
{
    const cr_schedule_params *params = &schedule->params;
    if (is_better(schedule, metric)) {
        schedule->best = metric;
        schedule->bad = 0;
    } else {
        schedule->bad++;
    }
    if (schedule->cooldown_left > 0) {
        schedule->cooldown_left--;
        schedule->bad = 0;
    }
    if (schedule->bad > params->patience) {
        double lower = fmax(schedule->lr * params->factor, params->min_lr);
        if (schedule->lr - lower > plateau_eps)
            schedule->lr = lower;
        schedule->cooldown_left = params->cooldown;
        schedule->bad = 0;
    }
}

/* The learning rate of `epoch` ≥ 1 after the warm-up, from the one before it where PyTorch multiplies step by step. */
static double next_lr(const cr_schedule *schedule, int64_t epoch)
{
    const cr_schedule_params *params = &schedule->params;
    double lr = schedule->lr;
    switch (params->kind) {
    case CR_SCHEDULE_STEP:
        return epoch % params->step_size == 0 ? lr * params->gamma : lr;
    case CR_SCHEDULE_MULTI_STEP: {
        int times = 0;
        for (int i = 0; i < params->n_milestones; i++)
            times += params->milestones[i] == epoch;
        return times > 0 ? lr * pow(params->gamma, times) : lr;
    }
    case CR_SCHEDULE_EXPONENTIAL:
        return lr * params->gamma;
    case CR_SCHEDULE_COSINE:
        return cosine_lr(params, epoch);
    default:
        return lr;
    }
}

static double warmup_lr(const cr_schedule_params *params, int64_t epoch)
{
    double share = (double)epoch / (double)params->warmup;
    return params->lr * (params->warmup_start + (1 - params->warmup_start) * share);
}

static cr_status refuse(const char *setting, const char *rule)
{
    return cr_fail(CR_BAD_CONFIG, "schedule.%s %s", setting, rule);
}

static cr_status check_one_cycle(const cr_schedule_params *params)
{
    if (params->warmup != 0)
        return refuse("warmup", "must be 0 with one_cycle, which has its own (pct_start)");
    if (!(params->pct_start >= 0 && params->pct_start <= 1))
        return refuse("pct_start", "must be from 0 to 1");
    if (!(params->div_factor > 0 && isfinite(params->div_factor)))
        return refuse("div_factor", "must be above 0");
    if (!(params->final_div_factor > 0 && isfinite(params->final_div_factor)))
        return refuse("final_div_factor", "must be above 0");
    return CR_OK;
}

static cr_status check_multi_step(const cr_schedule_params *params)
{
    if (params->n_milestones < 0 || params->n_milestones > CR_SCHEDULE_MAX_MILESTONES)
        return cr_fail(CR_BAD_CONFIG, "schedule.milestones has %d entries; at most %d are possible",
                       params->n_milestones, CR_SCHEDULE_MAX_MILESTONES);
    for (int i = 0; i < params->n_milestones; i++)
        if (params->milestones[i] < 1)
            return refuse("milestones", "must be epochs from 1 on");
    return CR_OK;
}

static cr_status check_plateau(const cr_schedule_params *params)
{
    if (!(params->factor >= 0 && params->factor < 1))
        return refuse("factor", "must be at least 0 and below 1");
    if (!(params->threshold >= 0 && isfinite(params->threshold)))
        return refuse("threshold", "must be at least 0");
    if (params->patience < 0)
        return refuse("patience", "must be at least 0");
    if (params->cooldown < 0)
        return refuse("cooldown", "must be at least 0");
    return CR_OK;
}

static cr_status check(const cr_schedule_params *params)
{
    if (!(params->lr >= 0 && isfinite(params->lr)))
        return cr_fail(CR_BAD_CONFIG, "optimizer.lr must be a finite number, at least 0");
    if (params->warmup < 0)
        return refuse("warmup", "must be at least 0");
    if (params->warmup > 0 && !(params->warmup_start >= 0 && params->warmup_start <= 1))
        return refuse("warmup_start", "must be from 0 to 1");
    if (!(params->min_lr >= 0 && isfinite(params->min_lr)))
        return refuse("min_lr", "must be at least 0");
    bool multiplies = params->kind == CR_SCHEDULE_STEP || params->kind == CR_SCHEDULE_MULTI_STEP ||
                      params->kind == CR_SCHEDULE_EXPONENTIAL;
    if (multiplies && !(params->gamma >= 0 && isfinite(params->gamma)))
        return refuse("gamma", "must be at least 0");
    switch (params->kind) {
    case CR_SCHEDULE_CONSTANT:
    case CR_SCHEDULE_EXPONENTIAL:
        return CR_OK;
    case CR_SCHEDULE_STEP:
        return params->step_size >= 1 ? CR_OK : refuse("step_size", "must be at least 1");
    case CR_SCHEDULE_MULTI_STEP:
        return check_multi_step(params);
    case CR_SCHEDULE_COSINE:
        return params->total > params->warmup ? CR_OK
                                              : refuse("warmup", "must be shorter than the training (train.epochs)");
    case CR_SCHEDULE_ONE_CYCLE:
        return params->total >= 1 ? check_one_cycle(params) : refuse("name", "one_cycle needs at least one step");
    case CR_SCHEDULE_PLATEAU:
        return check_plateau(params);
    }
    return refuse("name", "is unknown");
}

cr_status cr_schedule_make(const cr_schedule_params *params, cr_schedule *schedule)
{
    cr_status status = CR_OK;
    CR_TRY(check(params));
    *schedule = (cr_schedule){
        .params = *params,
        .lr = params->lr,
        .best = params->maximize ? -INFINITY : INFINITY,
    };
    if (params->kind == CR_SCHEDULE_ONE_CYCLE)
        schedule->lr = one_cycle_lr(params, 0);
    else if (params->warmup > 0)
        schedule->lr = warmup_lr(params, 0);
done:
    return status;
}

bool cr_schedule_is_per_step(const cr_schedule *schedule)
{
    return schedule->params.kind == CR_SCHEDULE_ONE_CYCLE;
}

void cr_schedule_advance(cr_schedule *schedule, double metric)
{
    const cr_schedule_params *params = &schedule->params;
    int64_t position = ++schedule->position;
    if (params->kind == CR_SCHEDULE_ONE_CYCLE)
        schedule->lr = one_cycle_lr(params, position);
    else if (position < params->warmup)
        schedule->lr = warmup_lr(params, position);
    else if (position == params->warmup)
        schedule->lr = params->lr; /* the schedule proper starts here, as its epoch 0 */
    else if (params->kind == CR_SCHEDULE_PLATEAU)
        plateau_advance(schedule, metric);
    else
        schedule->lr = next_lr(schedule, position - params->warmup);
}
