#include "cuda_choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WARM_UPS = 2,
    SAMPLES = 7, /* the median of them counts */
    REPEATS = 4, /* runs of a sample: a pair of events resolves half a microsecond */
    FILL = 0x3c  /* bytes of a small number, in bf16 and in float32: 0.0115 */
};

typedef struct scratch { /* arrays to measure on */
    void *x, *w, *y, *workspace;
    cudaEvent_t before, after;
} scratch;

static cr_status make_array(cr_cuda *cuda, size_t bytes, void **data)
{
    cr_status status = CR_OK;
    CR_TRY(cr_cuda_allocate(bytes, "the measurement of a convolution: use a smaller data.micro_batch", data));
    CR_TRY(cr_cuda_check(cudaMemsetAsync(*data, FILL, bytes, cuda->stream), "arrays to measure on"));
done:
    return status;
}

static cr_status make_scratch(cr_cuda *cuda, const cr_conv_shape *s, size_t workspace_bytes, scratch *made)
{
    cr_status status = CR_OK;
    size_t size = s->bf16 ? sizeof(uint16_t) : sizeof(float);
    CR_TRY(make_array(cuda, (size_t)(s->n * s->in * s->height * s->width) * size, &made->x));
    CR_TRY(make_array(cuda, (size_t)(s->out * s->in * s->kernel * s->kernel) * size, &made->w));
    CR_TRY(make_array(cuda, (size_t)(s->n * s->out * s->out_height * s->out_width) * size, &made->y));
    CR_TRY(make_array(cuda, workspace_bytes, &made->workspace));
    CR_TRY(cr_cuda_check(cudaEventCreate(&made->before), "a clock"));
    CR_TRY(cr_cuda_check(cudaEventCreate(&made->after), "a clock"));
done:
    return status;
}

static void free_scratch(scratch *made)
{
    void *arrays[] = {made->x, made->w, made->y, made->workspace};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        cudaFree(arrays[i]);
    if (made->before)
        cudaEventDestroy(made->before);
    if (made->after)
        cudaEventDestroy(made->after);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Microseconds of a run. */
static cr_status time_plan(cr_cuda *cuda, const cr_conv_plan *plan, const scratch *on, double *microseconds)
{
    cr_status status = CR_OK;
    double times[SAMPLES];
    for (int i = 0; i < WARM_UPS; i++)
        CR_TRY(cr_conv_plan_run(plan, on->x, on->w, on->y, on->workspace, cuda->stream));
    for (int s = 0; s < SAMPLES; s++) {
        float milliseconds = 0;
        CR_TRY(cr_cuda_check(cudaEventRecord(on->before, cuda->stream), "a clock"));
        for (int i = 0; i < REPEATS; i++)
            CR_TRY(cr_conv_plan_run(plan, on->x, on->w, on->y, on->workspace, cuda->stream));
        CR_TRY(cr_cuda_check(cudaEventRecord(on->after, cuda->stream), "a clock"));
        CR_TRY(cr_cuda_check(cudaEventSynchronize(on->after), cr_conv_plan_name(plan)));
        CR_TRY(cr_cuda_check(cudaEventElapsedTime(&milliseconds, on->before, on->after), "a clock"));
        times[s] = (double)milliseconds * 1e3 / REPEATS;
    }
    qsort(times, SAMPLES, sizeof *times, by_value);
    *microseconds = times[SAMPLES / 2];
done:
    return status;
}

/* A candidate that does not run has INFINITY and is passed over; an error of the device stays, and fails the others and
 * what comes after them. */
static cr_status measure_all(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_plan *const *plans, int n,
                             double *times)
{
    cr_status status = CR_OK;
    scratch on = {0};
    size_t workspace_bytes = 0;
    for (int i = 0; i < n; i++)
        if (cr_conv_plan_workspace_bytes(plans[i]) > workspace_bytes)
            workspace_bytes = cr_conv_plan_workspace_bytes(plans[i]);
    CR_TRY(make_scratch(cuda, shape, workspace_bytes, &on));
    for (int i = 0; i < n; i++)
        if (time_plan(cuda, plans[i], &on, &times[i]) != CR_OK)
            times[i] = INFINITY;
done:
    free_scratch(&on);
    return status;
}

/* The fastest of the candidates, made from what is stored of it, as every other rank and run will make it; one that
 * cannot be made so is passed over, too. */
static cr_status take_fastest(cr_cuda *cuda, cr_conv_plan *const *plans, double *times, int n, const char *layer,
                              cr_plan *chosen, cr_conv_plan **plan)
{
    double by_rule = times[0];
    for (int left = n; left > 0; left--) {
        int best = cr_plans_pick(times, n);
        if (isinf(times[best]))
            break;
        chosen->microseconds = times[best];
        chosen->by_rule_us = isfinite(by_rule) ? by_rule : times[best];
        cr_conv_plan_store(plans[best], chosen);
        if (cr_conv_plan_restore(cuda, chosen, layer, plan) == CR_OK)
            return CR_OK;
        times[best] = INFINITY;
    }
    return cr_fail_context(CR_INTERNAL, "none of %d engines for layer %s can be measured, the last of them because", n,
                           layer);
}

/* The choice joins the table. */
static cr_status measure(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                         cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_plan *plans[CR_PLANS_MAX_CANDIDATES] = {NULL};
    double times[CR_PLANS_MAX_CANDIDATES] = {0};
    int n = 0;
    cr_plan chosen;
    memset(&chosen, 0, sizeof chosen); /* it travels as bytes */
    chosen.target = cuda->target;
    chosen.shape = *shape;
    chosen.pass = pass;
    chosen.is_used = true;
    CR_TRY(cr_conv_plan_list(cuda, shape, pass, layer, plans, &n));
    CR_TRY(measure_all(cuda, shape, plans, n, times));
    CR_TRY(take_fastest(cuda, plans, times, n, layer, &chosen, plan));
    CR_TRY(cr_plans_add(cuda->plans, &chosen));
done:
    for (int i = 0; i < n; i++)
        cr_conv_plan_destroy(&plans[i]);
    return status;
}

cr_status cr_cuda_choose(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                         cr_conv_plan **plan)
{
    cr_plan *stored = cuda->plans ? cr_plans_find(cuda->plans, &cuda->target, shape, pass) : NULL;
    if (!stored)
        return cuda->measures ? measure(cuda, shape, pass, layer, plan)
                              : cr_conv_plan_create(cuda, shape, pass, layer, plan);
    cr_status status = cr_conv_plan_restore(cuda, stored, layer, plan);
    if (status == CR_OK)
        stored->is_used = true;
    else if (stored->where[0])
        status = cr_fail_context(status, "%s", stored->where);
    return status;
}
