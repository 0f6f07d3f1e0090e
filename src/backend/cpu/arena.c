/* The block of memory of a program's buffers. */
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
    return cr_buffer_plan_add(&program->lowered.plan, bytes, time, buffer);
}

void cr_buffer_use(cr_cpu_program *program, int buffer, int time)
{
    cr_buffer_plan_use(&program->lowered.plan, buffer, time);
}

void cr_buffer_keep(cr_cpu_program *program, int buffer)
{
    cr_buffer_plan_keep(&program->lowered.plan, buffer);
}

cr_status cr_arena_create(cr_cpu_program *program)
{
    cr_status status = CR_OK;
    CR_TRY(cr_buffer_plan_place(&program->lowered.plan, ALIGNMENT, &program->arena_bytes));
    program->arena_bytes += ALIGNMENT;
    size_t pages_bytes = (program->arena_bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    program->arena = aligned_alloc(HUGE_PAGE, pages_bytes);
    if (!program->arena) {
        status = cr_fail(CR_INTERNAL, "no memory for a program of %zu MB: use a smaller data.micro_batch",
                         program->arena_bytes >> 20);
        goto done;
    }
    /* Where the system grants it: a few address translations instead of tens of thousands. */
    (void)madvise(program->arena, pages_bytes, MADV_HUGEPAGE);
#if CRISOL_SANITIZED /* NaNs, so that a number nobody wrote is seen */
    memset(program->arena, 0xff, program->arena_bytes);
#endif
done:
    return status;
}

void *cr_buffer_data(const cr_cpu_program *program, int buffer)
{
    return buffer == CR_NONE ? NULL : program->arena + program->lowered.plan.buffers[buffer].offset;
}

void *cr_value_data(const cr_cpu_program *program, int value)
{
    return value == CR_NONE ? NULL : cr_buffer_data(program, program->lowered.values[value].buffer);
}
