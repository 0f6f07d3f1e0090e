#include "cuda_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WARM_UPS = 2,
    SAMPLES = 7, /* the median of them counts */
    REPEATS = 4  /* runs of a sample: a pair of events resolves half a microsecond */
};

struct cr_conv_right { /* a plan that computes what it should */
    struct cr_conv_right *next;
    cr_conv_shape shape;
    cr_conv_pass pass;
    char name[];
};

static size_t number_bytes(const cr_conv_shape *s)
{
    return s->bf16 ? sizeof(uint16_t) : sizeof(float);
}

static int64_t count_of(const cr_conv_shape *s, cr_conv_pass result_of)
{
    return result_of == CR_CONV_FORWARD ? s->n * s->out * s->out_height * s->out_width
           : result_of == CR_CONV_DATA  ? s->n * s->in * s->height * s->width
                                        : s->out * s->in * s->kernel * s->kernel;
}

static cr_status allocate(size_t bytes, void **data)
{
    return *data ? CR_OK : cr_cuda_allocate(bytes, "a convolution's trial: use a smaller data.micro_batch", data);
}

/* The array that a pass writes. */
static void **array_of(cr_conv_trial *trial, cr_conv_pass pass)
{
    return pass == CR_CONV_FORWARD ? &trial->y : pass == CR_CONV_DATA ? &trial->x : &trial->w;
}

static cr_status prepare(cr_conv_trial *trial, const cr_conv_plan *plan)
{
    cr_status status = CR_OK;
    const cr_conv_shape *shape = trial->shape;
    size_t workspace_bytes = cr_conv_plan_workspace_bytes(plan);
    for (int pass = 0; pass < CR_CONV_N_PASSES; pass++) {
        void **array = array_of(trial, (cr_conv_pass)pass);
        cr_trial_fill_job fill = {.n = count_of(shape, (cr_conv_pass)pass), .key = (uint32_t)pass, .bf16 = shape->bf16};
        if (*array)
            continue;
        CR_TRY(allocate((size_t)fill.n * number_bytes(shape), array));
        fill.to = *array;
        cr_kernel_trial_fill(&fill, trial->cuda->stream);
    }
    if (workspace_bytes > trial->workspace_bytes) {
        cudaFree(trial->workspace);
        trial->workspace = NULL;
        CR_TRY(allocate(workspace_bytes, &trial->workspace));
        trial->workspace_bytes = workspace_bytes;
    }
done:
    return status;
}

