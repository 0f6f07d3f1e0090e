/* One block of memory for all buffers of a program: buffers whose lives meet get places that do not. */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 64, /* bytes */
    HUGE_PAGE = 2 * 1024 * 1024
};

cr_status cr_buffer_add(cr_cpu_program *program, size_t bytes, int time, int *buffer)
{
    *buffer = CR_NONE;
    if (bytes == 0)
        return CR_OK;
    size_t total = (size_t)(program->n_buffers + 1) * sizeof *program->buffers;
    cr_buffer *larger = realloc(program->buffers, total);
    if (!larger)
        return cr_fail_memory("a program's buffers", total);
    program->buffers = larger;
    larger[program->n_buffers] = (cr_buffer){.bytes = bytes, .birth = time, .death = time};
    *buffer = program->n_buffers++;
    return CR_OK;
}

void cr_buffer_use(cr_cpu_program *program, int buffer, int time)
{
    if (buffer == CR_NONE)
        return;
    cr_buffer *used = &program->buffers[buffer];
    if (time < used->birth)
        used->birth = time;
    if (time > used->death)
        used->death = time;
}

void cr_buffer_keep(cr_cpu_program *program, int buffer)
{
    if (buffer != CR_NONE)
        program->buffers[buffer].kept = true;
}

static bool lives_meet(const cr_buffer *a, const cr_buffer *b)
{
    return a->kept || b->kept || (a->birth <= b->death && b->birth <= a->death);
}

static int by_size(const void *a, const void *b)
{
    const cr_buffer *x = *(cr_buffer *const *)a, *y = *(cr_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y; /* the same plan every time */
}

static int by_offset(const void *a, const void *b)
{
    const cr_buffer *x = *(cr_buffer *const *)a, *y = *(cr_buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Lowest gap that holds `bytes` beside the placed buffers (sorted by offset) whose lives meet the new one's. */
static size_t lowest_gap(const cr_buffer *buffer, cr_buffer *const *placed, int n_placed)
{
    size_t end = 0;
    for (int i = 0; i < n_placed; i++) {
        if (!lives_meet(buffer, placed[i]))
            continue;
        if (placed[i]->offset >= end + buffer->bytes)
            return end;
        size_t after = placed[i]->offset + placed[i]->bytes;
        if (after > end)
            end = after;
    }
    return end;
}

/* Largest first, each at the lowest place that is free during its life ("greedy by size": Pisarchyk, Lee 2020,
 * Efficient Memory Management for Deep Neural Net Inference). */
static size_t place_buffers(cr_buffer **order, int n)
{
    size_t total = 0;
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        order[i]->offset = lowest_gap(order[i], order, i);
        if (order[i]->offset + order[i]->bytes > total)
            total = order[i]->offset + order[i]->bytes;
        qsort(order, (size_t)i + 1, sizeof *order, by_offset);
    }
    return total;
}

cr_status cr_arena_create(cr_cpu_program *program)
{
    cr_buffer **order = calloc((size_t)program->n_buffers + 1, sizeof *order);
    if (!order)
        return cr_fail_memory("a memory plan", (size_t)program->n_buffers * sizeof *order);
    for (int i = 0; i < program->n_buffers; i++) {
        order[i] = &program->buffers[i];
        order[i]->bytes = (order[i]->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    program->arena_bytes = place_buffers(order, program->n_buffers) + ALIGNMENT;
    free(order);
    size_t pages_bytes = (program->arena_bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    program->arena = aligned_alloc(HUGE_PAGE, pages_bytes);
    if (!program->arena)
        return cr_fail(CR_INTERNAL, "no memory for a program of %zu MB: use a smaller data.micro_batch",
                       program->arena_bytes >> 20);
    /* Where the system grants it: a few address translations instead of tens of thousands. */
    (void)madvise(program->arena, pages_bytes, MADV_HUGEPAGE);
#if CRISOL_SANITIZED /* NaNs, so that a number nobody wrote is seen */
    memset(program->arena, 0xff, program->arena_bytes);
#endif
    return CR_OK;
}

void *cr_buffer_data(const cr_cpu_program *program, int buffer)
{
    return buffer == CR_NONE ? NULL : program->arena + program->buffers[buffer].offset;
}

void *cr_value_data(const cr_cpu_program *program, int value)
{
    return value == CR_NONE ? NULL : cr_buffer_data(program, program->values[value].buffer);
}
