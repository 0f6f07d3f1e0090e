#include "cuda_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WARM_UPS = 2,
    SAMPLES = 7, /* the median of them counts */
    REPEATS = 4  /* runs of a sample: a pair of events resolves half a microsecond */
};

struct cr_conv_verdict { /* on one plan */
    struct cr_conv_verdict *next;
    cr_conv_shape shape;
    cr_conv_pass pass;
    bool is_right;
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

static cr_status run(const cr_conv_trial *trial, const cr_conv_plan *plan, cudaStream_t stream)
{
    return cr_conv_plan_run(plan, trial->x, trial->w, trial->y, trial->workspace, stream);
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
    for (int i = 0; i < WARM_UPS && status == CR_OK; i++)
        status = run(trial, plan, stream);
    CR_TRY(status == CR_OK ? CR_OK : CR_BAD_DATA); /* it does not run: its own failure */
    for (int s = 0; s < SAMPLES; s++) {
        float milliseconds = 0;
        CR_TRY(cr_cuda_check(cudaEventRecord(trial->before, stream), "a clock"));
        for (int i = 0; i < REPEATS; i++)
            CR_TRY(run(trial, plan, stream));
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
 * rounded to TF32's ten bits make more. Winograd's transforms lose some bits (Lavin and Gray 2016), and share them
 * among a tile's numbers, be they sums of nothing. Tensor cores cut partial sums instead of rounding them (hardly to be
 * seen below a million terms in one chain), and a bf16 result is rounded by 2^-9 of itself. What is wrong for another
 * reason is wrong by about the root itself. */
static bool is_right(const cr_trial_found *found, bool bf16, bool transforms, double largest_squares)
{
    double root = sqrt(transforms ? largest_squares : found->squares);
    double share = bf16 || transforms ? 0x1p-9 : 0x1p-12, own = bf16 ? 0x1p-7 : 0x1p-22;
    return fabs(found->result - found->sum) <= share * root + own * fabs(found->sum);
}

static cr_status judge(const cr_conv_trial *trial, const cr_conv_plan *plan, const char *how,
                       const cr_trial_found *found)
{
    char text[160];
    int n_wrong = 0, first = 0;
    double largest = 0;
    for (int i = 0; i < CR_TRIAL_PLACES; i++)
        largest = fmax(largest, found[i].squares);
    for (int i = CR_TRIAL_PLACES - 1; i >= 0; i--)
        if (!is_right(&found[i], trial->shape->bf16, cr_conv_plan_transforms(plan), largest)) {
            n_wrong++;
            first = i;
        }
    if (n_wrong == 0)
        return CR_OK;
    cr_conv_text(trial->shape, trial->pass, text, sizeof text);
    return cr_fail(CR_BAD_DATA, "%s: %s is wrong at %d of %d places%s: %g where plain sums give %g", text,
                   cr_conv_plan_name(plan), n_wrong, CR_TRIAL_PLACES, how, found[first].result, found[first].sum);
}

static const struct cr_conv_verdict *find_verdict(const cr_conv_trial *trial, const cr_conv_plan *plan)
{
    for (const struct cr_conv_verdict *v = trial->cuda->verdicts; v; v = v->next)
        if (v->pass == trial->pass && cr_conv_shape_is_same(&v->shape, trial->shape) &&
            !strcmp(v->name, cr_conv_plan_name(plan)))
            return v;
    return NULL;
}

/* Without memory it is tried again, which harms nobody. */
static void remember(const cr_conv_trial *trial, const cr_conv_plan *plan, bool is_right)
{
    const char *name = cr_conv_plan_name(plan);
    struct cr_conv_verdict *verdict = malloc(sizeof *verdict + strlen(name) + 1);
    if (!verdict)
        return;
    verdict->next = trial->cuda->verdicts;
    verdict->shape = *trial->shape;
    verdict->pass = trial->pass;
    verdict->is_right = is_right;
    strcpy(verdict->name, name);
    trial->cuda->verdicts = verdict;
}

void cr_conv_trials_forget(cr_cuda *cuda)
{
    while (cuda->verdicts) {
        struct cr_conv_verdict *next = cuda->verdicts->next;
        free(cuda->verdicts);
        cuda->verdicts = next;
    }
}

/* NaNs: what is not written is wrong, and so is what counts on a clean workspace, as it is never again. */
static cr_status poison(const cr_conv_trial *trial, void *result)
{
    cr_status status = CR_OK;
    const cr_conv_shape *shape = trial->shape;
    cudaStream_t stream = trial->cuda->stream;
    size_t bytes = (size_t)count_of(shape, trial->pass) * number_bytes(shape);
    CR_TRY(cr_cuda_check(cudaMemsetAsync(result, 0xff, bytes, stream), "a convolution's trial"));
    if (trial->workspace)
        CR_TRY(cr_cuda_check(cudaMemsetAsync(trial->workspace, 0xff, trial->workspace_bytes, stream),
                             "a convolution's trial"));
done:
    return status;
}

/* As a training runs it from its second step on. */
static cr_status run_from_graph(const cr_conv_trial *trial, const cr_conv_plan *plan)
{
    cr_status status = CR_OK;
    cudaStream_t capture = trial->cuda->capture;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t captured = NULL;
    CR_TRY(cr_cuda_check(cudaStreamBeginCapture(capture, cudaStreamCaptureModeThreadLocal), "a captured trial"));
    status = run(trial, plan, capture);
    cudaError_t ended = cudaStreamEndCapture(capture, &graph); /* also after a failure */
    CR_TRY(status);
    CR_TRY(cr_cuda_check(ended, "a captured trial"));
    CR_TRY(cr_cuda_check(cudaGraphInstantiate(&captured, graph, 0), "a captured trial"));
    CR_TRY(cr_cuda_check(cudaGraphLaunch(captured, trial->cuda->stream), "a captured trial"));
    CR_TRY(cr_cuda_check(cudaStreamSynchronize(trial->cuda->stream), cr_conv_plan_name(plan)));
done:
    if (captured)
        cudaGraphExecDestroy(captured);
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

static cr_status try_once(cr_conv_trial *trial, const cr_conv_plan *plan, bool from_graph)
{
    cr_status status = CR_OK;
    cudaStream_t stream = trial->cuda->stream;
    cr_trial_found found[CR_TRIAL_PLACES];
    const cr_trial_job job = {.shape = *trial->shape,
                              .pass = trial->pass,
                              .x = trial->x,
                              .w = trial->w,
                              .y = trial->y,
                              .found = trial->found};
    CR_TRY(poison(trial, *array_of(trial, trial->pass)));
    CR_TRY(from_graph ? run_from_graph(trial, plan) : run(trial, plan, stream));
    cr_kernel_trial_sums(&job, stream);
    CR_TRY(cr_cuda_check(cudaMemcpyAsync(found, trial->found, sizeof found, cudaMemcpyDeviceToHost, stream),
                         cr_conv_plan_name(plan)));
    CR_TRY(cr_cuda_check(cudaStreamSynchronize(stream), cr_conv_plan_name(plan)));
    CR_TRY(judge(trial, plan, from_graph ? " in a captured run" : "", found));
done:
    return status;
}

cr_status cr_conv_trial_check(cr_conv_trial *trial, const cr_conv_plan *plan)
{
    cr_status status = CR_OK;
    const struct cr_conv_verdict *known = find_verdict(trial, plan);
    trial->is_news = !known;
    if (known)
        return known->is_right ? CR_OK : cr_fail(CR_BAD_DATA, "%s was found to be wrong", cr_conv_plan_name(plan));
    CR_TRY(prepare(trial, plan));
    CR_TRY(allocate(CR_TRIAL_PLACES * sizeof(cr_trial_found), &trial->found));
    CR_TRY(try_once(trial, plan, false)); /* the first time, a library may load what no capture allows */
    CR_TRY(try_once(trial, plan, true));
done:
    if (status == CR_OK || status == CR_BAD_DATA)
        remember(trial, plan, status == CR_OK);
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
