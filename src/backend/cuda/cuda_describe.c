/* What a program is made of, and where its time went. */
#include "cuda_program.h"

#include <jansson.h>
#include <stdio.h>

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

void cr_cuda_profile(const cr_program *head)
{
    const cr_cuda_program *program = (const cr_cuda_program *)head;
    double runs = program->n_runs > 0 ? (double)program->n_runs : 1.0, forward = 0, backward = 0;
    printf("%-32s %-13s %12s %13s   kernel\n", "layer", "kind", "forward ms", "backward ms");
    printf("%-32s %-13s %12.3f %13s\n", "(host: batch, launches)", "input", program->input_s / runs * 1e3, "");
    for (int s = 0; s < program->n_steps; s++) {
        const cr_cuda_step *step = &program->steps[s];
        printf("%-32s %-13s %12.3f %13.3f   %s\n", program->net->layers[step->layer].name, kind_name(step),
               step->forward_s / runs * 1e3, step->backward_s / runs * 1e3,
               step->convolution ? cr_conv_plan_name(step->convolution->plans[CR_CONV_FORWARD]) : "");
        forward += step->forward_s;
        backward += step->backward_s;
    }
    printf("%-46s %12.3f %13.3f   memory %zu MB\n", "total a micro-batch", forward / runs * 1e3, backward / runs * 1e3,
           program->arena_bytes >> 20);
}
