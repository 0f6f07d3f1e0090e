/* The cases of layers.json, run through one set of kernels. */
#ifndef CRISOL_TEST_LAYER_CASES_H
#define CRISOL_TEST_LAYER_CASES_H

#include "reference_layers.h"

/* Kernels with the reference's signatures; a case that needs an absent one is left out. */
typedef struct layer_kernels {
    const char *name;
    bool is_double; /* judged by the float64 bound */
    void (*conv_forward)(const ref_window *, const double *x, const double *w, const double *b, double *y);
    void (*conv_backward)(const ref_window *, const double *x, const double *w, const double *dy, double *dx,
                          double *dw, double *db);
    void (*max_pool_forward)(const ref_window *, const double *x, double *y, int32_t *argmax);
    void (*max_pool_backward)(const ref_window *, const int32_t *argmax, const double *dy, double *dx);
    void (*batch_norm_statistics)(int64_t n, cr_shape, const double *x, double *mean, double *var);
    void (*batch_norm_forward)(int64_t n, cr_shape, double eps, const double *x, const double *gamma,
                               const double *beta, const double *mean, const double *var, double *y);
    void (*batch_norm_backward)(int64_t n, cr_shape, double eps, bool training, const double *x, const double *gamma,
                                const double *mean, const double *var, const double *dy, double *dx, double *dgamma,
                                double *dbeta);
    void (*average_pool_forward)(int64_t n, cr_shape, const double *x, double *y);
    void (*average_pool_backward)(int64_t n, cr_shape, const double *dy, double *dx);
    void (*dense_forward)(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *b,
                          double *y);
    void (*dense_backward)(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *dy,
                           double *dx, double *dw, double *db);
    void (*relu_forward)(int64_t count, const double *x, double *y);
    void (*relu_backward)(int64_t count, const double *y, const double *dy, double *dx);
    void (*dropout_forward)(int64_t count, double p, const double *x, const double *mask, double *y);
    void (*dropout_backward)(int64_t count, double p, const double *dy, const double *mask, double *dx);
    void (*concat_forward)(int64_t n, int64_t a_count, int64_t b_count, const double *a, const double *b, double *y);
    void (*concat_backward)(int64_t n, int64_t a_count, int64_t b_count, const double *dy, double *da, double *db);
    void (*cross_entropy)(int64_t n, int64_t n_classes, const float *class_weights, double smoothing, double weight_sum,
                          const double *logits, const int32_t *labels, double *losses, double *dlogits);
} layer_kernels;

/* Runs every case that the kernels cover, a line a tensor; false when one is out of bounds. An operation that no set
 * knows fails the test. *n_cases: how many were run. */
bool layer_cases_judge(const layer_kernels *kernels, int64_t *n_cases);

#endif
