/* From the native float32 weights to the bf16 layouts of oneDNN's kernels, where 16 pairs of neighbouring channels lie
 * together: several times faster than oneDNN's own reorder, which every step would have to wait for. */
#ifndef CRISOL_BACKEND_CPU_WEIGHTS_BF16_H
#define CRISOL_BACKEND_CPU_WEIGHTS_BF16_H

#include "dnnl_calls.h"

#include "crisol/net.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cr_pairs {
    CR_PAIRS_NONE, /* another layout */
    CR_PAIRS_IN,   /* inner blocks [i][o][2 i]: AVX512_BF16's 8i16o2i, AMX's 16i32o2i */
    CR_PAIRS_OUT   /* inner blocks [o][i][2 o], for the gradient of the source */
} cr_pairs;

/* Which of the two this layout of `tensor` is. */
cr_pairs cr_weights_bf16_kind(const cr_tensor *tensor, const cr_weight_layout *layout);

/* `native` lies in OIhw16i16o; kind is not NONE. */
void cr_weights_bf16_pack(const cr_tensor *tensor, const cr_weight_layout *layout, cr_pairs kind, const float *native,
                          uint16_t *packed);

#endif
