/* Partners of mixup and cutmix, and the soft targets that follow. */
#include "trainer.h"

#include <string.h>

bool cr_trainer_mixes(const cr_trainer *trainer)
{
    return trainer->mix.mixup > 0 || trainer->mix.cutmix > 0;
}

double cr_trainer_weight_sum(const cr_trainer *trainer)
{
    int64_t batch = trainer->config->data.batch;
    return cr_trainer_mixes(trainer) ? (double)batch : cr_session_weight_sum(&trainer->session, trainer->labels, batch);
}

void cr_trainer_draw_mixes(cr_trainer *trainer, const cr_loaded *batch)
{
    const cr_config *config = trainer->config;
    int64_t size = config->data.micro_batch, n_classes = trainer->session.n_classes;
    int64_t place = trainer->step_in_epoch * config->data.batch + trainer->first * size; /* in the epoch's order */
    if (!cr_trainer_mixes(trainer))
        return;
    memset(trainer->targets, 0, (size_t)(batch->n * n_classes) * sizeof *trainer->targets);
    for (int64_t i = 0; i < batch->n; i++) {
        cr_mix mix = cr_mix_draw(&trainer->mix, config->train.seed, (uint64_t)trainer->epoch, (uint64_t)(place + i),
                                 i % size, size);
        trainer->mixes[i] = mix;
        float *target = trainer->targets + i * n_classes;
        target[batch->labels[i]] += mix.share;
        target[batch->labels[i - i % size + mix.partner]] += 1.0f - mix.share;
    }
}
