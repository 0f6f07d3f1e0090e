/* A run with tiny checkpoints: 4 weights and 4 moments that are a function of the step. */
#ifndef CRISOL_TEST_CHECKPOINT_FIXTURE_H
#define CRISOL_TEST_CHECKPOINT_FIXTURE_H

#include "crisol/json.h"
#include "crisol/run.h"
#include "scratch.h"

#include <jansson.h>
#include <math.h>

static inline cr_run *fixture_open(scratch *it)
{
    cr_run *run = NULL;
    assert_ok(cr_run_open(scratch_path(it, "run"), &run));
    return run;
}

static inline cr_status fixture_write(cr_run *run, int64_t step, double metric, const cr_checkpoint_policy *policy)
{
    float weights[4], moments[4];
    for (int i = 0; i < 4; i++) {
        weights[i] = (float)step + (float)i;
        moments[i] = -weights[i];
    }
    const cr_tensor_view tensors[2] = {
        {"fc.weight", CR_DTYPE_F32, 2, {2, 2}, weights, sizeof weights},
        {"optimizer.exp_avg.fc.weight", CR_DTYPE_F32, 2, {2, 2}, moments, sizeof moments},
    };
    return cr_checkpoint_write(run, step, tensors, 2,
                               json_pack("{s:I, s:o, s:{s:f}}", "epoch", (json_int_t)(step / 10), "metric",
                                         cr_json_real(metric), "schedule", "lr", 1e-5),
                               policy);
}

/* Opens and checks that everything belongs to `step`. */
static inline void fixture_check(const char *folder, const char *which, bool maximize, int64_t step)
{
    json_t *state = NULL;
    cr_safetensors *tensors = NULL;
    int64_t number;
    assert_ok(cr_checkpoint_open(folder, which, maximize, &state, &tensors));
    assert_ok(cr_json_get_int(state, "step", "state", 0, INT64_MAX, &number));
    assert_int_equal(number, step);
    assert_null(json_object_get(state, "tensors"));
    const cr_tensor_view *weights = cr_safetensors_find(tensors, "fc.weight");
    assert_non_null(weights);
    assert_true(((const float *)weights->data)[1] == (float)step + 1);
    cr_safetensors_close(&tensors);
    json_decref(state);
}

#endif
