/* Between the references' double arrays and the CPU backend's float32 formats. */
#ifndef CRISOL_TEST_CPU_ADAPTER_H
#define CRISOL_TEST_CPU_ADAPTER_H

#include "dnnl_calls.h"
#include "layer_cases.h"
#include "norm.h"
#include "place.h"

typedef struct cpu_adapter { /* what the kernels' signatures have no room for */
    cr_engine *engine;
    cr_format format;
    bool winograd;
} cpu_adapter;
extern cpu_adapter cpu;

void cpu_expect_ok(cr_status status);
cr_place cpu_place(int64_t n, cr_shape shape);
float *cpu_room(const cr_place *place);
/* Doubles [n, channels, height, width] → float32 in `place`. */
float *cpu_bring(const cr_place *place, const double *values);
/* And back, written or added; frees `from`. */
void cpu_take(const cr_place *place, float *from, bool add, double *values);
/* Channels, padded as the norm's kernels want them; `values` may be null. */
float *cpu_channels(int64_t n, const double *values, double otherwise);
/* sum[c] = Σ dy, dot[c] (unless null) = Σ dy·(x - mean) */
void cpu_sums(const cr_place *place, const float *mean, const float *x, const float *dy, double *sum, double *dot);

/* cpu_convolution_kernels.c */
void cpu_conv_forward(const ref_window *window, const double *x, const double *w, const double *b, double *y);
void cpu_conv_backward(const ref_window *window, const double *x, const double *w, const double *dy, double *dx,
                       double *dw, double *db);

#endif
