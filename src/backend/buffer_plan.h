/* Buffers of a program in one block of memory: buffers whose lives meet get places that do not. */
#ifndef CRISOL_BACKEND_BUFFER_PLAN_H
#define CRISOL_BACKEND_BUFFER_PLAN_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CR_NONE = -1 /* no buffer, no value, no step */
};

typedef struct cr_buffer {
    size_t bytes;
    int birth, death; /* first and last time of use */
    bool kept;        /* from one run to the next */
    size_t offset;    /* in the block */
} cr_buffer;

typedef struct cr_buffer_plan { /* starts empty */
    cr_buffer *buffers;
    int n_buffers;
} cr_buffer_plan;

/* A new buffer alive at `time`; *buffer = CR_NONE for 0 bytes. */
CR_NODISCARD cr_status cr_buffer_plan_add(cr_buffer_plan *plan, size_t bytes, int time, int *buffer);
void cr_buffer_plan_use(cr_buffer_plan *plan, int buffer, int time); /* accepts CR_NONE */
void cr_buffer_plan_keep(cr_buffer_plan *plan, int buffer);          /* accepts CR_NONE */
/* Gives every buffer its offset, a multiple of `alignment`; *bytes: of the whole block. */
CR_NODISCARD cr_status cr_buffer_plan_place(cr_buffer_plan *plan, size_t alignment, size_t *bytes);
void cr_buffer_plan_clear(cr_buffer_plan *plan);

#endif
