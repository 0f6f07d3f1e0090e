#include "lowered.h"

#include <jansson.h>

static const char *kind_name(const cr_step *step)
{
    static const char *const names[] = {"convolution", "max pool", "average pool", "dense",
                                        "dropout",     "concat",   "convert"};
    return step->pool ? "conv + pool" : names[step->kind];
}

static json_t *row(const char *layer, const char *kind, const char *kernel, double forward_s, double backward_s)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:f}", "layer", layer, "kind", kind, "kernel", kernel, "forward_ms",
                     forward_s * 1e3, "backward_ms", backward_s * 1e3);
}

struct json_t *cr_lowered_times(const cr_lowered *lowered, const char *input, double input_s, int64_t n_runs,
                                const char *(*kernel_of)(const cr_step *step))
{
    double runs = n_runs > 0 ? (double)n_runs : 1.0;
    json_t *times = json_array();
    json_array_append_new(times, row(input, "input", "", input_s / runs, 0.0));
    for (int s = 0; s < lowered->n_steps; s++) {
        const cr_step *step = &lowered->steps[s];
        json_array_append_new(times, row(step->layer->name, kind_name(step), kernel_of(step), step->forward_s / runs,
                                         step->backward_s / runs));
    }
    return times;
}
