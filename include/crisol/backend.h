/* The seam: a backend compiles a net for one micro-batch into a *program*, which then runs without allocating.
 *
 * A program belongs to the thread that created it (oneDNN ties kernels to a thread count) and owns its memory. Several
 * programs, one a worker, read one shared state. The arithmetic of a program is a pure function of (state, batch): the
 * same bits on every worker, rank and call.
 *
 * State, gradient, moments and average lie in the backend's memory (cr_backend_memory), which only the backend and that
 * memory's operations may look into; batches and results are the host's. */
#ifndef CRISOL_BACKEND_H
#define CRISOL_BACKEND_H

#include "crisol/augment.h"
#include "crisol/buckets.h"
#include "crisol/memory.h"
#include "crisol/net.h"
#include "crisol/optim.h"
#include "crisol/plans.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

typedef struct cr_backend cr_backend;
typedef struct cr_program cr_program;

typedef enum cr_precision {
    CR_PRECISION_F32,
    CR_PRECISION_BF16 /* bf16 activations and what convolutions read of them; float32 sums, master weights, moments,
                         statistics, logits and loss */
} cr_precision;

typedef enum cr_convolution {
    CR_CONVOLUTION_AUTO,  /* Winograd where there is one and it pays */
    CR_CONVOLUTION_DIRECT /* float32: rounds four to five times finer, about half as fast */
} cr_convolution;

typedef struct cr_program_params {
    int64_t micro_batch; /* samples, ≥ 1; part of the arithmetic */
    bool training;       /* forward + backward with batch statistics; otherwise evaluation with running statistics */
    cr_precision precision;
    cr_convolution convolution;
    int n_threads;      /* of this worker, ≥ 1; part of the arithmetic (oneDNN's weight gradients) */
    int frozen_layers;  /* training: the first so many layers of the net are frozen: their batch norms use the running
                           statistics, and their part of the gradient, statistics too, is 0 */
    bool profile;       /* time each layer (cr_program_times) */
    cr_buckets buckets; /* training: where a device's program sets marks, each where all of a bucket is written, for
                           cr_memory_follow(); none: it sets none */
} cr_program_params;

typedef struct cr_loss {        /* weighted softmax cross-entropy with label smoothing, torch.nn.CrossEntropyLoss */
    const float *class_weights; /* [n_classes], or null for ones */
    double label_smoothing;     /* 0 ≤ e < 1 */
    double weight_sum;  /* S > 0, over the *global* batch: Σ class_weights[label], or with targets the number of
                           samples, as PyTorch does with class probabilities */
    double focal_gamma; /* ≥ 0; 0: none */
} cr_loss;

typedef struct cr_batch {       /* one micro-batch; all arrays are borrowed: for an evaluation for the call, in training
                                   until cr_program_wait() */
    const uint8_t *images;      /* [micro_batch, size, size, 3], RGB; null when the net uses no image */
    const int64_t *places;      /* null, or [micro_batch]: `images` is an array of the backend's memory, any number of
                                   images, of which sample i's is number places[i]; cr_backend_keeps_images() */
    bool images_pinned;         /* `images` lie in a pinned array of the backend's memory: a device may read them there,
                                   as late as they are borrowed, and needs no copy */
    const float *metadata;      /* [micro_batch, n_features], encoded; null when the net uses none */
    const cr_augment *augments; /* [micro_batch], or null: none */
    const int32_t *labels;      /* [micro_batch], training only */
    const float *targets;       /* [micro_batch, n_classes], or null: each label for certain; training only */
    const cr_mix *mixes;        /* [micro_batch], or null: no sample is mixed with another */
    const int64_t *samples;     /* [micro_batch], sample numbers: the dropout masks' keys, training only */
    uint64_t seed, epoch; /* of the dropout masks: Philox (seed, CR_RNG_DROPOUT, epoch, sample), layer after layer */
    uint64_t
        state_version; /* changes whenever the state's numbers changed: a program may keep what it derived from them */
    const cr_loss *loss; /* training only */
} cr_batch;

typedef struct cr_batch_result { /* the caller's arrays, filled by cr_program_train, at the latest when it is waited for
                                  */
    float *logits;               /* [micro_batch, n_classes] */
    double *losses;              /* [micro_batch]: numerator of the loss, so that loss = Σ losses / weight_sum */
} cr_batch_result;

