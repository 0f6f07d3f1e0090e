/* Which parameters learn, and how: groups of the optimizer, frozen stages, clipping, the moving average. */
#include "trainer.h"

#include <stdlib.h>

static const char *const stages[] = {"", "stem", "layer1", "layer2", "layer3", "layer4"}; /* model.freeze */

int cr_trainer_frozen_layers(const cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    bool thawed = config->model.unfreeze_epoch > 0 && trainer->epoch >= config->model.unfreeze_epoch;
    return config->model.freeze == 0 || thawed
               ? 0
               : cr_net_count_layers(trainer->session.net, stages[config->model.freeze]);
}

/* Frozen parameters lie before all others. They are in no group while they are frozen; afterwards their steps count
 * from there. */
static void make_groups(cr_trainer *trainer, int64_t n_frozen, int64_t n_thawed)
{
    const cr_config *config = trainer->config;
    const cr_net *net = trainer->session.net;
    int64_t skipped = config->model.unfreeze_epoch * trainer->steps_per_epoch;
    trainer->n_spans = 0;
    for (int t = 0; t < net->n_param_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        if (tensor->offset < n_frozen)
            continue;
        bool is_weight = tensor->role == CR_TENSOR_CONV_WEIGHT || tensor->role == CR_TENSOR_DENSE_WEIGHT;
        cr_optimizer_span span = {
            .begin = tensor->offset,
            .end = t + 1 < net->n_param_tensors ? net->tensors[t + 1].offset : net->n_params,
            .lr_factor = tensor->is_backbone ? config->optimizer.backbone_lr : 1,
            .weight_decay = is_weight || config->optimizer.decay_norm_bias ? config->optimizer.weight_decay : 0,
            .skipped = tensor->offset < n_thawed ? skipped : 0};
        cr_optimizer_span *last = trainer->n_spans > 0 ? &trainer->spans[trainer->n_spans - 1] : NULL;
        if (last && last->lr_factor == span.lr_factor && last->weight_decay == span.weight_decay &&
            last->skipped == span.skipped)
            last->end = span.end;
        else
            trainer->spans[trainer->n_spans++] = span;
    }
}

cr_status cr_trainer_choose_parts(cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    const cr_net *net = trainer->session.net;
    int64_t n_frozen, n_thawed = 0, n_stats;
    int frozen = cr_trainer_frozen_layers(trainer);
    if (frozen < 0)
        return cr_fail(CR_BAD_CONFIG, "model.freeze: the network has no %s", stages[config->model.freeze]);
    if (!trainer->spans)
        trainer->spans = calloc((size_t)net->n_param_tensors, sizeof *trainer->spans);
    if (!trainer->spans)
        return cr_fail_memory("groups of parameters", (size_t)net->n_param_tensors * sizeof *trainer->spans);
    if (config->model.freeze > 0 && frozen == 0)
        cr_net_count_state(net, cr_net_count_layers(net, stages[config->model.freeze]), &n_thawed, &n_stats);
    cr_net_count_state(net, frozen, &n_frozen, &trainer->n_frozen_stats);
    make_groups(trainer, n_frozen, n_thawed);
    return cr_team_compile_training(&trainer->team, frozen);
}

typedef struct update {
    cr_trainer *trainer;
    const float *gradient;
} update;

/* Each worker takes a slice: everything is elementwise, so the cut changes no bit. */
static cr_status update_slice(void *context, int worker)
{
    const update *work = context;
    cr_trainer *trainer = work->trainer;
    const cr_net *net = trainer->session.net;
    const double decay = trainer->config->train.ema;
    float *weights = trainer->state.weights, *ema = trainer->state.ema;
    int64_t begin, end;
    cr_share(net->n_params / 16, trainer->team.n_workers, worker, &begin, &end);
    begin *= 16;
    end *= 16;
    cr_optimizer_step(&trainer->optimizer, trainer->spans, trainer->n_spans, begin, end, trainer->step + 1,
                      trainer->schedule.lr, work->gradient, weights, trainer->state.moments);
    if (ema)
        cr_ema_update(decay, trainer->step + 1, end - begin, weights + begin, ema + begin);
    if (worker == 0) {
        /* torch.nn.BatchNorm2d, momentum .1, with the mean of the micro-batches' statistics */
        float *running = weights + net->n_params;
        const float *sum = work->gradient + net->n_params;
        for (int64_t i = trainer->n_frozen_stats; i < net->n_stats; i++)
            running[i] = 0.9f * running[i] + 0.1f * (sum[i] / (float)trainer->n_micro);
        if (ema) /* AveragedModel copies buffers */
            cr_ema_update(decay, 1, net->n_stats, running, ema + net->n_params);
    }
    return CR_OK;
}

cr_status cr_trainer_update(cr_trainer *trainer, const float *gradient, double sum_of_squares)
{
    double limit = trainer->config->optimizer.clip;
    update work = {trainer, gradient};
    trainer->optimizer.gradient_scale = limit > 0 ? cr_clip_scale(sum_of_squares, limit) : 1;
    cr_status status = cr_workers_run(trainer->team.workers, update_slice, &work);
    trainer->state.version++;
    return status;
}
