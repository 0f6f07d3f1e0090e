/* Weights, dense layers, loss, and what goes over the whole state: everything of the size that ResNet-18 has. */
#include "device_kernels.h"

#include <stdio.h>
#include <string.h>

KERNELS_LAUNCHER(product)
KERNELS_LAUNCHER(dense_mask)
KERNELS_LAUNCHER(loss)
KERNELS_LAUNCHER(update)

/* ---- weights of all convolutions ---- */

enum {
    MAX_CONVOLUTIONS = 32
};

typedef struct weights { /* what a step launches for them, as cuda_convolution.c does */
    cr_weights_job jobs[MAX_CONVOLUTIONS];
    int n;
    double bytes;
} weights;

static void pack(const void *job, cudaStream_t stream)
{
    const weights *w = job;
    cr_kernel_weights_pack(w->jobs, w->n, stream);
}

static void unpack(const void *job, cudaStream_t stream)
{
    const weights *w = job;
    for (int c = 0; c < w->n; c++)
        cr_kernel_weights_unpack(&w->jobs[c], stream);
}

static cr_status measure_weights(kernels *k, float *state)
{
    cr_status status = CR_OK;
    const cr_net *net = k->net;
    weights w = {.n = 0};
    for (int l = 0; l < net->n_layers && w.n < MAX_CONVOLUTIONS; l++) {
        const cr_layer *layer = &net->layers[l];
        int64_t in = net->values[layer->src].channels, out = net->values[layer->dst].channels;
        if (layer->kind != CR_LAYER_CONV)
            continue;
        cr_weights_job *job = &w.jobs[w.n++];
        *job = (cr_weights_job){.state = state + net->tensors[layer->weight].offset,
                                .out = out,
                                .in = in,
                                .out_padded = (out + 7) / 8 * 8,
                                .in_padded = (in + 7) / 8 * 8,
                                .area = layer->kernel * layer->kernel,
                                .bf16 = true};
        int64_t packed = 2 * job->out_padded * job->in_padded * job->area;
        CR_TRY(kernels_take(k, packed, KERNELS_HALVES, &job->packed));
        w.bytes += (double)(packed + 4 * out * in * job->area);
    }
    CR_TRY(kernels_measure(k, "weights_pack", "all layers", w.bytes, pack, &w));
    CR_TRY(kernels_measure(k, "weights_unpack", "all layers", w.bytes, unpack, &w));
done:
    return status;
}

/* ---- the head ---- */

static cr_status measure_product(const kernels *k, const char *kernel, const cr_product_job *job)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%dx%dx%d", (int)job->m, (int)job->n, (int)job->k);
    double bytes = 4.0 * (double)(job->m * job->k + job->k * job->n + job->m * job->n);
    return kernels_measure(k, kernel, shape, bytes, product, job);
}

static cr_status measure_dense(kernels *k)
{
    static const int64_t layers[][2] = {{544, 256}, {256, KERNELS_CLASSES}}; /* in, out */
    cr_status status = CR_OK;
    float *x = NULL, *y = NULL, *w = NULL;
    CR_TRY(kernels_take(k, k->n * 544 * 4, KERNELS_FLOATS, &x));
    CR_TRY(kernels_take(k, k->n * 256 * 4, KERNELS_FLOATS, &y));
    CR_TRY(kernels_take(k, 544 * 256 * 4, KERNELS_FLOATS, &w));
    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
        const int64_t in = layers[l][0], out = layers[l][1];
        char shape[48];
        cr_product_job forward = {.a = x,
                                  .b = w,
                                  .bias = k->channels[0],
                                  .c = y,
                                  .m = k->n,
                                  .n = out,
                                  .k = in,
                                  .b_transposed = true,
                                  .relu = true};
        cr_dense_mask_job mask = {.y = y, .dy = y, .d_bias = k->channels[1], .n = k->n, .width = out};
        cr_product_job gradient = {.a = y, .b = x, .c = w, .m = out, .n = in, .k = k->n, .a_transposed = true};
        cr_product_job data = {.a = y, .b = w, .c = x, .m = k->n, .n = in, .k = out};
        snprintf(shape, sizeof shape, "%dx%d", (int)k->n, (int)out);
        CR_TRY(measure_product(k, "dense_forward", &forward));
        CR_TRY(kernels_measure(k, "dense_mask", shape, 12.0 * (double)(k->n * out), dense_mask, &mask));
        CR_TRY(measure_product(k, "dense_weights", &gradient));
        CR_TRY(measure_product(k, "dense_data", &data));
    }
done:
    return status;
}