/* What a backend implements. Required slots first. `context` is the backend's own. */
typedef struct cr_backend_ops {
    const char *name; /* "cpu", "cuda" */
    cr_status (*program_create)(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                cr_program **program);
    void (*program_destroy)(cr_program **program);
    cr_status (*train)(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                       cr_batch_result *result);
    cr_status (*evaluate)(cr_program *program, const float *state, const cr_batch *batch, float *logits);
    void (*destroy)(cr_backend **backend);
    /* Optional: null means that the native layout is the canonical one. Both arrays are the host's. */
    void (*state_import)(cr_backend *backend, const cr_net *net, const float *canonical, float *native);
    void (*state_export)(cr_backend *backend, const cr_net *net, const float *native, float *canonical);
    /* Optional: a line of facts a layer (which kernel), for the record; null result when absent. */
    struct json_t *(*program_describe)(const cr_program *program);
    /* Optional: cr_program_times(). */
    struct json_t *(*program_times)(const cr_program *program);
    const char *(*library)(const cr_backend *backend); /* "oneDNN 2.6.3, AVX512_CORE_AMX" */
    /* Optional: null means the host's memory. A backend with another one has all four, and one worker a rank. */
    const cr_memory *(*memory)(const cr_backend *backend);
    cr_status (*wait)(cr_program *program); /* null: `train` and `evaluate` return when they are done */
    cr_status (*update)(cr_backend *backend, const cr_update *update);
    cr_status (*sum_of_squares)(cr_backend *backend, const float *values, int64_t n, double *sum);
    /* Optional, both or none: engines of convolutions by a table (plans.h). */
    const cr_plan_target *(*plan_target)(const cr_backend *backend);
    void (*use_plans)(cr_backend *backend, cr_plans *plans, bool measures);
    bool keeps_images; /* cr_backend_keeps_images(); its memory says what room there is */
} cr_backend_ops;

struct cr_backend {
    const cr_backend_ops *ops;
    void *context;
};

/* The head of every program. A backend allocates it (alone, with its own part in `context`, or as the first member of
 * its own struct) and frees it; cr_program_create fills `backend`, `net` and `params` after the backend's creation. */
struct cr_program {
    cr_backend *backend;
    const cr_net *net;
    cr_program_params params;
    void *context;
};

/* The CPU backend (oneDNN). Errors: CR_INTERNAL where oneDNN fails. */
CR_NODISCARD cr_status cr_backend_open_cpu(cr_backend **backend);

#if CRISOL_CUDA
enum {
    CR_CUDA_MAX_DEVICES = 64
};
typedef struct cr_cuda_device {
    char name[128]; /* "NVIDIA H200" */
    char uuid[48];  /* "GPU-d0f9…", the same in every process and container that sees it */
} cr_cuda_device;
typedef struct cr_cuda_devices {
    int n; /* GPUs that this process can compute on */
    cr_cuda_device devices[CR_CUDA_MAX_DEVICES];
    bool is_half_there; /* n is 0, though there is a driver: something is missing or broken */
    char why_not[512];  /* n is 0: why, in one line; otherwise empty */
} cr_cuda_devices;
/* What this process can compute on: asks driver and devices, and opens the libraries that the backend needs. Never
 * fails: a machine without a driver has none. Local. */
void cr_cuda_devices_find(cr_cuda_devices *found);
/* Opens the libraries of the CUDA backend; later calls do nothing. Errors: CR_MISSING in one line. Local. */
CR_NODISCARD cr_status cr_cuda_libraries_open(void);
/* The CUDA backend on device 0 … n-1, which becomes the calling thread's current one. Errors: CR_MISSING, CR_INTERNAL
 * with CUDA's text. Local. */
CR_NODISCARD cr_status cr_backend_open_cuda(int device, cr_backend **backend);
#endif
void cr_backend_close(cr_backend **backend);

/* The backends of this build. Opening one may fail for want of hardware, with a line that says what is missing. */
typedef struct cr_backend_kind {
    const char *name; /* "cpu" */
    cr_status (*open)(cr_backend **backend);
} cr_backend_kind;
const cr_backend_kind *cr_backend_kinds(int *n);
const char *cr_backend_name(const cr_backend *backend);
const char *cr_backend_library(const cr_backend *backend);
/* Where arrays for this backend are to be allocated; lives as long as it. */
const cr_memory *cr_backend_memory(const cr_backend *backend);
/* What this backend's plans of convolutions belong to; null: it has no choice of engines. */
const cr_plan_target *cr_backend_plan_target(const cr_backend *backend);
/* Programs created from now on take the engines that `plans` (borrowed until the next call, or the backend's end) has
 * for the target. Those that it lacks: with `measures` each is measured and joins the table, otherwise a fixed rule
 * chooses, as it does for all without this call. Does nothing where there is no choice. Local. */
void cr_backend_use_plans(cr_backend *backend, cr_plans *plans, bool measures);
/* Whether images may lie in that memory, written once, and a batch may name its own by their places there. */
bool cr_backend_keeps_images(const cr_backend *backend);

