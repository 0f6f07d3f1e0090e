/* From a pack to micro-batches: which sample comes when (a pure function of seed and epoch), the metadata encoding, and
 * the loader that reads the next batch while this one computes. */
#ifndef CRISOL_DATA_H
#define CRISOL_DATA_H

#include "crisol/memory.h"
#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Order of an epoch: samples sorted by (Philox (seed, CR_RNG_ORDER, epoch, sample), sample). `order` [n]. */
CR_NODISCARD cr_status cr_sample_order(uint64_t seed, uint64_t epoch, int64_t n, int64_t *order);

/* The balanced order: each place draws a class uniformly from those that have samples, then one of its samples, from
 * Philox (seed, CR_RNG_SAMPLER, epoch, place); so samples of large classes are left out and those of small ones repeat.
 * `labels`, `order` [n]; labels in 0 … n_classes - 1. */
CR_NODISCARD cr_status cr_sample_balanced(uint64_t seed, uint64_t epoch, const int32_t *labels, int64_t n,
                                          int64_t n_classes, int64_t *order);

/* A subset of a split's samples and classes: only samples of the chosen classes, relabelled 0 … K-1 in the given order.
 */
typedef struct cr_subset {
    const cr_pack *pack;
    cr_split split;
    int64_t n_samples;
    int64_t *samples; /* [n_samples] pack sample numbers, ascending */
    int32_t *labels;  /* [n_samples] new labels */
} cr_subset;
/* `class_of` [pack's n_classes]: new label or -1. `limit` > 0 keeps the first `limit` samples of the order of (seed 0,
 * epoch 0). */
CR_NODISCARD cr_status cr_subset_create(const cr_pack *pack, cr_split split, const int32_t *class_of, int64_t limit,
                                        cr_subset *subset);
void cr_subset_destroy(cr_subset *subset);
/* The image [224, 224, 3] of the sample at a position of the subset, checked as cr_pack_read_image() does; the error
 * names the sample, too. */
CR_NODISCARD cr_status cr_subset_read_image(const cr_subset *subset, int64_t position, uint8_t *image);

/* Metadata encoding: numeric → (x - mean) / deviation of the training split, missing → 0, and a second feature "is
 * missing" if the training split misses any; categorical → one-hot (all zero when missing); list → multi-hot. */
typedef struct cr_encoder cr_encoder;
/* `columns`: names to use, or n_columns 0 for all. Errors: CR_BAD_CONFIG naming the column and those the pack has. */
CR_NODISCARD cr_status cr_encoder_create(const cr_pack *pack, const char *const columns[], int n_columns,
                                         cr_encoder **encoder);
void cr_encoder_destroy(cr_encoder **encoder);
int64_t cr_encoder_width(const cr_encoder *encoder);
const char *cr_encoder_feature_name(const cr_encoder *encoder, int64_t feature); /* "age", "age:missing", "sex=Male" */
const cr_column *cr_encoder_feature_column(const cr_encoder *encoder,
                                           int64_t feature); /* the pack's column behind it */
void cr_encoder_encode(const cr_encoder *encoder, const float *raw, float *encoded);

/* Reads batches ahead in a thread of its own. */
typedef struct cr_loader cr_loader;
typedef struct cr_loaded {    /* valid until the next cr_loader_wait */
    const int64_t *positions; /* [n] indices into the subset, as asked for */
    const uint8_t *images;    /* [n, 224, 224, 3], 64-byte aligned, or null without images */
    const float *metadata;    /* [n, width] */
    const int32_t *labels;    /* [n] */
    int64_t n;
} cr_loaded;
/* `capacity`: most samples in a request. `encoder` null: no metadata. `memory` null: no images; otherwise they are read
 * into its pinned arrays, and it must outlive the loader. */
CR_NODISCARD cr_status cr_loader_create(const cr_subset *subset, const cr_encoder *encoder, const cr_memory *memory,
                                        int64_t capacity, cr_loader **loader);
void cr_loader_destroy(cr_loader **loader);
/* Asks for subset positions (copied). At most two requests may be open. */
void cr_loader_request(cr_loader *loader, const int64_t *positions, int64_t n);
/* Waits for the oldest open request. Its error is this call's. */
CR_NODISCARD cr_status cr_loader_wait(cr_loader *loader, cr_loaded *loaded);
/* Seconds that cr_loader_wait has blocked so far. */
double cr_loader_wait_s(const cr_loader *loader);

#endif
