#include "crisol/optim_element.h"
#include "crisol/workers.h"

enum {
    UNIT = 16 /* floats of 64 bytes: shares begin at multiples, as all tensors do */
};

static void move_statistics(const cr_update *u)
{
    float *running = u->weights + u->n_params;
    const float *sum = u->gradient + u->n_params;
    for (int64_t i = u->first_stat; i < u->n_stats; i++)
        running[i] = cr_statistic_element(running[i], sum[i], (float)u->n_micro);
    if (u->ema) /* AveragedModel copies buffers */
        cr_ema_update(u->ema_decay, 1, u->n_stats, running, u->ema + u->n_params);
}

void cr_update_share(const cr_update *update, int n_parts, int part)
{
    const cr_update *u = update;
    int64_t begin, end;
    cr_share(u->n_params / UNIT, n_parts, part, &begin, &end);
    begin *= UNIT;
    end *= UNIT;
    cr_optimizer_step(&u->optimizer, u->spans, u->n_spans, begin, end, u->step, u->lr, u->gradient, u->weights,
                      u->moments);
    if (u->ema)
        cr_ema_update(u->ema_decay, u->step, end - begin, u->weights + begin, u->ema + begin);
    if (part == 0)
        move_statistics(u);
}
