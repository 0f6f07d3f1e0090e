/* What no single option can say: checks across options. */
#include "crisol/config.h"

#include <string.h>

static cr_status check_distinct(const cr_strings *texts, const char *name)
{
    for (int64_t i = 0; i < texts->n; i++)
        for (int64_t j = 0; j < i; j++)
            if (!strcmp(texts->items[i], texts->items[j]))
                return cr_fail(CR_BAD_CONFIG, "%s: '%s' stands twice", name, texts->items[i]);
    return CR_OK;
}

cr_status cr_config_check(const cr_config *config)
{
    const cr_ints *milestones = &config->schedule.milestones;
    cr_status status;
    if (!*config->data.pack)
        return cr_fail(CR_BAD_CONFIG,
                       "data.pack: name the folder of a pack, in the config or with --set data.pack=DIR");
    if (config->data.batch % config->data.micro_batch != 0)
        return cr_fail(CR_BAD_CONFIG, "data.micro_batch: %lld does not divide data.batch, which is %lld",
                       (long long)config->data.micro_batch, (long long)config->data.batch);
    if (config->data.classes.n == 1)
        return cr_fail(CR_BAD_CONFIG, "data.classes: name at least two classes, or none for all of the pack");
    CR_TRY(check_distinct(&config->data.classes, "data.classes"));
    CR_TRY(check_distinct(&config->model.metadata.columns, "model.metadata.columns"));
    if (config->optimizer.nesterov && config->optimizer.momentum == 0)
        return cr_fail(CR_BAD_CONFIG, "optimizer.nesterov: needs optimizer.momentum above 0");
    if (config->augment.mixup + config->augment.cutmix > 0 && config->data.micro_batch < 2)
        return cr_fail(CR_BAD_CONFIG, "augment.mixup, augment.cutmix: need data.micro_batch of 2 or more");
    if (config->augment.cutmix > 0 && config->model.inputs == 2)
        return cr_fail(CR_BAD_CONFIG, "augment.cutmix: needs images, but model.inputs is metadata");
    if (config->model.freeze > 0 && config->model.inputs == 2)
        return cr_fail(CR_BAD_CONFIG, "model.freeze: there is no image network, since model.inputs is metadata");
    for (int64_t i = 1; i < milestones->n; i++)
        if (milestones->items[i] <= milestones->items[i - 1])
            return cr_fail(CR_BAD_CONFIG, "schedule.milestones: must rise, but %lld follows %lld",
                           (long long)milestones->items[i], (long long)milestones->items[i - 1]);
    if (!*config->train.monitor)
        return cr_fail(CR_BAD_CONFIG, "train.monitor: name a metric, for instance val/f1_macro");
done:
    return status;
}
