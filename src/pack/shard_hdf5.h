/* What writing and checking a shard share. HDF5 is entered by one thread at a time: not every build of it is
 * thread-safe. */
#ifndef CRISOL_SHARD_HDF5_H
#define CRISOL_SHARD_HDF5_H

#include "shard.h"

#include <hdf5.h>

#define CR_SHARD_FORMAT "crisol-shard"

enum {
    CR_SHARD_VERSION = 1,
    CR_SHARD_ALIGNMENT = 4096,
    CR_SHARD_MAX_RANK = 4
};

typedef enum cr_shard_array {
    CR_ARRAY_IMAGES,
    CR_ARRAY_METADATA,
    CR_ARRAY_LABELS,
    CR_ARRAY_IDS,
    CR_ARRAY_GROUPS,
    CR_ARRAY_CHECKSUMS,
    CR_ARRAY_CLASS_NAMES,
    CR_ARRAY_FEATURE_NAMES,
    CR_N_ARRAYS
} cr_shard_array;

/* Name, type and shape of a data set; `type` is to be closed. */
typedef struct cr_array_shape {
    const char *name;
    hid_t type;
    int rank;
    hsize_t dims[CR_SHARD_MAX_RANK];
} cr_array_shape;

/* Enters HDF5: locks, and silences its own printing and its search for plugins. */
void cr_hdf5_enter(void);
void cr_hdf5_leave(void);
/* A file access list: format of HDF5 1.10 only, no file locks, big data sets aligned. */
hid_t cr_hdf5_access(void);
/* What HDF5 said last, for a message. */
const char *cr_hdf5_message(void);

/* A shard without its arrays' content, in a file in memory where these are holes; `path` is for messages. Inside HDF5.
 * *memory is its descriptor, which the caller closes, also after an error (-1: there is none). */
CR_NODISCARD cr_status cr_shard_make(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets,
                                     int *memory, uint64_t *bytes);
/* The two parts of cr_shard_check(), inside HDF5: the bytes outside the arrays, before HDF5 opens the file; and what
 * HDF5 then finds in it. */
CR_NODISCARD cr_status cr_shard_check_frame(int descriptor, const char *path, const cr_shard_info *info,
                                            const cr_shard_offsets *offsets);
CR_NODISCARD cr_status cr_shard_check_structure(int descriptor, const char *path, const cr_shard_info *info,
                                                const cr_shard_offsets *offsets);

/* CR_INTERNAL when HDF5 has no memory for the type. */
CR_NODISCARD cr_status cr_array_shape_get(cr_shard_array array, const cr_shard_info *info, cr_array_shape *shape);
/* The offset's member for an array, null for the names. */
uint64_t *cr_array_offset(cr_shard_array array, cr_shard_offsets *offsets);
/* A fixed-length, NUL-padded UTF-8 type of `bytes` bytes. */
hid_t cr_hdf5_text(size_t bytes);
/* Bytes of the longest of n names, at least 1. */
size_t cr_longest_name(const char *const *names, int64_t n);

/* Root attributes: two texts, four int64. */
typedef struct cr_shard_attribute {
    const char *name;
    const char *text; /* or null */
    int64_t number;
} cr_shard_attribute;
enum {
    CR_SHARD_N_ATTRIBUTES = 5
};
void cr_shard_attributes(const cr_shard_info *info, cr_shard_attribute attributes[CR_SHARD_N_ATTRIBUTES]);

#endif
