/* The own kernels' launchers. All pointers are the device's. Each returns after queueing; what goes wrong is seen by
 * the next cudaGetLastError() or wait.
 *
 * A *spatial* value is [n, height, width, channels] with channels padded by zeros to a multiple of CR_EIGHT, float32 or
 * bf16; `pixels` = n·height·width. A *plain* value is [n, channels, height, width] float32, unpadded. Channel arrays
 * (mean, scale, …) have the padded length. */
#ifndef CRISOL_BACKEND_CUDA_KERNELS_H
#define CRISOL_BACKEND_CUDA_KERNELS_H

#include "augment_frame.h"

#include "crisol/backend.h"
#include "crisol/optim_element.h"
#include "crisol/plans.h"

#include <cuda_runtime_api.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* ---- input ---- */

typedef struct cr_batch_head { /* what of a batch is no array; its pointers are the device's */
    cr_loss loss;
    const float *targets; /* [n, n_classes], or null */
    uint64_t seed, epoch;
} cr_batch_head;

typedef struct cr_sample_plan { /* what is drawn once a sample, before its pixels */
    cr_frame frame;
    bool resamples;
    float mean_grey;
} cr_sample_plan;

enum {
    CR_BLOCK_PIXEL = 4,                        /* numbers of a pixel in a block of two by two: three colours and a 0 */
    CR_BLOCK_CHANNELS = 2 * 2 * CR_BLOCK_PIXEL /* of a block: [row of two][column of two][CR_BLOCK_PIXEL] */
};

typedef struct cr_augment_job {
    const uint8_t *images;      /* [n, size, size, 3], or any number of them with … */
    const int64_t *places;      /* [n]: which of them is a sample's, or null: as they come */
    const cr_augment *augments; /* [n], or null: none */
    const cr_mix *mixes;        /* [n], or null */
    cr_sample_plan *plans;      /* [n], work */
    void *out;                  /* spatial [n, size, size, CR_EIGHT], or … */
    bool blocks;                /* [n, side, side, CR_BLOCK_CHANNELS], side = before + size/2 + behind */
    bool bf16;
    int64_t n, size;
    int64_t before, behind; /* blocks of zeros */
    float mean[3], deviation[3];
} cr_augment_job;
void cr_kernel_augment(const cr_augment_job *job, cudaStream_t stream);

/* cr_mix_metadata(), or a copy when mixes is null. */
typedef struct cr_metadata_job {
    const float *metadata;
    const cr_mix *mixes;
    float *out;
    int64_t n, width;
} cr_metadata_job;
void cr_kernel_metadata(const cr_metadata_job *job, cudaStream_t stream);

/* ---- batch norm with everything around it; formulas: norm_element.h ---- */

typedef enum cr_mask_from { /* where ReLU's argument was positive */
    CR_MASK_FROM_NOTHING,   /* no ReLU: everywhere */
    CR_MASK_FROM_X,         /* the sign of z, computed again (there was no add) */
    CR_MASK_FROM_Y          /* the sign of y */
} cr_mask_from;

typedef struct cr_norm_arrays { /* z = (x - mean)·scale + shift; inverse = 1/√(variance + eps), 1 without a norm */
    float *mean, *scale, *shift, *inverse;
} cr_norm_arrays;

typedef struct cr_norm_job {
    const void *x, *y, *g0, *g1, *add;
    void *out; /* y, dz or dx */
    cr_norm_arrays arrays;
    const float *k1, *k2;
    double *partials; /* [chunks, channels, 2], work: cr_norm_partials_bytes() */
    int64_t pixels, channels;
    cr_mask_from mask;
    bool relu, bf16;
} cr_norm_job;
size_t cr_norm_partials_bytes(int64_t pixels, int64_t channels);
void cr_kernel_norm_statistics(const cr_norm_job *job, cudaStream_t stream);     /* x → partials */
void cr_kernel_norm_apply(const cr_norm_job *job, cudaStream_t stream);          /* x (+ add) → out = y */
void cr_kernel_norm_backward_sums(const cr_norm_job *job, cudaStream_t stream);  /* x|y, g0 (+ g1) → partials (, out =
                                                                                    dz, which may be g0 or g1) */
