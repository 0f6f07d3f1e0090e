#include "weights_bf16.h"

#include "vector.h"
#include "weights.h"

cr_pairs cr_weights_bf16_kind(const cr_tensor *tensor, const cr_weight_layout *layout)
{
    if (!layout->bf16 || layout->n_blocks != 3 || !cr_weights_blocked(tensor->shape[0], tensor->shape[1]))
        return CR_PAIRS_NONE;
    int paired = layout->dims[2], other = 1 - paired;
    bool fits = layout->blocks[2] == 2 && layout->dims[0] == paired && layout->dims[1] == other &&
                layout->blocks[1] % CR_LANES == 0 && layout->blocks[0] % (CR_LANES / 2) == 0;
    return !fits ? CR_PAIRS_NONE : paired == 1 ? CR_PAIRS_IN : CR_PAIRS_OUT;
}

/* Place of the pair that begins with channel `pair` (even) of the paired coordinate and `lane` of the other. */
CR_INLINE int64_t pair_offset(const cr_weight_layout *layout, int64_t pair, int64_t lane, int64_t ky, int64_t kx)
{
    int paired = layout->dims[2];
    int64_t pairs = layout->blocks[0] * 2, lanes = layout->blocks[1];
    return pair / pairs * layout->strides[paired] + lane / lanes * layout->strides[1 - paired] +
           ky * layout->strides[2] + kx * layout->strides[3] + (pair % pairs / 2 * lanes + lane % lanes) * 2;
}

/* Two bf16 numbers as one word, the first in its lower half. */
CR_INLINE cr_vector_bits pair_up(cr_vector first, cr_vector second)
{
    cr_vector_bits low = __builtin_convertvector(cr_narrow(first), cr_vector_bits);
    return low | __builtin_convertvector(cr_narrow(second), cr_vector_bits) << 16;
}

/* One 16 × 16 block of one tap: 8 rows of 16 pairs, `step` elements apart. */
CR_CLONES static void pack_in(const float *block, uint16_t *packed, int64_t step)
{
    for (int row = 0; row < CR_LANES / 2; row++) {
        cr_vector first = cr_load(block, 2 * row * CR_LANES, false, CR_LANES);
        cr_vector second = cr_load(block, (2 * row + 1) * CR_LANES, false, CR_LANES);
        cr_vector_bits words = pair_up(first, second);
        memcpy(packed + row * step, &words, sizeof words);
    }
}

/* Lanes of two vectors that a shuffle takes, as clang and GCC both read them: 8 … 15 are the second one's. */
#define LOW 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define FIRST 0, 1, 8, 9, 4, 5, 12, 13
#define SECOND 2, 3, 10, 11, 6, 7, 14, 15
#define LEFT 0, 1, 2, 3, 8, 9, 10, 11
#define RIGHT 4, 5, 6, 7, 12, 13, 14, 15

/* Rows become columns: 8 × 8 words. */
CR_INLINE void transpose_words(cr_half_vector_bits a[8])
{
    cr_half_vector_bits b[8];
    for (int i = 0; i < 8; i += 2) {
        b[i] = __builtin_shufflevector(a[i], a[i + 1], LOW);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], HIGH);
    }
    for (int i = 0; i < 8; i += 4)
        for (int half = 0; half < 2; half++) {
            a[i + 2 * half] = __builtin_shufflevector(b[i + half], b[i + 2 + half], FIRST);
            a[i + 2 * half + 1] = __builtin_shufflevector(b[i + half], b[i + 2 + half], SECOND);
        }
    for (int i = 0; i < 4; i++) {
        b[i] = __builtin_shufflevector(a[i], a[i + 4], LEFT);
        b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], RIGHT);
    }
    memcpy(a, b, sizeof b);
}

CR_CLONES static void pack_out(const float *block, uint16_t *packed, int64_t step)
{
    for (int side = 0; side < CR_LANES; side += CR_HALF_LANES) {
        cr_half_vector_bits words[8]; /* row i: 8 pairs of output channels */
        for (int i = 0; i < 8; i++) {
            cr_vector_half halves = cr_narrow(cr_load(block, (side + i) * CR_LANES, false, CR_LANES));
            memcpy(&words[i], &halves, sizeof halves);
        }
        transpose_words(words);
        for (int row = 0; row < 8; row++)
            memcpy(packed + row * step + 2 * side, &words[row], sizeof words[row]);
    }
}

void cr_weights_bf16_pack(const cr_tensor *tensor, const cr_weight_layout *layout, cr_pairs kind, const float *native,
                          uint16_t *packed)
{
    int64_t height = tensor->shape[2], width = tensor->shape[3];
    for (int64_t o = 0; o < tensor->shape[0]; o += CR_LANES)
        for (int64_t i = 0; i < tensor->shape[1]; i += CR_LANES)
            for (int64_t tap = 0; tap < height * width; tap++, native += CR_LANES * CR_LANES) {
                int64_t pair = kind == CR_PAIRS_IN ? i : o, lane = kind == CR_PAIRS_IN ? o : i;
                int64_t ky = tap / width, kx = tap % width;
                int64_t at = pair_offset(layout, pair, lane, ky, kx);
                int64_t step = pair_offset(layout, pair + 2, lane, ky, kx) - at;
                (kind == CR_PAIRS_IN ? pack_in : pack_out)(native, packed + at, step);
            }
}
