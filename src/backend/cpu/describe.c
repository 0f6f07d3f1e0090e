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

static json_t *describe_step(const cr_step *step)
{
    json_t *fact = json_object();
    json_object_set_new(fact, "layer", json_string(step->layer->name));
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
    const cr_lowered *lowered = &((const cr_cpu_program *)head)->lowered;
    json_t *facts = json_array();
    for (int s = 0; facts && s < lowered->n_steps; s++)
        if (lowered->steps[s].convolution || lowered->steps[s].dense)
            json_array_append_new(facts, describe_step(&lowered->steps[s]));
    return facts;
}

static const char *forward_kernel(const cr_step *step)
{
    return step->convolution ? kernel_name(&step->convolution->forward)
           : step->dense     ? cr_operation_name(step->dense->forward.run)
                             : "";
}

struct json_t *cr_program_times_cpu(const cr_program *head)
{
    const cr_cpu_program *program = (const cr_cpu_program *)head;
    return cr_lowered_times(&program->lowered, "(weights, images)", program->input_s, program->n_runs, forward_kernel);
}
