#include "buffer_plan.h"

#include <stdlib.h>

cr_status cr_buffer_plan_add(cr_buffer_plan *plan, size_t bytes, int time, int *buffer)
{
    *buffer = CR_NONE;
    if (bytes == 0)
        return CR_OK;
    size_t total = (size_t)(plan->n_buffers + 1) * sizeof *plan->buffers;
    cr_buffer *larger = realloc(plan->buffers, total);
    if (!larger)
        return cr_fail_memory("a program's buffers", total);
    plan->buffers = larger;
    larger[plan->n_buffers] = (cr_buffer){.bytes = bytes, .birth = time, .death = time};
    *buffer = plan->n_buffers++;
    return CR_OK;
}

void cr_buffer_plan_use(cr_buffer_plan *plan, int buffer, int time)
{
    if (buffer == CR_NONE)
        return;
    cr_buffer *used = &plan->buffers[buffer];
    if (time < used->birth)
        used->birth = time;
    if (time > used->death)
        used->death = time;
}

void cr_buffer_plan_keep(cr_buffer_plan *plan, int buffer)
{
    if (buffer != CR_NONE)
        plan->buffers[buffer].kept = true;
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

cr_status cr_buffer_plan_place(cr_buffer_plan *plan, size_t alignment, size_t *bytes)
{
    cr_buffer **order = calloc((size_t)plan->n_buffers + 1, sizeof *order);
    if (!order)
        return cr_fail_memory("a memory plan", (size_t)plan->n_buffers * sizeof *order);
    for (int i = 0; i < plan->n_buffers; i++) {
        order[i] = &plan->buffers[i];
        order[i]->bytes = (order[i]->bytes + alignment - 1) / alignment * alignment;
    }
    *bytes = place_buffers(order, plan->n_buffers);
    free(order);
    return CR_OK;
}

void cr_buffer_plan_clear(cr_buffer_plan *plan)
{
    free(plan->buffers);
    *plan = (cr_buffer_plan){0};
}