static cr_status measure_loss(kernels *k)
{
    cr_status status = CR_OK;
    char shape[48];
    union {
        cr_batch_head head;
        float floats[sizeof(cr_batch_head) / sizeof(float)];
    } host = {.head = {.loss = {.label_smoothing = 0.05, .weight_sum = (double)k->n}}};
    cr_loss_job job = {.n = k->n, .n_classes = KERNELS_CLASSES};
    void *head = NULL;
    const double numbers = (double)(k->n * KERNELS_CLASSES);
    CR_TRY(kernels_take(k, sizeof host, KERNELS_ZEROS, &head));
    CR_TRY(cr_memory_write(k->memory, host.floats, (int64_t)(sizeof host.floats / sizeof(float)), head));
    job.head = head;
    CR_TRY(kernels_take(k, (int64_t)numbers * 4, KERNELS_FLOATS, &job.logits));
    CR_TRY(kernels_take(k, k->n * 4, KERNELS_ZEROS, &job.labels));
    CR_TRY(kernels_take(k, k->n * 8, KERNELS_ZEROS, &job.losses));
    CR_TRY(kernels_take(k, (int64_t)numbers * 4, KERNELS_ZEROS, &job.dlogits));
    snprintf(shape, sizeof shape, "%dx%d", (int)k->n, KERNELS_CLASSES);
    CR_TRY(kernels_measure(k, "loss", shape, 8 * numbers + 12 * (double)k->n, loss, &job));
done:
    return status;
}

/* ---- large arrays ---- */

typedef struct whole { /* arrays of the state's length */
    int64_t n;
    float *left, *right;
    double *work;
} whole;

static void tree_add(const void *job, cudaStream_t stream)
{
    const whole *w = job;
    cr_kernel_add(w->n, w->left, w->right, w->left, stream);
}

static void sum_of_squares(const void *job, cudaStream_t stream)
{
    const whole *w = job;
    cr_kernel_sum_of_squares(w->n, w->left, w->work + 1, w->work, stream);
}

static cr_status measure_update(kernels *k, float *state, const float *gradient)
{
    cr_status status = CR_OK;
    const cr_optimizer_params adam = {
        .kind = CR_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .gradient_scale = 1.0};
    const cr_optimizer_span span = {.begin = 0, .end = k->net->n_params, .lr_factor = 1.0, .weight_decay = 1e-4};
    union {
        cr_update_span span;
        float floats[sizeof(cr_update_span) / sizeof(float)];
    } host = {
        .span = {.begin = 0, .end = span.end, .is_adam = true, .adam = cr_adam_factors_make(&adam, &span, 1, 1e-5)}};
    void *spans = NULL;
    int64_t n = k->net->n_params;
    cr_update_job job = {.n_spans = 1,
                         .step = 1,
                         .n_params = n,
                         .n_stats = k->net->n_stats,
                         .n_micro = 1,
                         .gradient = gradient,
                         .weights = state};
    CR_TRY(kernels_take(k, sizeof host, KERNELS_ZEROS, &spans));
    CR_TRY(cr_memory_write(k->memory, host.floats, (int64_t)(sizeof host.floats / sizeof(float)), spans));
    job.spans = spans;
    for (int m = 0; m < 2; m++)
        CR_TRY(kernels_take(k, (n + k->net->n_stats) * 4, KERNELS_ZEROS, &job.moments[m]));
    CR_TRY(kernels_measure(k, "update", "AdamW, all parameters", 7 * 4.0 * (double)n, update, &job));
done:
    return status;
}

cr_status kernels_measure_state(kernels *k)
{
    cr_status status = CR_OK;
    whole w = {.n = k->net->n_params + k->net->n_stats};
    double bytes = 4.0 * (double)w.n;
    CR_TRY(kernels_take(k, w.n * 4, KERNELS_FLOATS, &w.left));
    CR_TRY(kernels_take(k, w.n * 4, KERNELS_FLOATS, &w.right));
    CR_TRY(kernels_take(k, (int64_t)cr_squares_work_bytes(w.n) + 8, KERNELS_ZEROS, &w.work));
    CR_TRY(measure_weights(k, w.left));
    CR_TRY(measure_dense(k));
    CR_TRY(measure_loss(k));
    CR_TRY(measure_update(k, w.left, w.right));
    CR_TRY(kernels_measure(k, "sum_of_squares", "all parameters", bytes, sum_of_squares, &w));
    CR_TRY(kernels_measure(k, "tree_add", "all parameters", 3 * bytes, tree_add, &w));
done:
    return status;
}
