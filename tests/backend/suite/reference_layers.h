/* Layers as plain loops in double, for judging the real ones. Activations are [n, channels, height, width], row-major;
 * convolution weights [out, in, kh, kw]; dense weights [out, in].
 *
 * Backward functions *add* to dx (a value may have several readers) and write all other results. Any dx may be null. */
#ifndef CRISOL_TEST_REFERENCE_LAYERS_H
#define CRISOL_TEST_REFERENCE_LAYERS_H

#include "crisol/backend.h"

typedef struct ref_window {
    int64_t n;        /* samples */
    cr_shape in, out; /* of one sample */
    int64_t kernel_height, kernel_width, stride, padding;
} ref_window;

/* b, db: [out] or null */
void ref_conv_forward(const ref_window *window, const double *x, const double *w, const double *b, double *y);
void ref_conv_backward(const ref_window *window, const double *x, const double *w, const double *dy, double *dx,
                       double *dw, double *db);

/* argmax: index in the unpadded plane; the first maximum in row-major order. */
void ref_max_pool_forward(const ref_window *window, const double *x, double *y, int32_t *argmax);
void ref_max_pool_backward(const ref_window *window, const int32_t *argmax, const double *dy, double *dx);

/* Batch norm over n · height · width values a channel (torch.nn.BatchNorm2d, eps as given). mean and the biased var are
 * results of training and inputs of evaluation. */
void ref_batch_norm_statistics(int64_t n, cr_shape shape, const double *x, double *mean, double *var);
void ref_batch_norm_forward(int64_t n, cr_shape shape, double eps, const double *x, const double *gamma,
                            const double *beta, const double *mean, const double *var, double *y);
/* through the statistics (training) or with constant ones (evaluation) */
void ref_batch_norm_backward(int64_t n, cr_shape shape, double eps, bool training, const double *x, const double *gamma,
                             const double *mean, const double *var, const double *dy, double *dx, double *dgamma,
                             double *dbeta);

void ref_global_average_pool_forward(int64_t n, cr_shape shape, const double *x, double *y);
void ref_global_average_pool_backward(int64_t n, cr_shape shape, const double *dy, double *dx);

void ref_dense_forward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *b,
                       double *y);
void ref_dense_backward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *dy,
                        double *dx, double *dw, double *db);

/* y may be x; the gradient at 0 is 0: dx = dy where y > 0 (overwritten, not added) */
void ref_relu_forward(int64_t count, const double *x, double *y);
void ref_relu_backward(int64_t count, const double *y, const double *dy, double *dx);

/* y = x · mask / (1 - p); backward is the same with dy for x, added to dx */
void ref_dropout_forward(int64_t count, double p, const double *x, const double *mask, double *y);
void ref_dropout_backward(int64_t count, double p, const double *dy, const double *mask, double *dx);

void ref_concat_forward(int64_t n, int64_t a_count, int64_t b_count, const double *a, const double *b, double *y);
void ref_concat_backward(int64_t n, int64_t a_count, int64_t b_count, const double *dy, double *da, double *db);

/* Weighted cross-entropy with label smoothing, from the definition: losses[i] and d(Σ losses / weight_sum). */
void ref_cross_entropy(int64_t n, int64_t n_classes, const float *class_weights, double smoothing, double weight_sum,
                       const double *logits, const int32_t *labels, double *losses, double *dlogits);
/* The focal loss with soft targets, from the definition; dlogits by the chain rule over p = softmax. */
void ref_focal_loss(int64_t n, int64_t n_classes, const cr_loss *loss, const double *logits, const int32_t *labels,
                    const float *targets, double *losses, double *dlogits);

#endif
