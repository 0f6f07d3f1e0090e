/* 3×3 convolutions of stride 1 and padding 1 by Winograd's method F(4×4, 3×3), for processors with AVX2 or AVX-512:
 * forward, and the gradients of the source and of the weights. oneDNN 2.x has the method too, for float32, but re-reads
 * its transformed weights (four times the weights) from memory, which is slow for many channels; oneDNN 3.x dropped it.
 *
 * An output tile of 4×4 comes from an input tile of 6×6: Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A. The element-wise product,
 * summed over channels, is 36 matrix products. Everything is cut into blocks of 64 channels and some tiles so that
 * source, weights and sums of one block stay in the second-level cache; transformed weights are made anew for each
 * block, which is cheaper than reading them again.
 *
 * Source: Lavin, Gray: Fast Algorithms for Convolutional Neural Networks (2016). Points 0, ±5/8, ±3/2, ∞ round twice as
 * finely as 0, ±1, ±2, ∞ (Barabasz et al.: Error Analysis and Improving the Accuracy of Winograd Convolution, 2020).
 * Sums are fused multiply-adds, written as such, in an order that depends on the shapes alone.
 *
 * Values (src, dst, residual, and the gradients in their places) are float32 or bf16. Those of bf16 are widened as they
 * are read and rounded once, to nearest, as they are written; weights, everything between, and the weights' gradient
 * are float32 for both. Weights are not rounded to bf16 as the direct kernels' are, whose multipliers take nothing
 * else: here that would cost time and add an error. */
#ifndef CRISOL_BACKEND_CPU_WINOGRAD_H
#define CRISOL_BACKEND_CPU_WINOGRAD_H

#include "dnnl_calls.h"

#include <stdbool.h>
#include <stddef.h>

/* What the method can do: BLOCKED or NHWC places, channels multiples of 64, AVX2 with FMA. */
bool cr_winograd_supports(const cr_convolution_spec *spec);
/* Whether it beats oneDNN's direct kernel on a processor with `isa`, by a rule that was measured once. */
bool cr_winograd_pays(const cr_convolution_spec *spec, cr_isa isa);
/* Which of its kernels this processor takes: "winograd_4x3:avx2". */
const char *cr_winograd_name(void);
/* Bytes of `scratch` (64-byte aligned) for the spec's pass. */
size_t cr_winograd_scratch_bytes(const cr_convolution_spec *spec);

/* Runs the spec's pass. Weights and their gradient lie in the native layout OIhw16i16o (weights.h). Forward reads src,
 * weights, bias and residual (each null: none; laid out as dst) and writes dst, after ReLU if the spec says so.
 * CR_PASS_DATA reads dst and weights and writes src; CR_PASS_WEIGHTS reads src and dst and writes weights. */
typedef struct cr_winograd_arrays {
    void *src, *dst;
    float *weights;
    const float *bias;
    const void *residual;
    float *scratch;
} cr_winograd_arrays;
void cr_winograd_run(const cr_convolution_spec *spec, const cr_winograd_arrays *arrays);

#endif
