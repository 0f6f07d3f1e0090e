/* A pack: a folder of HDF5 shards and a manifest (docs/pack-format.md). This header is the reader that training uses;
 * pack_build.h makes packs.
 *
 * Opening reads the manifest, checks every shard's size and the hash of all but its images, and keeps plain file
 * descriptors: arrays are read with pread at the manifest's offsets, never through HDF5. Tables (metadata, labels, ids,
 * groups, checksums) are read at once. */
#ifndef CRISOL_PACK_H
#define CRISOL_PACK_H

#include "crisol/hash.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CR_PACK_IMAGE_SIZE = 224,
    CR_PACK_MAX_CLASSES = 1000,
    CR_PACK_MAX_COLUMNS = 4096,
    CR_PACK_ID_BYTES = 64
};

typedef enum cr_split {
    CR_SPLIT_TRAIN,
    CR_SPLIT_VAL,
    CR_SPLIT_TEST,
    CR_N_SPLITS
} cr_split;
const char *cr_split_name(cr_split split); /* "train", "val", "test" */

typedef enum cr_column_kind {
    CR_COLUMN_NUMERIC,     /* one feature: the number, NaN when missing */
    CR_COLUMN_CATEGORICAL, /* one feature: index in the vocabulary, NaN when missing or unknown */
    CR_COLUMN_LIST         /* one feature a word of the vocabulary: 0 or 1 (NaN when the cell is missing) */
} cr_column_kind;

typedef struct cr_column {
    char *name; /* the recipe's */
    cr_column_kind kind;
    int64_t feature;    /* first feature in /metadata */
    int64_t n_features; /* 1, or n_words for a list */
    char **words;       /* vocabulary, null for numeric */
    int64_t n_words;
    double mean,
        deviation; /* numeric: of the training split's present values, population deviation; 0 and 1 otherwise */
    int64_t n_missing_train; /* rows of the training split without a value */
} cr_column;

typedef struct cr_pack cr_pack;

/* Errors: CR_MISSING, CR_BAD_DATA (names file and cause), CR_IO, CR_PERMISSION. Local. */
CR_NODISCARD cr_status cr_pack_open(const char *folder, cr_pack **pack);
void cr_pack_close(cr_pack **pack);

const char *cr_pack_id(const cr_pack *pack); /* hash of the manifest */
const char *cr_pack_folder(const cr_pack *pack);
int64_t cr_pack_n_classes(const cr_pack *pack);
const char *cr_pack_class_name(const cr_pack *pack, int64_t label);
int64_t cr_pack_n_columns(const cr_pack *pack);
const cr_column *cr_pack_column(const cr_pack *pack, int64_t column);
int64_t cr_pack_n_features(const cr_pack *pack); /* width of /metadata */
int64_t cr_pack_n_samples(const cr_pack *pack, cr_split split);
/* A label formula's column that is also an input (target leak), or null. */
const char *cr_pack_leak_warning(const cr_pack *pack);

/* Sample `sample` (0 … n-1) of a split, in pack order. Pointers live as long as the pack. */
const float *cr_pack_metadata(const cr_pack *pack, cr_split split, int64_t sample); /* [n_features] */
int32_t cr_pack_label(const cr_pack *pack, cr_split split, int64_t sample);
const char *cr_pack_sample_id(const cr_pack *pack, cr_split split, int64_t sample);
int64_t cr_pack_group(const cr_pack *pack, cr_split split, int64_t sample);

/* Reads the image [224, 224, 3] and checks the sample's checksum (image, metadata, label, id, group). Thread-safe,
 * blocking, no allocation. Errors: CR_IO; CR_BAD_DATA naming shard and sample. */
CR_NODISCARD cr_status cr_pack_read_image(const cr_pack *pack, cr_split split, int64_t sample, uint8_t *image);

/* Where a split's images were found when the pack was made: paths below the recipe's image root, in the split's order.
 * *paths [n_samples], texts included, is one block for the caller to free(); null if the pack does not say (made before
 * it did). Errors: CR_MISSING, CR_BAD_DATA (samples.csv is not what the manifest says), CR_IO, CR_PERMISSION. Local. */
CR_NODISCARD cr_status cr_pack_read_paths(const cr_pack *pack, cr_split split, char ***paths);

/* Writes a sample's image as a PNG file, atomically, after checking it. Errors: as above; CR_PERMISSION, CR_MISSING. */
CR_NODISCARD cr_status cr_pack_write_png(const cr_pack *pack, cr_split split, int64_t sample, const char *path);

/* Writes any picture [height, width, 3] as a PNG file, atomically. Errors: CR_IO, CR_PERMISSION, CR_MISSING. */
CR_NODISCARD cr_status cr_pack_save_png(const char *path, const uint8_t *pixels, int32_t width, int32_t height);

/* Whether packs can be made and read in a folder: writes a small file with HDF5 as the packer does, reads it back, and
 * removes it. *locks: HDF5 also opens it with file locks, as other programs (h5py) do unless told otherwise; a parallel
 * file system may refuse them. Errors: CR_IO with HDF5's message, CR_PERMISSION. Local. */
CR_NODISCARD cr_status cr_pack_try(const char *folder, bool *locks);

typedef struct cr_pack_damage {
    int64_t n_samples; /* samples whose checksum is wrong */
    int64_t n_files;   /* shards whose size or hash is wrong */
    char first[256];   /* "train-00000-of-00004.h5, sample 17" */
} cr_pack_damage;
/* Re-reads every byte: shard hashes against the manifest and every sample. CR_OK with *damage all zero, or CR_BAD_DATA
 * with the first place in the message and all counted. Works on a pack too damaged to open. */
CR_NODISCARD cr_status cr_pack_verify(const char *folder, cr_pack_damage *damage);

/* The manifest as JSON, borrowed. */
struct json_t;
const struct json_t *cr_pack_manifest(const cr_pack *pack);

#endif
