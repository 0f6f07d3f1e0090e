/* oneDNN behind a small face, which is the same for 2.6 and 3.x (dnnl_recipes.c has what differs).
 *
 * An *operation* is one compiled primitive with its stream. It is created and run with the calling thread's number of
 * OpenMP threads, which must be the same both times (other numbers give other bits). Operations of one engine may be
 * run by several threads at once, each its own. */
#ifndef CRISOL_BACKEND_CPU_DNNL_CALLS_H
#define CRISOL_BACKEND_CPU_DNNL_CALLS_H

#include "place.h"

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cr_engine cr_engine;
typedef struct cr_operation cr_operation;

typedef enum cr_isa { /* what this processor offers to oneDNN, and what its user lets it use */
    CR_ISA_BASIC,     /* less than AVX2 with FMA */
    CR_ISA_AVX2,
    CR_ISA_AVX512,
    CR_ISA_AVX512_BF16,
    CR_ISA_AMX
} cr_isa;

CR_NODISCARD cr_status cr_engine_create(cr_engine **engine);
void cr_engine_destroy(cr_engine **engine);
cr_isa cr_engine_isa(void);
/* "oneDNN 2.6.3, AVX512_CORE_AMX" */
void cr_engine_describe(char *text, size_t text_bytes);
/* OpenMP threads of the calling thread. */
void cr_engine_set_threads(int n_threads);

typedef enum cr_pass {
    CR_PASS_TRAINING,   /* forward, to be followed by backward */
    CR_PASS_EVALUATION, /* forward alone: may use weights of a form of its own */
    CR_PASS_DATA,       /* gradient of the source */
    CR_PASS_WEIGHTS     /* gradient of the weights, float32 */
} cr_pass;

typedef struct cr_convolution_spec {
    cr_place src, dst; /* of the forward direction; same type */
    int64_t kernel, stride, padding;
    cr_pass pass;
    bool winograd;
    bool bias, sum, relu; /* CR_PASS_EVALUATION: dst = relu(conv + bias [float32] + what dst held) */
} cr_convolution_spec;

/* Leaves *operation null, with CR_OK, where the library has no such kernel (Winograd in 3.x). */
CR_NODISCARD cr_status cr_convolution_create(cr_engine *engine, const cr_convolution_spec *spec,
                                             cr_operation **operation);

/* c [m, n] = a [m, k] · b [k, n] (+ bias [n]) (then ReLU), float32. A transposed operand lies as [k, m] or [n, k]. */
typedef struct cr_product_spec {
    int64_t m, n, k;
    bool a_transposed, b_transposed, bias, relu;
} cr_product_spec;
CR_NODISCARD cr_status cr_product_create(cr_engine *engine, const cr_product_spec *spec, cr_operation **operation);

/* Moves float32 weights [out, in, kernel, kernel] from the state's native layout (or, `plain`, from OIHW) to what
 * `user` reads. Leaves *operation null, with CR_OK, where the library has no way (from blocks to Winograd's own form).
 */
CR_NODISCARD cr_status cr_weights_pack_create(cr_engine *engine, const cr_operation *user, bool plain,
                                              cr_operation **operation);
/* From what `user` (CR_PASS_WEIGHTS) writes to the native layout; null likewise. */
CR_NODISCARD cr_status cr_weights_unpack_create(cr_engine *engine, const cr_operation *user, cr_operation **operation);

void cr_operation_destroy(cr_operation **operation);
const char *cr_operation_name(const cr_operation *operation); /* the kernel's: "jit_wino_4x3:avx512_core" */
size_t cr_operation_scratch_bytes(const cr_operation *operation);
size_t cr_operation_weight_bytes(const cr_operation *operation); /* of a convolution */
bool cr_operation_weights_are_native(const cr_operation *operation);

/* Layout of a convolution's weights as blocks of blocks: element (o, i, ky, kx) lies at Σ (coordinate / its blocks) ·
 * stride plus its place inside the innermost block, which `blocks` cut from the outermost on. */
enum {
    CR_LAYOUT_BLOCKS = 4
};
typedef struct cr_weight_layout {
    int64_t strides[4]; /* elements, of o, i, ky, kx */
    int n_blocks;
    int64_t blocks[CR_LAYOUT_BLOCKS]; /* sizes */
    int dims[CR_LAYOUT_BLOCKS];       /* which coordinate each cuts: 0 = o, 1 = i */
    bool bf16;
} cr_weight_layout;
/* False when the layout is of another kind, or padded. */
bool cr_operation_weight_layout(const cr_operation *operation, cr_weight_layout *layout);

/* The arrays of one run, 64-byte aligned; those that the operation does not have are ignored.
 * Convolution forward: reads src, weights, bias, writes dst. CR_PASS_DATA: reads dst, weights, writes src.
 * CR_PASS_WEIGHTS: reads src, dst, writes weights. Product: a = src, b = weights. Pack, unpack: src → dst. */
typedef struct cr_arrays {
    const void *src, *weights, *bias, *dst;
    void *scratch;
} cr_arrays;
CR_NODISCARD cr_status cr_operation_run(cr_operation *operation, const cr_arrays *arrays);

#endif
