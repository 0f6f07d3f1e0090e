/* One training step's gradient of ResNet-18 at its real size, tensor by tensor, against the CPU's in float32: the
 * engines that a real shape gets are others than those of the suite's small nets. Prints a line of JSON a run, and the
 * tensors that are farthest away; exit code 1 when one is farther than its precision explains. */
#include "crisol/net.h"

#include "formula.h"
#include "fusion_case.h"
#include "open_device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLASSES = 8,
    SHOWN = 3,
    MOST_TENSORS = 256
};

typedef struct options {
    const char *device;
    cr_precision precision;
    bool measures;
    int64_t size, n;
} options;

typedef struct inputs { /* the same on both sides */
    cr_net *net;
    float *state;
    uint8_t *images;
    int32_t *labels;
    int64_t *samples;
    cr_loss loss;
} inputs;

static cr_status make_inputs(const options *o, inputs *in)
{
    cr_status status = CR_OK;
    cr_fusion_params params = {
        .backbone = "resnet18", .inputs = CR_INPUTS_IMAGE, .image_size = o->size, .n_classes = CLASSES};
    CR_TRY(cr_net_create_fusion(&params, &in->net));
    in->state = aligned_floats(in->net->n_params + in->net->n_stats);
    in->images = malloc((size_t)(o->n * o->size * o->size * 3));
    in->labels = calloc((size_t)o->n, sizeof *in->labels);
    in->samples = calloc((size_t)o->n, sizeof *in->samples);
    if (!in->images || !in->labels || !in->samples)
        return cr_fail_memory("a batch", (size_t)(o->n * o->size * o->size * 3));
    formula_state(in->net, 1, in->state);
    formula_images(o->n, o->size, 1, in->images);
    formula_labels(o->n, CLASSES, 1, in->labels);
    in->loss = (cr_loss){.weight_sum = (double)o->n};
done:
    return status;
}

static void free_inputs(inputs *in)
{
    cr_net_destroy(&in->net);
    free(in->state);
    free(in->images);
    free(in->labels);
    free(in->samples);
}

/* Of the second run, which a device plays back from a graph, with what trainings allow of convolutions; the CPU's are
 * direct. */
static cr_status compute(cr_backend *backend, const options *o, cr_precision precision, const inputs *in,
                         float *gradient)
{
    cr_status status = CR_OK;
    const cr_memory *memory = cr_backend_memory(backend);
    bool is_cpu = cr_memory_is_host(memory);
    cr_program *program = NULL;
    int64_t n = in->net->n_params + in->net->n_stats;
    float *native = NULL, *found = NULL, *logits = aligned_floats(o->n * CLASSES);
    double *losses = calloc((size_t)o->n, sizeof *losses);
    cr_program_params params = {.micro_batch = o->n,
                                .training = true,
                                .precision = precision,
                                .convolution = is_cpu ? CR_CONVOLUTION_DIRECT : CR_CONVOLUTION_AUTO,
                                .n_threads = 1};
    cr_batch batch = {.images = in->images,
                      .labels = in->labels,
                      .samples = in->samples,
                      .seed = 1,
                      .state_version = 1,
                      .loss = &in->loss};
    CR_TRY(losses ? CR_OK : cr_fail_memory("losses", (size_t)o->n * sizeof *losses));
    CR_TRY(cr_memory_allocate(memory, n, "a state", &native));
    CR_TRY(cr_memory_allocate(memory, n, "a gradient", &found));
    CR_TRY(cr_backend_state_import(backend, in->net, in->state, native));
    CR_TRY(cr_program_create(backend, in->net, &params, &program));
    for (int turn = is_cpu; turn < 2; turn++)
        CR_TRY(cr_program_train(program, native, &batch, found, &(cr_batch_result){logits, losses}));
    CR_TRY(cr_program_wait(program));
    CR_TRY(cr_backend_state_export(backend, in->net, found, gradient));
done:
    cr_program_destroy(&program);
    cr_memory_release(memory, &native);
    cr_memory_release(memory, &found);
    free(logits);
    free(losses);
    return status;
}

typedef struct gap {
    const char *tensor;
    double distance; /* |a - b| / |b|, Euclidean: √2 between gradients that have nothing in common */
} gap;

static int by_distance(const void *a, const void *b)
{
    double x = ((const gap *)a)->distance, y = ((const gap *)b)->distance;
    return (x < y) - (x > y);
}

