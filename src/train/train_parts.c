/* Which parameters learn, and how: groups of the optimizer, frozen stages, clipping, the moving average. */
#include "trainer.h"

#include <stdlib.h>
#include <string.h>

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

cr_status cr_trainer_update(cr_trainer *trainer, const float *gradient, double sum_of_squares)
{
    const cr_net *net = trainer->session.net;
    const double limit = trainer->config->optimizer.clip;
    trainer->optimizer.gradient_scale = limit > 0 ? cr_clip_scale(sum_of_squares, limit) : 1;
    cr_update update = {.optimizer = trainer->optimizer,
                        .spans = trainer->spans,
                        .n_spans = trainer->n_spans,
                        .step = trainer->step + 1,
                        .lr = trainer->schedule.lr,
                        .n_params = net->n_params,
                        .n_stats = net->n_stats,
                        .first_stat = trainer->n_frozen_stats,
                        .n_micro = trainer->n_micro,
                        .ema_decay = trainer->config->train.ema,
                        .gradient = gradient,
                        .weights = trainer->state.weights,
                        .ema = trainer->state.ema};
    memcpy(update.moments, trainer->state.moments, sizeof update.moments);
    trainer->state.version++;
    return cr_backend_update(trainer->session.backend, trainer->team.workers, &update);
}
