/* What a program is made of, and where its time went. */
#include "convolution.h"
#include "dense.h"
#include "winograd.h"

#include <jansson.h>

static const char *kernel_name(const cr_kernel *kernel)
{
    return kernel->run ? cr_operation_name(kernel->run) : cr_winograd_name();
}

static void set_name(json_t *fact, const char *key, const char *name)
{
    json_object_set_new(fact, key, json_string(name));
}

static json_t *describe_step(const cr_cpu_program *program, const cr_step *step)
{
    json_t *fact = json_object();
    json_object_set_new(fact, "layer", json_string(program->net->layers[step->layer].name));
    const cr_convolution_step *convolution = step->convolution;
    if (convolution) {
        set_name(fact, "forward", kernel_name(&convolution->forward));
        if (step->sink.buffer != CR_NONE)
            set_name(fact, "backward_data", kernel_name(&convolution->data));
        if (step->has_backward)
            set_name(fact, "backward_weights", kernel_name(&convolution->weights));
    } else if (step->dense) {
        set_name(fact, "forward", cr_operation_name(step->dense->forward.run));
        if (step->dense->data.run)
            set_name(fact, "backward_data", cr_operation_name(step->dense->data.run));
        if (step->dense->weights.run)
            set_name(fact, "backward_weights", cr_operation_name(step->dense->weights.run));
    }
    return fact;
}

struct json_t *cr_program_describe_cpu(const cr_program *head)
{
    const cr_cpu_program *program = (const cr_cpu_program *)head;
    json_t *facts = json_array();
    for (int s = 0; facts && s < program->n_steps; s++)
        if (program->steps[s].convolution || program->steps[s].dense)
            json_array_append_new(facts, describe_step(program, &program->steps[s]));
    return facts;
}

static const char *kind_name(const cr_step *step)
{
    static const char *const names[] = {"convolution", "max pool", "average pool", "dense",
                                        "dropout",     "concat",   "convert"};
    return step->pool != CR_NONE ? "conv + pool" : names[step->kind];
}

struct json_t *cr_program_times_cpu(const cr_program *head)
{
    const cr_cpu_program *program = (const cr_cpu_program *)head;
    double runs = program->n_runs > 0 ? (double)program->n_runs : 1.0;
    json_t *times = json_pack("[{s:s, s:s, s:s, s:f, s:f}]", "layer", "(weights, images)", "kind", "input", "kernel",
                              "", "forward_ms", program->input_s / runs * 1e3, "backward_ms", 0.0);
    for (int s = 0; times && s < program->n_steps; s++) {
        const cr_step *step = &program->steps[s];
        const char *kernel = step->convolution ? kernel_name(&step->convolution->forward)
                             : step->dense     ? cr_operation_name(step->dense->forward.run)
                                               : "";
        json_array_append_new(times,
                              json_pack("{s:s, s:s, s:s, s:f, s:f}", "layer", program->net->layers[step->layer].name,
                                        "kind", kind_name(step), "kernel", kernel, "forward_ms",
                                        step->forward_s / runs * 1e3, "backward_ms", step->backward_s / runs * 1e3));
    }
    return times;
}
