/* A program's own malloc takes the place of the C library's for all of its libraries (glibc manual, "Replacing
 * malloc"). Blocks come from glibc, so not under the address sanitizer, which takes the same place. */
#include "failing_malloc.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define REAL(name) __libc_##name
extern void *REAL(malloc)(size_t bytes);
extern void *REAL(calloc)(size_t n, size_t bytes);
extern void *REAL(realloc)(void *block, size_t bytes);
extern void *REAL(memalign)(size_t alignment, size_t bytes);
extern void REAL(free)(void *block);
void *malloc(size_t bytes);
void *calloc(size_t n, size_t bytes);
void *realloc(void *block, size_t bytes);
void *memalign(size_t alignment, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes);
int posix_memalign(void **block, size_t alignment, size_t bytes);
void free(void *block);

static _Thread_local bool counting;
static _Thread_local long n_calls, failing;
static long live; /* atomic: libraries may have threads */

static bool fails(void)
{
    if (!counting || n_calls++ != failing)
        return false;
    errno = ENOMEM;
    return true;
}

static void *count(void *block)
{
    if (block)
        __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    return block;
}

void failing_malloc_start(long nth)
{
    n_calls = 0;
    failing = nth;
    counting = true;
}

bool failing_malloc_stop(void)
{
    counting = false;
    return failing >= 0 && n_calls > failing;
}

long failing_malloc_live(void)
{
    return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : count(REAL(malloc)(bytes));
}

void *calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : count(REAL(calloc)(n, bytes));
}

void *realloc(void *block, size_t bytes)
{
    if (fails())
        return NULL;
    void *grown = REAL(realloc)(block, bytes);
    if (!block)
        count(grown);
    return grown;
}

void *memalign(size_t alignment, size_t bytes)
{
    return fails() ? NULL : count(REAL(memalign)(alignment, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    void *made = memalign(alignment, bytes);
    if (!made)
        return ENOMEM;
    *block = made;
    return 0;
}

void free(void *block)
{
    if (block)
        __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
    REAL(free)(block);
}
