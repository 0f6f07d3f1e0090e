#include "crisol/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 64,
    UNIT = ALIGNMENT / sizeof(float), /* floats: shares of workers begin at multiples */
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
    int64_t whole = n / UNIT;
    for (int64_t i = 0; i < whole; i++)
        o[i] = l[i] + r[i];
    for (int64_t i = whole * UNIT; i < n; i++)
        out[i] = left[i] + right[i];
}

/* In blocks that stay in the cache through all additions. */
static void add_range(const cr_addition *adds, int n_adds, float *const *buffers, float *out, int64_t begin,
                      int64_t end)
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
    const cr_addition *adds;
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
    cr_share((a->n + UNIT - 1) / UNIT, a->n_workers, worker, &begin, &end);
    begin *= UNIT;
    end = end * UNIT < a->n ? end * UNIT : a->n;
    add_range(a->adds, a->n_adds, a->buffers, a->out, begin, end);
    return CR_OK;
}

static cr_status add_host(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                          float *const *buffers, float *out, int64_t n)
{
    (void)memory;
    additions a = {adds, n_adds, buffers, out, n, workers ? cr_workers_count(workers) : 1};
    return workers ? cr_workers_run(workers, add_share, &a) : add_share(&a, 0);
}

static cr_status allocate_host(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    (void)memory;
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

static void release_host(const cr_memory *memory, float *floats)
{
    (void)memory;
    free(floats);
}

static cr_status copy_host(const cr_memory *memory, const float *from, int64_t n, float *to)
{
    (void)memory;
    memcpy(to, from, (size_t)n * sizeof *to);
    return CR_OK;
}

static cr_status clear_host(const cr_memory *memory, int64_t n, float *floats)
{
    (void)memory;
    memset(floats, 0, (size_t)n * sizeof *floats);
    return CR_OK;
}

static const cr_memory_ops host_ops = {.name = "host",
                                       .allocate = allocate_host,
                                       .release = release_host,
                                       .read = copy_host,
                                       .write = copy_host,
                                       .copy = copy_host,
                                       .clear = clear_host,
                                       .add = add_host};

const cr_memory *cr_memory_host(void)
{
    static const cr_memory host = {.ops = &host_ops};
    return &host;
}