/* Largest first. A tensor of zeros is as far away as can be unless it is zeros on both sides. */
static int find_gaps(const cr_net *net, const float *a, const float *b, gap gaps[MOST_TENSORS])
{
    int n = 0;
    for (int t = 0; t < net->n_tensors && n < MOST_TENSORS; t++) {
        double difference = 0, size = 0;
        for (int64_t i = net->tensors[t].offset; i < net->tensors[t].offset + net->tensors[t].count; i++) {
            difference += pow((double)a[i] - (double)b[i], 2);
            size += pow((double)b[i], 2);
        }
        gaps[n++] = (gap){net->tensors[t].name, difference == 0 ? 0 : size > 0 ? sqrt(difference / size) : INFINITY};
    }
    qsort(gaps, (size_t)n, sizeof *gaps, by_distance);
    return n;
}

/* Bounds: float32 differs by the order of sums, and by ReLUs and maxima that fall on another side for it (measured
 * between CPUs' direct and Winograd convolutions: 2.3e-3 at 224 × 224, 1.8e-2 at 128 × 128). bf16 rounds every value to
 * 2^-9 (measured on a CPU: 0.53 for a norm's shift, whose gradient is a sum that nearly cancels). */
static bool judge(const options *o, const char *label, const inputs *in, const float *found, const float *wanted)
{
    gap gaps[MOST_TENSORS];
    int n = find_gaps(in->net, found, wanted, gaps);
    bool bf16 = o->precision == CR_PRECISION_BF16;
    double allowed = bf16 ? 0.9 : 0.05;
    bool good = n > 0 && gaps[0].distance <= allowed; /* NaN is not */
    printf("{\"what\": \"gradients\", \"device\": \"%s\", \"precision\": \"%s\", \"plans\": \"%s\", \"size\": %lld, "
           "\"micro_batch\": %lld, \"tensors\": %d, \"allowed\": %g, \"farthest\": [",
           label, bf16 ? "bf16" : "f32", o->measures ? "measure" : "rule", (long long)o->size, (long long)o->n, n,
           allowed);
    for (int i = 0; i < SHOWN && i < n; i++)
        printf("%s{\"tensor\": \"%s\", \"distance\": %.2e}", i ? ", " : "", gaps[i].tensor, gaps[i].distance);
    printf("]}\n");
    return good;
}

static cr_status run(const options *o, cr_backend **backend, bool *good)
{
    cr_status status = CR_OK;
    char label[160], cpu_label[160];
    cr_backend *cpu = NULL;
    cr_plans plans = {0};
    inputs in = {0};
    float *found = NULL, *wanted = NULL;
    CR_TRY(open_device(o->device, backend, label));
    CR_TRY(open_device("cpu", &cpu, cpu_label));
    CR_TRY(make_inputs(o, &in));
    found = aligned_floats(in.net->n_params + in.net->n_stats);
    wanted = aligned_floats(in.net->n_params + in.net->n_stats);
    if (o->measures)
        cr_backend_use_plans(*backend, &plans, true);
    CR_TRY(compute(*backend, o, o->precision, &in, found));
    CR_TRY(compute(cpu, o, CR_PRECISION_F32, &in, wanted));
    *good = judge(o, label, &in, found, wanted);
done:
    free(found);
    free(wanted);
    free_inputs(&in);
    cr_backend_close(&cpu);
    if (o->measures && *backend)
        cr_backend_use_plans(*backend, NULL, false);
    cr_plans_clear(&plans);
    return status;
}

int main(int argc, char **argv)
{
    options o = {.device = "cuda", .size = 224, .n = 8};
    cr_backend *backend = NULL;
    bool good = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            o.device = argv[i + 1];
        else if (strcmp(argv[i], "--precision") == 0)
            o.precision = strcmp(argv[i + 1], "bf16") == 0 ? CR_PRECISION_BF16 : CR_PRECISION_F32;
        else if (strcmp(argv[i], "--plans") == 0)
            o.measures = strcmp(argv[i + 1], "measure") == 0;
        else if (strcmp(argv[i], "--size") == 0)
            o.size = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--micro-batch") == 0)
            o.n = atoll(argv[i + 1]);
    }
    if (argc % 2 == 0 || o.size < 1 || o.n < 1 || o.size > 1024 || o.n > 1024) {
        fprintf(stderr, "usage: device_gradients [--device cpu|cuda] [--precision f32|bf16] [--plans rule|measure]\n"
                        "                        [--size 224] [--micro-batch 8]\n");
        return CR_USAGE;
    }
    cr_status status = run(&o, &backend, &good);
    int code = device_exit_code("device_gradients", backend, status);
    cr_backend_close(&backend);
    return code ? code : !good;
}
