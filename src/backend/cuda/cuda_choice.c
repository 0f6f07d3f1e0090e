#include "cuda_choice.h"

#include "cuda_trial.h"

#include "crisol/log.h"

#include <math.h>
#include <string.h>

/* A candidate that does not run has INFINITY and is passed over. */
static cr_status measure_all(cr_conv_trial *trial, cr_conv_plan *const *plans, int n, double *times)
{
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++) {
        status = cr_conv_trial_time(trial, plans[i], &times[i]);
        if (status != CR_BAD_DATA)
            continue;
        times[i] = INFINITY;
        status = CR_OK;
    }
    return status;
}

static cr_status restore(cr_conv_trial *trial, const cr_plan *stored, const char *layer, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    CR_TRY(cr_conv_plan_restore(trial->cuda, stored, layer, plan));
    CR_TRY(cr_conv_trial_check(trial, *plan));
    return CR_OK;
done:
    cr_conv_plan_destroy(plan);
    return status;
}

/* A plan that failed its trial is passed over, with a warning; what else failed stays a failure. */
static cr_status pass_over(const cr_conv_trial *trial, cr_status status, const char *layer)
{
    if (status != CR_BAD_DATA)
        return status;
    if (trial->is_news)
        cr_log_warning("layer %s: an engine is passed over: %s", layer, cr_error_message());
    return CR_OK;
}

static cr_status nothing_left(int n, const char *layer)
{
    return cr_fail_context(CR_INTERNAL, "none of %d engines for layer %s can be used, the last of them because", n,
                           layer);
}

/* The fastest of the candidates, made from what is stored of it, as every other rank and run will make it; one that
 * cannot be made so, or computes something else, is passed over, too. */
static cr_status take_fastest(cr_conv_trial *trial, cr_conv_plan *const *plans, double *times, int n, const char *layer,
                              cr_plan *chosen, cr_conv_plan **plan)
{
    double by_rule = times[0];
    for (int left = n; left > 0; left--) {
        int best = cr_plans_pick(times, n);
        if (isinf(times[best]))
            break;
        chosen->microseconds = times[best];
        chosen->by_rule_us = isfinite(by_rule) ? by_rule : times[best];
        cr_conv_plan_store(plans[best], chosen);
        cr_status status = restore(trial, chosen, layer, plan);
        if (status == CR_OK || pass_over(trial, status, layer) != CR_OK)
            return status;
        times[best] = INFINITY;
    }
    return nothing_left(n, layer);
}

/* The choice joins the table. */
static cr_status measure(cr_conv_trial *trial, const char *layer, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_cuda *cuda = trial->cuda;
    cr_conv_plan *plans[CR_PLANS_MAX_CANDIDATES] = {NULL};
    double times[CR_PLANS_MAX_CANDIDATES] = {0};
    int n = 0;
    cr_plan chosen;
    memset(&chosen, 0, sizeof chosen); /* it travels as bytes */
    chosen.target = cuda->target;
    chosen.shape = *trial->shape;
    chosen.pass = trial->pass;
    chosen.is_used = true;
    CR_TRY(cr_conv_plan_list(cuda, trial->shape, trial->pass, layer, false, plans, &n));
    CR_TRY(measure_all(trial, plans, n, times));
    CR_TRY(take_fastest(trial, plans, times, n, layer, &chosen, plan));
    CR_TRY(cr_plans_add(cuda->plans, &chosen));
done:
    for (int i = 0; i < n; i++)
        cr_conv_plan_destroy(&plans[i]);
    return status;
}

/* The first of the rule's list that passes its trial. */
static cr_status take_next(cr_conv_trial *trial, const char *layer, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_plan *plans[CR_PLANS_MAX_CANDIDATES] = {NULL};
    int n = 0;
    CR_TRY(cr_conv_plan_list(trial->cuda, trial->shape, trial->pass, layer, true, plans, &n));
    for (int i = 1; i < n && !*plan; i++) {
        status = cr_conv_trial_check(trial, plans[i]);
        if (status == CR_OK) {
            *plan = plans[i];
            plans[i] = NULL;
        }
        CR_TRY(pass_over(trial, status, layer));
    }
    if (!*plan)
        status = nothing_left(n, layer);
done:
    for (int i = 0; i < n; i++)
        cr_conv_plan_destroy(&plans[i]);
    return status;
}

static cr_status take_by_rule(cr_conv_trial *trial, const char *layer, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    CR_TRY(cr_conv_plan_create(trial->cuda, trial->shape, trial->pass, layer, plan));
    status = cr_conv_trial_check(trial, *plan);
    if (status != CR_OK) {
        cr_conv_plan_destroy(plan);
        CR_TRY(pass_over(trial, status, layer));
        status = take_next(trial, layer, plan);
    }
done:
    return status;
}

cr_status cr_cuda_choose(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                         cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_trial trial = {.cuda = cuda, .shape = shape, .pass = pass};
    cr_plan *stored = cuda->plans ? cr_plans_find(cuda->plans, &cuda->target, shape, pass) : NULL;
    if (!stored) {
        status = cuda->measures ? measure(&trial, layer, plan) : take_by_rule(&trial, layer, plan);
    } else {
        status = restore(&trial, stored, layer, plan);
        if (status == CR_OK)
            stored->is_used = true;
        else if (stored->where[0])
            status = cr_fail_context(status, "%s", stored->where);
    }
    cr_conv_trial_end(&trial);
    return status;
}
