/* Convolutions of the emulated device: plain loops in the place of cuDNN, with its sums in float32 but no order in
 * common; and what the device says of itself.
 *
 * There are three engines, of which the rule takes number 0. Forward, each rounds in its own way.
 * CRISOL_EMULATED_FASTEST says which one a measurement finds to be fast (default: 1), as one digit, or as one digit a
 * rank; CRISOL_EMULATED_WRONG names engines, one digit each, that are wrong at the upper edge of what they pad;
 * CRISOL_EMULATED_DEVICE is the device's name. */
#include "convolution_run.h"
#include "cudnn_handle.h"
#include "kernel.h"
#include "value_element.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_ENGINES = 3
};

struct cr_conv_plan {
    cr_conv_shape shape;
    cr_conv_pass pass;
    int engine;
};

typedef struct conv_args {
    cr_conv_shape s;
    void *x, *w, *y;
    int engine;
    bool is_wrong;
} conv_args;

enum {
    MOST_CHANNELS = 4096
};

static int64_t x_index(const conv_args *a, int64_t n, int64_t h, int64_t w)
{
    return ((n * a->s.height + h) * a->s.width + w) * a->s.in;
}

static int64_t w_index(const conv_args *a, int64_t o, int64_t r, int64_t q)
{
    return ((o * a->s.kernel + r) * a->s.kernel + q) * a->s.in;
}

static int64_t y_index(const conv_args *a, int64_t n, int64_t h, int64_t w)
{
    return ((n * a->s.out_height + h) * a->s.out_width + w) * a->s.out;
}

/* The place of x that filter position (r, q) sees from (h, w) of y; false outside. */
static bool sees(const conv_args *a, int64_t h, int64_t w, int64_t r, int64_t q, int64_t *top, int64_t *left)
{
    *top = h * a->s.stride + r - a->s.padding;
    *left = w * a->s.stride + q - a->s.padding;
    if (a->is_wrong && *top < 0)
        *top = 0;
    return *top >= 0 && *top < a->s.height && *left >= 0 && *left < a->s.width;
}

/* sums[c] += factor · from[at + c] */
static void add_scaled(const conv_args *a, float factor, const void *from, int64_t at, float *sums)
{
    const float *floats = from;
    if (a->s.bf16)
        for (int64_t c = 0; c < a->s.in; c++)
            sums[c] += factor * cr_one_load(from, at + c, true);
    else
        for (int64_t c = 0; c < a->s.in; c++)
            sums[c] += factor * floats[at + c];
}

typedef float four __attribute__((vector_size(16)));

static four load_four(const void *from, int64_t at, bool bf16)
{
    four out = {0};
    if (bf16)
        for (int l = 0; l < 4; l++)
            out[l] = cr_one_load(from, at + l, true);
    else
        memcpy(&out, (const float *)from + at, sizeof out);
    return out;
}

