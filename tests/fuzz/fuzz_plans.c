/* plans.json: what is taken is in its bounds, one plan a convolution, and comes back the same from what is written. */
#include "fuzz_input.h"

#include "plans_file.h"

#include <stdio.h>
#include <string.h>

static void check_plan(const cr_plans *plans, const cr_plan *plan)
{
    const cr_conv_shape *s = &plan->shape;
    char text[256];
    fuzz_touch_text(plan->target.device);
    fuzz_touch_text(plan->target.library);
    fuzz_touch_text(plan->where);
    cr_conv_text(s, plan->pass, text, sizeof text);
    fuzz_demand(plan->pass >= 0 && plan->pass < CR_CONV_N_PASSES, "a pass is none");
    fuzz_demand(plan->n_knobs >= 0 && plan->n_knobs <= CR_PLAN_MAX_KNOBS, "knobs are wrongly counted");
    fuzz_demand(s->n > 0 && s->in > 0 && s->out > 0 && s->kernel > 0 && s->stride > 0 && s->padding >= 0,
                "a shape is none");
    fuzz_demand(cr_plans_find(plans, &plan->target, s, plan->pass) == plan, "two plans are for one convolution");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cr_plans plans = {0}, again = {0};
    char path[2 * FUZZ_PATH_MAX];
    cr_status status = cr_plans_parse((const char *)data, bytes, "input", false, &plans);
    fuzz_check_refusal(status);
    for (int64_t i = 0; i < plans.n; i++)
        check_plan(&plans, &plans.items[i]);
    if (status == CR_OK) {
        snprintf(path, sizeof path, "%s/plans.json", fuzz_folder());
        fuzz_demand(cr_plans_save(path, &plans, false) == CR_OK, "plans cannot be written");
        fuzz_demand(cr_plans_load(path, false, &again) == CR_OK && again.n == plans.n, "written plans are refused");
        for (int64_t i = 0; i < plans.n; i++) {
            memset(again.items[i].where, 0, sizeof again.items[i].where);
            memset(plans.items[i].where, 0, sizeof plans.items[i].where);
            fuzz_demand(!memcmp(&again.items[i], &plans.items[i], sizeof(cr_plan)), "a written plan is another");
        }
        fuzz_accepted = true;
    }
    cr_plans_clear(&plans);
    cr_plans_clear(&again);
    return 0;
}
