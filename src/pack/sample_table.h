/* What the table side of packing hands to the image side: every row of the recipe's table that is to be packed, with
 * its split, label and raw metadata, and the rows that were refused. */
#ifndef CRISOL_SAMPLE_TABLE_H
#define CRISOL_SAMPLE_TABLE_H

#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

typedef enum cr_resize {
    CR_RESIZE_CROP,
    CR_RESIZE_SQUASH
} cr_resize; /* 256 + centre crop 224; straight to 224 × 224 */

typedef struct cr_sample_row {
    int64_t row;               /* line of the table's record: 1 = first record after the header */
    char *image;               /* path relative to the image root, as the recipe made it */
    char id[CR_PACK_ID_BYTES]; /* NUL-padded; unique */
    int64_t group; /* number of the row's group (first appearance order), its own when no group column is set */
    int32_t label;
    cr_split split;
    bool rejected;   /* set by either side; the reason is in the rejects */
    float *metadata; /* [n_features], raw, NaN for missing; points into one block */
} cr_sample_row;

typedef struct cr_reject {
    int64_t row;
    char *file;   /* image or table */
    char *reason; /* short class: "missing file", "bad number", … */
    char *detail;
} cr_reject;

typedef struct cr_sample_table {
    cr_sample_row *rows; /* table order */
    int64_t n_rows;      /* candidates: rows that passed the filters, the row-level rejects among them flagged */
    int64_t n_filtered;  /* rows dropped by the recipe's filters: no rejects */
    int64_t n_features;
    cr_column *columns; /* kinds and vocabularies; means, deviations, missing counts are filled by
                           cr_sample_table_statistics */
    int64_t n_columns;
    char **class_names;
    int64_t n_classes;
    char *leak_warning; /* or null */
    char *image_root;   /* folder under which every image must lie */
    cr_resize resize;
    bool apply_exif;       /* turn pictures as their EXIF orientation says */
    int64_t shard_samples; /* most samples in a shard */
    uint64_t seed;
    double max_rejects; /* share of rows, .05 */
    cr_reject *rejects;
    int64_t n_rejects;
    char *recipe_text; /* the recipe file as read, for the manifest */
    float *features;   /* the block that the rows' metadata point into */
} cr_sample_table;

/* Reads recipe and table, filters, labels, splits. Rows that cannot be used are rejects. `root`: see
 * cr_pack_build_options. A missing image file (checked beneath the image root) is a reject before the split, so that
 * splits are stratified over what can be packed. Errors: CR_BAD_CONFIG with file:line:column of the recipe; CR_BAD_DATA
 * with file and row of the table; CR_MISSING. When no row can be used, *table is there all the same, for its rejects.
 */
CR_NODISCARD cr_status cr_sample_table_create(const char *recipe, const char *root, cr_sample_table **table);
void cr_sample_table_destroy(cr_sample_table **table);

/* Appends a reject (strings are copied) and marks row `index`. Not thread-safe. */
CR_NODISCARD cr_status cr_sample_table_reject(cr_sample_table *table, int64_t index, const char *reason,
                                              const char *detail);
/* Means, deviations and missing counts of the training split over rows that are not rejected; to be called after the
 * images are known. Numeric columns that are constant or have no value get the deviation 1, so that nobody divides by
 * zero. */
void cr_sample_table_statistics(cr_sample_table *table);

/* Opens `path` beneath the folder descriptor `root` for reading: regular files only, never through "..", an absolute
 * path or a symbolic link that leaves the root (openat2 RESOLVE_BENEATH; a component-wise openat where the kernel lacks
 * it). Errors: CR_MISSING, CR_BAD_DATA ("path escapes the image root"), CR_PERMISSION, CR_IO. */
CR_NODISCARD cr_status cr_open_beneath(int root, const char *path, int *descriptor);

/* Whether a failure to open or read an image is not the file's own: no memory, too many open files, a disk that does
 * not answer. Such a one ends packing, or rows would be missing that the next attempt finds; others make a reject. */
static inline bool cr_pack_is_fatal(cr_status status)
{
    return status == CR_INTERNAL || status == CR_IO;
}

#endif