void cr_kernel_norm_backward_apply(const cr_norm_job *job, cudaStream_t stream); /* x, g0, k1, k2 → out = dx, may be x
                                                                                  */

typedef struct cr_norm_finish_job {
    const double *partials;
    int64_t pixels;               /* summed in partials */
    int64_t channels, n_channels; /* padded, real */
    double count;                 /* values a channel that the norm saw: pixels, or more when they were pooled */
    cr_norm_arrays arrays;
    float *k1, *k2;
    const float *bias, *weight, *shift, *mean, *variance;     /* of the state; null where absent, weight: no norm */
    float *d_bias, *d_weight, *d_shift, *d_mean, *d_variance; /* of the gradient; null where absent */
} cr_norm_finish_job;
void cr_kernel_norm_finish_forward(const cr_norm_finish_job *job, cudaStream_t stream);  /* partials → arrays */
void cr_kernel_norm_finish_backward(const cr_norm_finish_job *job, cudaStream_t stream); /* partials → k1, k2 */
/* Arrays without statistics of the batch: from the running ones, or for a layer without norm. */
void cr_kernel_norm_constants(const cr_norm_finish_job *job, cudaStream_t stream);

/* ---- pooling ---- */

typedef struct cr_pool_job {
    const void *x, *dy, *dy1;
    void *out;      /* y, or dx (may be x when norm's arrays are given) */
    uint8_t *index; /* as y: ky·kernel + kx of the first maximum; null: not wanted */
    int64_t n, height, width, out_height, out_width, channels;
    int64_t kernel, stride, padding;
    const float *scale;    /* forward, or null: where negative the smallest x is taken (a norm and ReLU follow) */
    cr_norm_arrays arrays; /* backward: mean null, or dx goes on through the norm to k1, k2 as in norm_backward_apply */
    const float *k1, *k2;
    bool bf16;
} cr_pool_job;
void cr_kernel_max_pool_forward(const cr_pool_job *job, cudaStream_t stream);
void cr_kernel_max_pool_backward(const cr_pool_job *job, cudaStream_t stream);

typedef struct cr_average_job {
    const void *x; /* forward: spatial; backward: plain dy [n, n_channels] */
    void *out;     /* forward: plain [n, n_channels]; backward: spatial dx */
    int64_t n, area, channels, n_channels;
    bool bf16;
} cr_average_job;
void cr_kernel_average_pool_forward(const cr_average_job *job, cudaStream_t stream);
void cr_kernel_average_pool_backward(const cr_average_job *job, cudaStream_t stream);

/* ---- dense layers and the rest of the head ---- */

/* c[m, n] = Σ_k a·b (+ bias[n]) (ReLU): a is [m, k] or, transposed, [k, m]; b is [k, n] or, transposed, [n, k]. */
typedef struct cr_product_job {
    const float *a, *b, *bias;
    float *c;
    int64_t m, n, k;
    bool a_transposed, b_transposed, relu;
} cr_product_job;
void cr_kernel_product(const cr_product_job *job, cudaStream_t stream);

/* dy = dy where y > 0 (y null: everywhere), in place; d_bias[o] = Σ over rows (null: not wanted). */
typedef struct cr_dense_mask_job {
    const float *y;
    float *dy, *d_bias;
    int64_t n, width;
} cr_dense_mask_job;
void cr_kernel_dense_mask(const cr_dense_mask_job *job, cudaStream_t stream);

typedef struct cr_dropout_job {
    const float *x;
    float *y;
    uint8_t *keep; /* [n, width] */
    const int64_t *samples;
    const cr_batch_head *head;
    int64_t n, width;
    int layer;
    double probability;
} cr_dropout_job;
void cr_kernel_dropout_forward(const cr_dropout_job *job, cudaStream_t stream); /* draws keep */
void cr_kernel_dropout_backward(const cr_dropout_job *job, cudaStream_t stream);

typedef struct cr_loss_job {
    const cr_batch_head *head;
    const float *logits;
    const int32_t *labels;
    double *losses;
    float *dlogits;
    int64_t n, n_classes;
} cr_loss_job;
void cr_kernel_loss(const cr_loss_job *job, cudaStream_t stream);