/* Must be called in the thread that will run the program. Net and backend must outlive it. Errors: CR_BAD_CONFIG when
 * the machine cannot do what is asked (bf16 without instructions for it), or when a batch norm would see one value a
 * channel in training (micro_batch · height · width = 1), saying what to set instead; CR_BAD_DATA when a table of plans
 * names an engine that is not there or must not be taken. */
CR_NODISCARD cr_status cr_program_create(cr_backend *backend, const cr_net *net, const cr_program_params *params,
                                         cr_program **program);
void cr_program_destroy(cr_program **program);

/* Forward, loss and backward of one micro-batch. `state` and `gradient` (fully overwritten): n_params + n_stats floats
 * of the backend's memory, native layout, 64-byte aligned. May return before it is done: what is called of the memory
 * afterwards finds the gradient there, and cr_program_wait() waits for the batch to be used and the result written. The
 * gradient is that of Σ losses / weight_sum; its statistics part receives (mean, unbiased variance). Non-finite numbers
 * are not an error here. Errors: CR_BAD_DATA when weight_sum is not above 0 (every target has class weight 0) or a
 * label is not a class; CR_INTERNAL. */
CR_NODISCARD cr_status cr_program_train(cr_program *program, const float *state, const cr_batch *batch, float *gradient,
                                        cr_batch_result *result);
/* Waits for the former cr_program_train calls. Errors: theirs. */
CR_NODISCARD cr_status cr_program_wait(cr_program *program);
/* Logits [micro_batch, n_classes] with running statistics; no dropout. Blocking. */
CR_NODISCARD cr_status cr_program_evaluate(cr_program *program, const float *state, const cr_batch *batch,
                                           float *logits);

/* Between a whole state, gradient or moment array (n_params + n_stats floats) of the backend's memory in its native
 * layout and one of the host in the canonical layout (OIHW, row-major). Errors: those of the memory. */
CR_NODISCARD cr_status cr_backend_state_import(cr_backend *backend, const cr_net *net, const float *canonical,
                                               float *native);
CR_NODISCARD cr_status cr_backend_state_export(cr_backend *backend, const cr_net *net, const float *native,
                                               float *canonical);

/* What follows a step's gradient, on arrays of the backend's memory: cr_sum_of_squares() (blocking), and the whole of
 * cr_update_share(), which a backend without its own form runs on `workers`. */
CR_NODISCARD cr_status cr_backend_sum_of_squares(cr_backend *backend, const float *values, int64_t n, double *sum);
CR_NODISCARD cr_status cr_backend_update(cr_backend *backend, cr_workers *workers, const cr_update *update);

struct json_t *cr_program_describe(const cr_program *program);
/* With params.profile: mean time of a micro-batch since creation by step, in order: an array of {"layer", "kind",
 * "kernel", "forward_ms", "backward_ms"}, new reference; null when the backend does not say. */
struct json_t *cr_program_times(const cr_program *program);
/* Prints them. */
void cr_program_profile(const cr_program *program);

/* The loss of one micro-batch, in double inside, results rounded once: losses[i] as in cr_batch_result, dlogits [n,
 * n_classes] = gradient of Σ losses / weight_sum. Source: torch.nn.CrossEntropyLoss (weight, label_smoothing, mean):
 * loss_i = (1-e)·(-w[y]·l[y]) + (e/K)·Σ_c -w[c]·l[c], l = log-softmax. In general loss_i = Σ_c -a[c]·(1-p[c])^γ·l[c]
 * with a[c] = w[c]·((1-e)·t[c] + e/K), where t is the label's or the row of `targets` (null: none); without smoothing
 * and targets that is the focal loss of Lin et al. 2017 with the class weights as α. dlogits may be null. Local. */
void cr_loss_evaluate(const cr_loss *loss, int64_t n, int64_t n_classes, const float *logits, const int32_t *labels,
                      const float *targets, double *losses, float *dlogits);

/* What mixing makes of numbers: one sample's planes [3, size, size] (normalised, erased) with those of its partner, and
 * the encoded metadata [n, width] of a micro-batch. Each output is distinct from the inputs. Local. */
void cr_mix_planes(const cr_mix *mix, int64_t size, const float *own, const float *partner, float *out);
void cr_mix_metadata(const cr_mix *mixes, int64_t n, int64_t width, const float *metadata, float *out);

/* Dropout mask of one layer for one sample: keep[i] = 1 or 0 for `n` units; the stream is that of (seed,
 * CR_RNG_DROPOUT, epoch, sample) with the layer's index in the net as the counter's high part, so every backend draws
 * the same mask. */
void cr_dropout_mask(uint64_t seed, uint64_t epoch, int64_t sample, int layer, double probability, int64_t n,
                     uint8_t *keep);

#endif
