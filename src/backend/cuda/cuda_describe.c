/* What a program is made of, and where its time went. */
#include "cuda_program.h"

#include <jansson.h>

static json_t *describe_step(const cr_step *step)
{
    static const char *const keys[CR_CONV_N_PASSES] = {"forward", "backward_data", "backward_weights"};
    json_t *fact = json_object();
    json_object_set_new(fact, "layer", json_string(step->layer->name));
    for (int p = 0; p < CR_CONV_N_PASSES; p++)
        if (step->convolution->plans[p])
            json_object_set_new(fact, keys[p], json_string(cr_conv_plan_name(step->convolution->plans[p])));
    return fact;
}

struct json_t *cr_cuda_describe(const cr_program *head)
{
    const cr_lowered *lowered = &((const cr_cuda_program *)head)->lowered;
    json_t *facts = json_array();
    for (int s = 0; facts && s < lowered->n_steps; s++)
        if (lowered->steps[s].convolution)
            json_array_append_new(facts, describe_step(&lowered->steps[s]));
    return facts;
}

static const char *forward_kernel(const cr_step *step)
{
    return step->convolution ? cr_conv_plan_name(step->convolution->plans[CR_CONV_FORWARD]) : "";
}

struct json_t *cr_cuda_times(const cr_program *head)
{
    const cr_cuda_program *program = (const cr_cuda_program *)head;
    return cr_lowered_times(&program->lowered, "(host: batch, launches)", program->input_s, program->n_runs,
                            forward_kernel);
}
