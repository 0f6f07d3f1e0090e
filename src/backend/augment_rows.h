/* Augmentation one image row at a time: loops that vectorise, over rows that stay in the first-level cache. */
#ifndef CRISOL_BACKEND_AUGMENT_ROWS_H
#define CRISOL_BACKEND_AUGMENT_ROWS_H

#include "crisol/augment.h"

#include <stdint.h>

/* Clones are chosen when the program is loaded, before a sanitizer's own start: there, one is enough. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !CRISOL_SANITIZED
#define CR_ROW_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CR_ROW_CLONES
#endif

typedef struct cr_row { /* `n` pixels, a plane a channel */
    int64_t n;
    float *plane[3];
} cr_row;

/* One of the 256 results of a channel without any augmentation but flips: torchvision's ToTensor and Normalize. */
typedef struct cr_pixel_table {
    float value[3][256];
} cr_pixel_table;
void cr_pixel_table_fill(cr_pixel_table *table);
/* `from`: n pixels RGB. Mirrored when `flip`. */
void cr_row_look_up(const cr_pixel_table *table, const uint8_t *from, bool flip, const cr_row *row);

/* uint8 → 0 … 1. */
void cr_row_load(const uint8_t *from, bool flip, const cr_row *row);
/* In place; `mean` is the mean grey of the whole image, for contrast alone. */
void cr_row_jitter(cr_jitter kind, float factor, float mean, const cr_row *row);
/* Σ grey, 16 partial sums. */
float cr_row_grey_sum(const cr_row *row);
/* In place: (x - mean) · (1 / deviation). */
void cr_row_normalise(const cr_row *row);

#endif