/* A plan that does not run is its own failure. */
static cr_status run(cr_conv_trial *trial, const cr_conv_plan *plan)
{
    cr_status status = cr_conv_plan_run(plan, trial->x, trial->w, trial->y, trial->workspace, trial->cuda->stream);
    return status == CR_OK ? CR_OK : CR_BAD_DATA;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

cr_status cr_conv_trial_time(cr_conv_trial *trial, const cr_conv_plan *plan, double *microseconds)
{
    cr_status status = CR_OK;
    cudaStream_t stream = trial->cuda->stream;
    double times[SAMPLES];
    CR_TRY(prepare(trial, plan));
    if (!trial->before)
        CR_TRY(cr_cuda_check(cudaEventCreate(&trial->before), "a clock"));
    if (!trial->after)
        CR_TRY(cr_cuda_check(cudaEventCreate(&trial->after), "a clock"));
    for (int i = 0; i < WARM_UPS; i++)
        CR_TRY(run(trial, plan));
    for (int s = 0; s < SAMPLES; s++) {
        float milliseconds = 0;
        CR_TRY(cr_cuda_check(cudaEventRecord(trial->before, stream), "a clock"));
        for (int i = 0; i < REPEATS; i++)
            CR_TRY(run(trial, plan));
        CR_TRY(cr_cuda_check(cudaEventRecord(trial->after, stream), "a clock"));
        CR_TRY(cr_cuda_check(cudaEventSynchronize(trial->after), cr_conv_plan_name(plan)));
        CR_TRY(cr_cuda_check(cudaEventElapsedTime(&milliseconds, trial->before, trial->after), "a clock"));
        times[s] = (double)milliseconds * 1e3 / REPEATS;
    }
    qsort(times, SAMPLES, sizeof *times, by_value);
    *microseconds = times[SAMPLES / 2];
done:
    return status;
}

/* What rounding explains of a difference between a result and the exact sum of its terms. Terms of random signs add up
 * to about the root of their squares' sum, and so do the roundings of partial sums. In float32 these are at most 2^-24
 * of a partial sum each: less than 2^-12 of the root even for ten million terms one after the other, while inputs
 * rounded to TF32's ten bits make more. Winograd's transforms lose some bits (Lavin and Gray 2016), tensor
 * cores cut partial sums instead of rounding them, and a bf16 result is rounded by 2^-9 of itself. What is wrong for
 * another reason is wrong by about the root itself. */
static bool is_right(const cr_conv_shape *shape, const cr_trial_found *found)
{
    double share = shape->bf16 || shape->winograd ? 0x1p-9 : 0x1p-12, own = shape->bf16 ? 0x1p-7 : 0x1p-22;
    return fabs(found->result - found->sum) <= share * sqrt(found->squares) + own * fabs(found->sum);
}

static cr_status judge(const cr_conv_trial *trial, const cr_conv_plan *plan, const cr_trial_found *found)
{
    char text[160];
    int n_wrong = 0, first = 0;
    for (int i = CR_TRIAL_PLACES - 1; i >= 0; i--)
        if (!is_right(trial->shape, &found[i])) {
            n_wrong++;
            first = i;
        }
    if (n_wrong == 0)
        return CR_OK;
    cr_conv_text(trial->shape, trial->pass, text, sizeof text);
    return cr_fail(CR_BAD_DATA, "%s: %s is wrong at %d of %d places: %g where plain sums give %g", text,
                   cr_conv_plan_name(plan), n_wrong, CR_TRIAL_PLACES, found[first].result, found[first].sum);
}

static bool is_known(const cr_conv_trial *trial, const cr_conv_plan *plan)
{
    for (const struct cr_conv_right *r = trial->cuda->right; r; r = r->next)
        if (r->pass == trial->pass && cr_conv_shape_is_same(&r->shape, trial->shape) &&
            !strcmp(r->name, cr_conv_plan_name(plan)))
            return true;
    return false;
}

/* Without memory it is tried again, which harms nobody. */
static void remember(const cr_conv_trial *trial, const cr_conv_plan *plan)
{
    const char *name = cr_conv_plan_name(plan);
    struct cr_conv_right *right = malloc(sizeof *right + strlen(name) + 1);
    if (!right)
        return;
    right->next = trial->cuda->right;
    right->shape = *trial->shape;
    right->pass = trial->pass;
    strcpy(right->name, name);
    trial->cuda->right = right;
}

void cr_conv_trials_forget(cr_cuda *cuda)
{
    while (cuda->right) {
        struct cr_conv_right *next = cuda->right->next;
        free(cuda->right);
        cuda->right = next;
    }
}

cr_status cr_conv_trial_check(cr_conv_trial *trial, const cr_conv_plan *plan)
{
    cr_status status = CR_OK;
    cudaStream_t stream = trial->cuda->stream;
    cr_trial_found found[CR_TRIAL_PLACES];
    if (is_known(trial, plan))
        return CR_OK;
    CR_TRY(prepare(trial, plan));
    CR_TRY(allocate(sizeof found, &trial->found));
    /* NaNs: what is not written is wrong */
    CR_TRY(
        cr_cuda_check(cudaMemsetAsync(*array_of(trial, trial->pass), 0xff,
                                      (size_t)count_of(trial->shape, trial->pass) * number_bytes(trial->shape), stream),
                      "a convolution's trial"));
    CR_TRY(run(trial, plan));
    const cr_trial_job job = {.shape = *trial->shape,
                              .pass = trial->pass,
                              .x = trial->x,
                              .w = trial->w,
                              .y = trial->y,
                              .found = trial->found};
    cr_kernel_trial_sums(&job, stream);
    CR_TRY(cr_cuda_check(cudaMemcpyAsync(found, trial->found, sizeof found, cudaMemcpyDeviceToHost, stream),
                         cr_conv_plan_name(plan)));
    CR_TRY(cr_cuda_check(cudaStreamSynchronize(stream), cr_conv_plan_name(plan)));
    CR_TRY(judge(trial, plan, found));
    remember(trial, plan);
done:
    return status;
}

void cr_conv_trial_end(cr_conv_trial *trial)
{
    void *arrays[] = {trial->x, trial->w, trial->y, trial->workspace, trial->found};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        cudaFree(arrays[i]);
    if (trial->before)
        cudaEventDestroy(trial->before);
    if (trial->after)
        cudaEventDestroy(trial->after);
}
