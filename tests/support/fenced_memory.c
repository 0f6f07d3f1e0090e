#include "fenced_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MOST_ARRAYS = 4096,
    PAGE = 4096
};

typedef struct region {
    char *begin; /* null: free */
    size_t bytes;
} region;

struct fence {
    cr_memory memory;
    region regions[MOST_ARRAYS];
    cr_status (*drain)(void *context);
    void *drained; /* its context */
};

static const fence *fence_of(const cr_memory *memory)
{
    return memory->context;
}

static void protect(const fence *f, const float *floats, int how)
{
    for (int i = 0; i < MOST_ARRAYS; i++) {
        const region *r = &f->regions[i];
        if (r->begin && (const char *)floats >= r->begin && (const char *)floats < r->begin + r->bytes) {
            if (mprotect(r->begin, r->bytes, how) == 0)
                return;
            perror("mprotect");
            abort();
        }
    }
    fprintf(stderr, "%p is not in the fenced memory\n", (const void *)floats);
    abort();
}

void fence_open(const fence *f, const float *floats)
{
    protect(f, floats, PROT_READ | PROT_WRITE);
}

void fence_close(const fence *f, const float *floats)
{
    protect(f, floats, PROT_NONE);
}

static cr_status drain(const cr_memory *memory)
{
    const fence *f = fence_of(memory);
    return f->drain ? f->drain(f->drained) : CR_OK;
}

static cr_status allocate_fenced(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    fence *f = memory->context;
    size_t bytes = ((size_t)n * sizeof(float) + PAGE - 1) / PAGE * PAGE;
    for (int i = 0; i < MOST_ARRAYS; i++) {
        if (f->regions[i].begin)
            continue;
        void *begin = mmap(NULL, bytes + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* a page between two */
        if (begin == MAP_FAILED)
            return cr_fail_memory(what, bytes);
        f->regions[i] = (region){begin, bytes};
        *floats = begin;
        fence_open(f, *floats);
        memset(*floats, 0xa5, bytes); /* as undefined as can be */
        fence_close(f, *floats);
        return CR_OK;
    }
    return cr_fail(CR_INTERNAL, "more than %d arrays", MOST_ARRAYS);
}

static void release_fenced(const cr_memory *memory, float *floats)
{
    fence *f = memory->context;
    cr_status drained = drain(memory); /* what is queued may still use it */
    (void)drained;
    for (int i = 0; i < MOST_ARRAYS; i++) {
        if (f->regions[i].begin != (char *)floats)
            continue;
        munmap(f->regions[i].begin, f->regions[i].bytes + PAGE);
        f->regions[i].begin = NULL;
        return;
    }
    fprintf(stderr, "%p was never allocated\n", (void *)floats);
    abort();
}

static cr_status read_fenced(const cr_memory *memory, const float *from, int64_t n, float *host)
{
    cr_status status = CR_OK;
    CR_TRY(drain(memory));
    fence_open(fence_of(memory), from);
    memcpy(host, from, (size_t)n * sizeof *host);
    fence_close(fence_of(memory), from);
done:
    return status;
}

static cr_status write_fenced(const cr_memory *memory, const float *host, int64_t n, float *to)
{
    cr_status status = CR_OK;
    CR_TRY(drain(memory));
    fence_open(fence_of(memory), to);
    memcpy(to, host, (size_t)n * sizeof *to);
    fence_close(fence_of(memory), to);
done:
    return status;
}

static cr_status copy_fenced(const cr_memory *memory, const float *from, int64_t n, float *to)
{
    cr_status status = CR_OK;
    CR_TRY(drain(memory));
    fence_open(fence_of(memory), from);
    fence_open(fence_of(memory), to);
    memcpy(to, from, (size_t)n * sizeof *to);
    fence_close(fence_of(memory), to);
    fence_close(fence_of(memory), from);
done:
    return status;
}

static cr_status clear_fenced(const cr_memory *memory, int64_t n, float *floats)
{
    cr_status status = CR_OK;
    CR_TRY(drain(memory));
    fence_open(fence_of(memory), floats);
    memset(floats, 0, (size_t)n * sizeof *floats);
    fence_close(fence_of(memory), floats);
done:
    return status;
}

/* Plain loops: what the host's vectorised blocks must equal. */
static cr_status add_fenced(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                            float *const *buffers, float *out, int64_t n)
{
    (void)workers;
    cr_status status = CR_OK;
    const fence *f = fence_of(memory);
    CR_TRY(drain(memory));
    for (int i = 0; i < n_adds; i++) {
        float *left = buffers[adds[i].left], *right = buffers[adds[i].right];
        float *to = out && i == n_adds - 1 ? out : left;
        fence_open(f, left);
        fence_open(f, right);
        fence_open(f, to);
        for (int64_t k = 0; k < n; k++)
            to[k] = left[k] + right[k];
        fence_close(f, left);
        fence_close(f, right);
        fence_close(f, to);
    }
done:
    return status;
}

cr_status fence_create(fence **made)
{
    static const cr_memory_ops ops = {.name = "fenced",
                                      .allocate = allocate_fenced,
                                      .release = release_fenced,
                                      .read = read_fenced,
                                      .write = write_fenced,
                                      .copy = copy_fenced,
                                      .clear = clear_fenced,
                                      .add = add_fenced};
    *made = calloc(1, sizeof **made);
    if (!*made)
        return cr_fail_memory("a fence", sizeof **made);
    (*made)->memory = (cr_memory){.ops = &ops, .context = *made};
    return CR_OK;
}

void fence_destroy(fence **made)
{
    if (!*made)
        return;
    for (int i = 0; i < MOST_ARRAYS; i++)
        if ((*made)->regions[i].begin) {
            fprintf(stderr, "an array of %zu bytes was not released\n", (*made)->regions[i].bytes);
            abort();
        }
    free(*made);
    *made = NULL;
}

const cr_memory *fence_memory(const fence *f)
{
    return &f->memory;
}

void fence_set_drain(fence *f, cr_status (*drain_queue)(void *context), void *context)
{
    f->drain = drain_queue;
    f->drained = context;
}
