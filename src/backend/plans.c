#include "crisol/plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_ENOUGH 1.03 /* what repeated measurements of a kernel of some 20 us differ by */

void cr_conv_text(const cr_conv_shape *shape, cr_conv_pass pass, char *text, size_t bytes)
{
    static const char *const passes[CR_CONV_N_PASSES] = {"forward", "gradient of the input", "gradient of the weights"};
    const cr_conv_shape *s = shape;
    snprintf(text, bytes, "%s of n %lld, %lld x %lld x %lld to %lld x %lld x %lld, kernel %lld, stride %lld, %s",
             passes[pass], (long long)s->n, (long long)s->in, (long long)s->height, (long long)s->width,
             (long long)s->out, (long long)s->out_height, (long long)s->out_width, (long long)s->kernel,
             (long long)s->stride, s->bf16 ? "bf16" : "f32");
}

void cr_plans_clear(cr_plans *plans)
{
    free(plans->items);
    *plans = (cr_plans){0};
}

bool cr_conv_shape_is_same(const cr_conv_shape *a, const cr_conv_shape *b)
{
    return a->n == b->n && a->in == b->in && a->height == b->height && a->width == b->width && a->out == b->out &&
           a->out_height == b->out_height && a->out_width == b->out_width && a->kernel == b->kernel &&
           a->stride == b->stride && a->padding == b->padding && a->bf16 == b->bf16 &&
           (a->bf16 || a->winograd == b->winograd); /* bf16 never transforms */
}

cr_plan *cr_plans_find(const cr_plans *plans, const cr_plan_target *target, const cr_conv_shape *shape,
                       cr_conv_pass pass)
{
    for (int64_t i = 0; i < plans->n; i++) {
        cr_plan *plan = &plans->items[i];
        if (plan->pass == pass && cr_conv_shape_is_same(&plan->shape, shape) &&
            !strcmp(plan->target.device, target->device) && !strcmp(plan->target.library, target->library))
            return plan;
    }
    return NULL;
}

cr_status cr_plans_add(cr_plans *plans, const cr_plan *plan)
{
    if (plans->n == CR_PLANS_MAX)
        return cr_fail(CR_BAD_DATA, "more than %d plans of convolutions: begin a new file of them", CR_PLANS_MAX);
    if (plans->n == plans->room) {
        int64_t room = plans->room ? 2 * plans->room : 64;
        cr_plan *items = realloc(plans->items, (size_t)room * sizeof *items);
        if (!items)
            return cr_fail_memory("plans of convolutions", (size_t)room * sizeof *items);
        plans->items = items;
        plans->room = room;
    }
    plans->items[plans->n++] = *plan;
    return CR_OK;
}

int cr_plans_pick(const double *times, int n)
{
    double shortest = times[0];
    for (int i = 1; i < n; i++)
        shortest = times[i] < shortest ? times[i] : shortest;
    for (int i = 0; i < n; i++)
        if (times[i] <= CLOSE_ENOUGH * shortest)
            return i;
    return 0;
}
