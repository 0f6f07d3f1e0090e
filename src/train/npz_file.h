/* Arrays for numpy: a .npz file is a zip archive of stored (not compressed) .npy files. The same arrays give the same
 * bytes: members are in the given order and carry one fixed date. */
#ifndef CRISOL_NPZ_FILE_H
#define CRISOL_NPZ_FILE_H

#include "crisol/status.h"

#include <stdint.h>

typedef enum cr_npz_type {
    CR_NPZ_I32,
    CR_NPZ_F32,
    CR_NPZ_F64,
    CR_NPZ_TEXT /* data is `const char *const *`, UTF-8; becomes numpy's fixed-width str; bytes that are no UTF-8 become
                   U+FFFD */
} cr_npz_type;

typedef struct cr_npz_array {
    const char *name; /* of the member, without ".npy" */
    cr_npz_type type;
    int rank; /* 1 or 2; texts 1 */
    int64_t shape[2];
    const void *data; /* borrowed, row-major */
} cr_npz_array;

/* Writes atomically. Errors: CR_IO, CR_PERMISSION, CR_INTERNAL. */
CR_NODISCARD cr_status cr_npz_save(const char *path, const cr_npz_array *arrays, int n);

#endif
