/* A shard: one HDF5 file with the images and rows of some samples of a split (docs/pack-format.md). HDF5 makes the file
 * and checks its structure; the arrays are contiguous and are written and read at their offsets. */
#ifndef CRISOL_SHARD_H
#define CRISOL_SHARD_H

#include "crisol/hash.h"
#include "crisol/pack.h"
#include "crisol/status.h"
#include "image.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CR_SHARD_NAME_BYTES = 32,      /* "train-00000-of-00001.h5" and NUL */
    CR_SHARD_MAX_COUNT = 99999,    /* shards of a split */
    CR_SHARD_MAX_SAMPLES = 1 << 30 /* of one shard */
};

/* Where the arrays lie, in bytes from the start of the file; 0 where an array has no bytes. */
typedef struct cr_shard_offsets {
    uint64_t images;    /* uint8 [n, 224, 224, 3], a multiple of 4096 */
    uint64_t metadata;  /* float32 [n, n_features] */
    uint64_t labels;    /* int32 [n] */
    uint64_t ids;       /* 64 bytes [n] */
    uint64_t groups;    /* int64 [n] */
    uint64_t checksums; /* uint64 [n] */
} cr_shard_offsets;

/* What a shard says about itself, all of it known before the images are. Pointers are borrowed. */
typedef struct cr_shard_info {
    cr_split split;
    int64_t index, count; /* this shard of the split's */
    int64_t n_samples, n_features, n_classes;
    const char *const *class_names;   /* [n_classes] */
    const char *const *feature_names; /* [n_features] */
} cr_shard_info;

/* One of a split's rows of everything but the image. Arrays are [n_samples, …]. */
typedef struct cr_shard_tables {
    float *metadata;
    int32_t *labels;
    char *ids; /* CR_PACK_ID_BYTES each, NUL-padded */
    int64_t *groups;
    uint64_t *checksums;
} cr_shard_tables;

/* "train-00000-of-00004.h5" */
void cr_shard_name(cr_split split, int64_t index, int64_t count, char name[CR_SHARD_NAME_BYTES]);

/* Makes the file (which must not exist) with all its objects; images and tables hold zeros. The bytes depend on the
 * arguments only. Errors: CR_IO, CR_PERMISSION, CR_INTERNAL. */
CR_NODISCARD cr_status cr_shard_create(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets,
                                       uint64_t *bytes);

/* Refuses all but exactly what cr_shard_create() makes. First every byte outside the arrays is compared with what it
 * would be for `info`; then HDF5 opens the file behind the descriptor, and objects, types, shapes, contiguous layouts,
 * names, split, numbers and the arrays' places are compared with `info` and `offsets`. Errors: CR_BAD_DATA naming
 * `path`; CR_IO. */
CR_NODISCARD cr_status cr_shard_check(int descriptor, const char *path, const cr_shard_info *info,
                                      const cr_shard_offsets *offsets);

/* Checks that all arrays lie inside a file of `bytes` bytes, do not overlap and that their sizes do not overflow. */
CR_NODISCARD cr_status cr_shard_check_offsets(const char *path, int64_t n_samples, int64_t n_features, uint64_t bytes,
                                              const cr_shard_offsets *offsets);

CR_NODISCARD cr_status cr_shard_tables_create(int64_t n_samples, int64_t n_features, cr_shard_tables *tables);
void cr_shard_tables_clear(cr_shard_tables *tables);
/* Blocking transfers at the offsets. `path` is for messages. Errors: CR_IO, CR_BAD_DATA (the file is too short). */
CR_NODISCARD cr_status cr_shard_tables_read(int descriptor, const char *path, int64_t n_samples, int64_t n_features,
                                            const cr_shard_offsets *offsets, cr_shard_tables *tables);
CR_NODISCARD cr_status cr_shard_tables_write(int descriptor, const char *path, int64_t n_samples, int64_t n_features,
                                             const cr_shard_offsets *offsets, const cr_shard_tables *tables);
CR_NODISCARD cr_status cr_pread(int descriptor, const char *path, void *data, size_t bytes, uint64_t offset);
CR_NODISCARD cr_status cr_pwrite(int descriptor, const char *path, const void *data, size_t bytes, uint64_t offset);

/* XXH3-64 of: image bytes, metadata row, label, the id's 64 bytes, group; numbers as they lie in the file. */
uint64_t cr_sample_checksum(const uint8_t *image, const float *metadata, int64_t n_features, int32_t label,
                            const char *id, int64_t group);

/* XXH3-128 of the whole file (`whole`) and of all bytes outside /images (`index`); either may be null. One pass. */
CR_NODISCARD cr_status cr_shard_hash(int descriptor, const char *path, uint64_t bytes, uint64_t images,
                                     int64_t n_samples, char whole[CR_HASH_TEXT], char index[CR_HASH_TEXT]);

#endif
