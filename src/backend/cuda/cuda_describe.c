/* What a program is made of, and where its time went. */
#include "cuda_program.h"

#include <jansson.h>

static const char *kind_name(const cr_cuda_step *step)
{
    static const char *const names[] = {"convolution", "max pool", "average pool", "dense",
                                        "dropout",     "concat",   "convert"};
    return step->pool != CR_NONE ? "conv + pool" : names[step->kind];
}

static json_t *describe_step(const cr_cuda_program *program, const cr_cuda_step *step)
{
    static const char *const keys[CR_CONV_N_PASSES] = {"forward", "backward_data", "backward_weights"};
    json_t *fact = json_object();
    json_object_set_new(fact, "layer", json_string(program->net->layers[step->layer].name));
    for (int p = 0; p < CR_CONV_N_PASSES; p++)
        if (step->convolution->plans[p])
            json_object_set_new(fact, keys[p], json_string(cr_conv_plan_name(step->convolution->plans[p])));
    return fact;
}

struct json_t *cr_cuda_describe(const cr_program *head)
{
    const cr_cuda_program *program = (const cr_cuda_program *)head;
    json_t *facts = json_array();
    for (int s = 0; facts && s < program->n_steps; s++)
        if (program->steps[s].convolution)
            json_array_append_new(facts, describe_step(program, &program->steps[s]));
    return facts;
}

struct json_t *cr_cuda_times(const cr_program *head)
{
    const cr_cuda_program *program = (const cr_cuda_program *)head;
    double runs = program->n_runs > 0 ? (double)program->n_runs : 1.0;
    json_t *times = json_pack("[{s:s, s:s, s:s, s:f, s:f}]", "layer", "(host: batch, launches)", "kind", "input",
                              "kernel", "", "forward_ms", program->input_s / runs * 1e3, "backward_ms", 0.0);
    for (int s = 0; times && s < program->n_steps; s++) {
        const cr_cuda_step *step = &program->steps[s];
        const char *kernel = step->convolution ? cr_conv_plan_name(step->convolution->plans[CR_CONV_FORWARD]) : "";
        json_array_append_new(times,
                              json_pack("{s:s, s:s, s:s, s:f, s:f}", "layer", program->net->layers[step->layer].name,
                                        "kind", kind_name(step), "kernel", kernel, "forward_ms",
                                        step->forward_s / runs * 1e3, "backward_ms", step->backward_s / runs * 1e3));
    }
    return times;
}
