#include "add.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 64,
    HUGE_PAGE = 2 << 20,
    BLOCK = 2048 /* floats: a few operands of 8 KiB fit the first-level cache */
};

typedef float lanes __attribute__((vector_size(ALIGNMENT), may_alias));

/* out may be left or right. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static void add(float *out, const float *left,
                                                                             const float *right, int64_t n)
{
    lanes *o = (lanes *)out;
    const lanes *l = (const lanes *)left, *r = (const lanes *)right;
    int64_t whole = n / CR_TREE_UNIT;
    for (int64_t i = 0; i < whole; i++)
        o[i] = l[i] + r[i];
    for (int64_t i = whole * CR_TREE_UNIT; i < n; i++)
        out[i] = left[i] + right[i];
}

void cr_add_range(const cr_tree_add *adds, int n_adds, float *const *buffers, float *out, int64_t begin, int64_t end)
{
    for (int64_t at = begin; at < end; at += BLOCK) {
        int64_t n = end - at < BLOCK ? end - at : BLOCK;
        for (int i = 0; i < n_adds; i++) {
            float *left = buffers[adds[i].left] + at;
            add(out && i == n_adds - 1 ? out + at : left, left, buffers[adds[i].right] + at, n);
        }
    }
}

typedef struct additions {
    const cr_tree_add *adds;
    int n_adds;
    float *const *buffers;
    float *out;
    int64_t n;
    int n_workers;
} additions;

static cr_status add_share(void *context, int worker)
{
    const additions *a = context;
    int64_t begin, end;
    cr_share((a->n + CR_TREE_UNIT - 1) / CR_TREE_UNIT, a->n_workers, worker, &begin, &end);
    begin *= CR_TREE_UNIT;
    end = end * CR_TREE_UNIT < a->n ? end * CR_TREE_UNIT : a->n;
    cr_add_range(a->adds, a->n_adds, a->buffers, a->out, begin, end);
    return CR_OK;
}

cr_status cr_add_all(cr_workers *workers, const cr_tree_add *adds, int n_adds, float *const *buffers, float *out,
                     int64_t n)
{
    if (n_adds == 0 || n == 0)
        return CR_OK;
    additions a = {adds, n_adds, buffers, out, n, cr_workers_count(workers)};
    return cr_workers_run(workers, add_share, &a);
}

cr_status cr_floats_create(int64_t n, const char *what, float **floats)
{
    size_t bytes = ((size_t)n * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes >= HUGE_PAGE) /* large pages: fewer misses for the adds and for copies between processes */
        bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    *floats = aligned_alloc(bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT, bytes);
    if (!*floats)
        return cr_fail_memory(what, bytes);
    if (bytes >= HUGE_PAGE)
        madvise(*floats, bytes, MADV_HUGEPAGE); /* a hint: without it all is the same, only slower */
    return CR_OK;
}