/* Columns [begin, begin + width) of rows of `wide` floats, to or from rows of `width`. */
typedef struct cr_columns_job {
    float *whole, *part;
    int64_t n, wide, begin, width;
} cr_columns_job;
void cr_kernel_columns_take(const cr_columns_job *job, cudaStream_t stream); /* part = columns of whole */
void cr_kernel_columns_put(const cr_columns_job *job, cudaStream_t stream);  /* columns of whole = part */

/* ---- values and weights ---- */

typedef struct cr_value_job {
    const void *from, *add;
    void *to;
    int64_t n, area, channels, n_channels; /* padded, real */
    bool bf16;                             /* of the spatial side */
} cr_value_job;
void cr_kernel_to_plain(const cr_value_job *job, cudaStream_t stream);
void cr_kernel_to_spatial(const cr_value_job *job, cudaStream_t stream);
/* to = from + add over n·area·channels elements, a multiple of 8; to may be either. */
void cr_kernel_value_add(const cr_value_job *job, cudaStream_t stream);

/* Weights [out, in, kernel, kernel] float32 of the state to and from those of the convolutions, [out, kernel, kernel,
 * in] with out and in padded by zeros, float32 or bf16. */
typedef struct cr_weights_job {
    float *state;
    void *packed;
    int64_t out, in, out_padded, in_padded, area;
    bool bf16;
} cr_weights_job;
/* Any number of layers, in one launch for 64 of them. */
void cr_kernel_weights_pack(const cr_weights_job *jobs, int n, cudaStream_t stream);
void cr_kernel_weights_unpack(const cr_weights_job *job, cudaStream_t stream);

/* The same for a convolution over blocks of pixels (cuda_stem.h): [out, wide, wide, CR_BLOCK_CHANNELS]. */
typedef struct cr_stem_job {
    float *state;
    void *packed;
    int64_t out, in, out_padded, kernel, padding; /* as the net has it */
    int64_t wide;                                 /* kernel over blocks */
    bool bf16;
} cr_stem_job;
void cr_kernel_stem_pack(const cr_stem_job *job, cudaStream_t stream);
void cr_kernel_stem_unpack(const cr_stem_job *job, cudaStream_t stream);

/* ---- convolutions on trial ---- */

enum {
    CR_TRIAL_PLACES = 256
};

typedef struct cr_trial_fill_job {
    void *to; /* [n] */
    int64_t n;
    uint32_t key; /* one array's numbers are not another's */
    bool bf16;
} cr_trial_fill_job;
void cr_kernel_trial_fill(const cr_trial_fill_job *job, cudaStream_t stream);

typedef struct cr_trial_found { /* at one place of a result */
    double sum, squares;        /* of the terms that it should be the sum of */
    double result;
} cr_trial_found;

typedef struct cr_trial_job {
    cr_conv_shape shape;
    cr_conv_pass pass;
    const void *x, *w, *y;
    cr_trial_found *found; /* [CR_TRIAL_PLACES] */
} cr_trial_job;
void cr_kernel_trial_sums(const cr_trial_job *job, cudaStream_t stream);

/* ---- large arrays ---- */

/* out = left + right over n floats; out may be either. */
void cr_kernel_add(int64_t n, const float *left, const float *right, float *out, cudaStream_t stream);

/* cr_sum_of_squares() in its order; `work` holds cr_squares_work_bytes(n). */
size_t cr_squares_work_bytes(int64_t n);
void cr_kernel_sum_of_squares(int64_t n, const float *values, double *work, double *sum, cudaStream_t stream);

typedef struct cr_update_span { /* cr_optimizer_span with what its step multiplies by */
    int64_t begin, end;
    bool is_adam; /* otherwise SGD */
    cr_adam_factors_f32 adam;
    cr_sgd_factors_f32 sgd;
} cr_update_span;

typedef struct cr_update_job { /* as cr_update */
    const cr_update_span *spans;
    int n_spans;
    int64_t step, n_params, n_stats, first_stat, n_micro;
    double ema_decay;
    const float *gradient;
    float *weights, *moments[CR_OPTIMIZER_MAX_MOMENTS], *ema;
} cr_update_job;
void cr_kernel_update(const cr_update_job *job, cudaStream_t stream);

#if defined(__cplusplus)
}
#endif

#endif
