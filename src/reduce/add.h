/* Additions of large float arrays, element by element, so that neither cutting them nor the vector width changes a bit.
 */
#ifndef CRISOL_REDUCE_ADD_H
#define CRISOL_REDUCE_ADD_H

#include "tree_plan.h"

/* Runs `adds` in order over buffers[slot][begin … end): left += right, except that the last sum goes to `out` when
 * `out` is not null (it may be one of the buffers). Buffers, out and begin are aligned to 64 bytes. Goes in blocks that
 * stay in the cache through all additions. Local. */
void cr_add_range(const cr_tree_add *adds, int n_adds, float *const *buffers, float *out, int64_t begin, int64_t end);

/* The same over [0, n), cut among the workers. */
CR_NODISCARD cr_status cr_add_all(cr_workers *workers, const cr_tree_add *adds, int n_adds, float *const *buffers,
                                  float *out, int64_t n);

/* An array of n floats, 64-byte aligned, not written to (so its memory belongs to the thread that first does). free().
 */
CR_NODISCARD cr_status cr_floats_create(int64_t n, const char *what, float **floats);

#endif