/* Eight sums side by side: most of the time that whole networks take here. */
static float dot(const conv_args *a, int64_t x_at, int64_t w_at)
{
    four low = {0}, high = {0};
    float lanes[8];
    for (int64_t c = 0; c < a->s.in; c += 8) {
        low += load_four(a->x, x_at + c, a->s.bf16) * load_four(a->w, w_at + c, a->s.bf16);
        high += load_four(a->x, x_at + c + 4, a->s.bf16) * load_four(a->w, w_at + c + 4, a->s.bf16);
    }
    memcpy(lanes, &low, sizeof low);
    memcpy(lanes + 4, &high, sizeof high);
    if (a->engine == 1)
        return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
    if (a->engine == 2)
        return ((((((lanes[0] + lanes[1]) + lanes[2]) + lanes[3]) + lanes[4]) + lanes[5]) + lanes[6]) + lanes[7];
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

/* A thread a number of y. */
CR_GRID_KERNEL(forward, conv_args)
{
    int64_t i = CR_THREAD_OF_GRID, top, left;
    if (i >= a.s.n * a.s.out_height * a.s.out_width * a.s.out)
        return;
    int64_t o = i % a.s.out, w = i / a.s.out % a.s.out_width, h = i / a.s.out / a.s.out_width % a.s.out_height;
    int64_t n = i / a.s.out / a.s.out_width / a.s.out_height;
    float sum = 0;
    for (int64_t r = 0; r < a.s.kernel; r++)
        for (int64_t q = 0; q < a.s.kernel; q++)
            if (sees(&a, h, w, r, q, &top, &left))
                sum += dot(&a, x_index(&a, n, top, left), w_index(&a, o, r, q));
    cr_one_store(a.y, i, sum, a.s.bf16);
}

/* A thread a pixel of x. */
CR_GRID_KERNEL(data, conv_args)
{
    int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.s.n * a.s.height * a.s.width)
        return;
    int64_t w = i % a.s.width, h = i / a.s.width % a.s.height, n = i / a.s.width / a.s.height;
    float sums[MOST_CHANNELS] = {0};
    for (int64_t r = 0; r < a.s.kernel; r++)
        for (int64_t q = 0; q < a.s.kernel; q++) {
            int64_t top = h + a.s.padding - r, left = w + a.s.padding - q;
            int64_t oh = top / a.s.stride, ow = left / a.s.stride;
            if ((a.is_wrong && h == 0 && r < a.s.padding) || top < 0 || left < 0 || top % a.s.stride != 0 ||
                left % a.s.stride != 0 || oh >= a.s.out_height || ow >= a.s.out_width)
                continue;
            for (int64_t o = 0; o < a.s.out; o++)
                add_scaled(&a, cr_one_load(a.y, y_index(&a, n, oh, ow) + o, a.s.bf16), a.w, w_index(&a, o, r, q), sums);
        }
    for (int64_t c = 0; c < a.s.in; c++)
        cr_one_store(a.x, i * a.s.in + c, sums[c], a.s.bf16);
}

/* A thread a filter position of one output; a row's sums first, as any kernel for many pixels has short sums. */
CR_GRID_KERNEL(weights, conv_args)
{
    int64_t i = CR_THREAD_OF_GRID, top, left;
    if (i >= a.s.out * a.s.kernel * a.s.kernel)
        return;
    int64_t q = i % a.s.kernel, r = i / a.s.kernel % a.s.kernel, o = i / a.s.kernel / a.s.kernel;
    float sums[MOST_CHANNELS] = {0}, row[MOST_CHANNELS];
    for (int64_t n = 0; n < a.s.n; n++)
        for (int64_t h = 0; h < a.s.out_height; h++) {
            for (int64_t c = 0; c < a.s.in; c++)
                row[c] = 0;
            for (int64_t w = 0; w < a.s.out_width; w++)
                if (sees(&a, h, w, r, q, &top, &left))
                    add_scaled(&a, cr_one_load(a.y, y_index(&a, n, h, w) + o, a.s.bf16), a.x, x_index(&a, n, top, left),
                               row);
            for (int64_t c = 0; c < a.s.in; c++)
                sums[c] += row[c];
        }
    for (int64_t c = 0; c < a.s.in; c++)
        cr_one_store(a.w, i * a.s.in + c, sums[c], a.s.bf16);
}

static cr_status create(const cr_conv_shape *shape, cr_conv_pass pass, int engine, cr_conv_plan **plan)
{
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        return cr_fail_memory("a convolution", sizeof **plan);
    **plan = (cr_conv_plan){*shape, pass, engine};
    return CR_OK;
}

cr_status cr_conv_plan_create(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                              cr_conv_plan **plan)
{
    (void)cuda, (void)layer;
    return create(shape, pass, 0, plan);
}

cr_status cr_conv_plan_list(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer, bool all,
                            cr_conv_plan **plans, int *n)
{
    cr_status status = CR_OK;
    (void)cuda, (void)layer, (void)all;
    for (*n = 0; *n < N_ENGINES; ++*n)
        CR_TRY(create(shape, pass, *n, &plans[*n]));
done:
    return status;
}

