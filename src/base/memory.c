/* The table's only caller: the defaults of absent slots, and calls that need none. */
#include "crisol/memory.h"

bool cr_memory_is_host(const cr_memory *memory)
{
    return memory == cr_memory_host();
}

cr_status cr_memory_allocate(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    *floats = NULL;
    return memory->ops->allocate(memory, n, what, floats);
}

void cr_memory_release(const cr_memory *memory, float **floats)
{
    if (*floats)
        memory->ops->release(memory, *floats);
    *floats = NULL;
}

cr_status cr_memory_read(const cr_memory *memory, const float *from, int64_t n, float *host)
{
    return n > 0 ? memory->ops->read(memory, from, n, host) : CR_OK;
}

cr_status cr_memory_write(const cr_memory *memory, const float *host, int64_t n, float *to)
{
    return n > 0 ? memory->ops->write(memory, host, n, to) : CR_OK;
}

cr_status cr_memory_copy(const cr_memory *memory, const float *from, int64_t n, float *to)
{
    return n > 0 ? memory->ops->copy(memory, from, n, to) : CR_OK;
}

cr_status cr_memory_clear(const cr_memory *memory, int64_t n, float *floats)
{
    return n > 0 ? memory->ops->clear(memory, n, floats) : CR_OK;
}

cr_status cr_memory_add(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                        float *const *buffers, float *out, int64_t n)
{
    return n > 0 && n_adds > 0 ? memory->ops->add(memory, workers, adds, n_adds, buffers, out, n) : CR_OK;
}

cr_status cr_memory_poll(const cr_memory *memory, bool *done)
{
    *done = true;
    return memory->ops->poll ? memory->ops->poll(memory, done) : CR_OK;
}

cr_status cr_memory_allocate_pinned(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    *floats = NULL;
    return memory->ops->allocate_pinned ? memory->ops->allocate_pinned(memory, n, what, floats)
                                        : cr_memory_allocate(cr_memory_host(), n, what, floats);
}

void cr_memory_release_pinned(const cr_memory *memory, float **floats)
{
    if (*floats && memory->ops->release_pinned)
        memory->ops->release_pinned(memory, *floats);
    else
        cr_memory_release(cr_memory_host(), floats);
    *floats = NULL;
}

cr_status cr_memory_room(const cr_memory *memory, int64_t *bytes)
{
    *bytes = 0;
    return memory->ops->room ? memory->ops->room(memory, bytes) : CR_OK;
}

bool cr_memory_has_lane(const cr_memory *memory)
{
    return memory->ops->lane;
}

const cr_memory *cr_memory_lane(const cr_memory *memory)
{
    return memory->ops->lane ? memory->ops->lane(memory) : memory;
}

cr_status cr_memory_follow(const cr_memory *lane, int mark)
{
    return lane->ops->follow ? lane->ops->follow(lane, mark) : CR_OK;
}

cr_status cr_memory_join(const cr_memory *memory)
{
    return memory->ops->join ? memory->ops->join(memory) : CR_OK;
}