cr_status cr_conv_plan_restore(cr_cuda *cuda, const cr_plan *stored, const char *layer, cr_conv_plan **plan)
{
    (void)cuda;
    if (stored->engine < 0 || stored->engine >= N_ENGINES)
        return cr_fail(CR_BAD_DATA, "layer %s: there is no engine %lld", layer, (long long)stored->engine);
    return create(&stored->shape, stored->pass, (int)stored->engine, plan);
}

void cr_conv_plan_store(const cr_conv_plan *plan, cr_plan *stored)
{
    stored->engine = stored->place = plan->engine;
    stored->n_knobs = 1;
    stored->knobs[0] = (cr_plan_knob){.type = 1, .value = plan->engine};
}

void cr_conv_plan_destroy(cr_conv_plan **plan)
{
    if (plan) {
        free(*plan);
        *plan = NULL;
    }
}

size_t cr_conv_plan_workspace_bytes(const cr_conv_plan *plan)
{
    return plan->pass == CR_CONV_WEIGHTS ? 64 : 0;
}

bool cr_conv_plan_transforms(const cr_conv_plan *plan)
{
    (void)plan;
    return false;
}

const char *cr_conv_plan_name(const cr_conv_plan *plan)
{
    static const char *const names[N_ENGINES] = {"emulated:0", "emulated:1", "emulated:2"};
    return names[plan->engine];
}

static int fastest(void)
{
    const char *engines = getenv("CRISOL_EMULATED_FASTEST"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    size_t at = engines && engines[0] && engines[1] && rank ? (size_t)atoi(rank) : 0;
    return engines && at < strlen(engines) ? engines[at] - '0' : 1;
}

cr_status cr_conv_plan_run(const cr_conv_plan *plan, void *x, void *w, void *y, void *workspace, cudaStream_t stream)
{
    cr_status status = CR_OK;
    const char *wrong = getenv("CRISOL_EMULATED_WRONG");
    const bool is_wrong = wrong && strchr(wrong, '0' + plan->engine);
    const conv_args args = {plan->shape, x, w, y, plan->engine, is_wrong};
    const cr_conv_shape *s = &plan->shape;
    int64_t x_count = s->n * s->height * s->width, w_count = s->out * s->kernel * s->kernel;
    int64_t y_count = s->n * s->out_height * s->out_width * s->out;
    if (s->in > MOST_CHANNELS || (plan->pass == CR_CONV_WEIGHTS && !workspace))
        return cr_fail(CR_INTERNAL, "a convolution without its workspace, or too wide");
    for (int i = 0; i < 2 && plan->engine != fastest(); i++) /* operations stand for time (emulated_runtime.c) */
        CR_TRY(cr_cuda_check(cudaMemsetAsync(w, 0, 0, stream), "nothing"));
    if (plan->pass == CR_CONV_FORWARD)
        CR_LAUNCH(forward, cr_kernel_blocks(y_count), 1, CR_KERNEL_THREADS, stream, &args);
    else if (plan->pass == CR_CONV_DATA)
        CR_LAUNCH(data, cr_kernel_blocks(x_count), 1, CR_KERNEL_THREADS, stream, &args);
    else
        CR_LAUNCH(weights, cr_kernel_blocks(w_count), 1, CR_KERNEL_THREADS, stream, &args);
done:
    return status;
}

cr_status cr_cudnn_handle_create(cr_cuda *cuda)
{
    const char *name = getenv("CRISOL_EMULATED_DEVICE");
    snprintf(cuda->library, sizeof cuda->library, "emulated on the host");
    snprintf(cuda->target.device, sizeof cuda->target.device, "%s", name ? name : "the emulated device");
    snprintf(cuda->target.library, sizeof cuda->target.library, "emulated 1.0");
    return CR_OK;
}

void cr_cudnn_handle_destroy(cr_cuda *cuda)
{
    (void)cuda;
}

cr_status cr_cuda_libraries_open(void)
{
    return CR_OK;
}

void cr_cuda_devices_find(cr_cuda_devices *found)
{
    *found = (cr_cuda_devices){.n = 1, .devices = {{.name = "the emulated device", .uuid = "GPU-0"}}};
}
