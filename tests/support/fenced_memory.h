/* A memory as a device's would be, without a device: its arrays cannot be touched (PROT_NONE) but inside its own
 * operations, so code that looks behind such a pointer crashes. */
#ifndef CRISOL_TEST_FENCED_MEMORY_H
#define CRISOL_TEST_FENCED_MEMORY_H

#include "crisol/memory.h"

typedef struct fence fence;

/* Borrowed until it is destroyed. Several fences live side by side. */
CR_NODISCARD cr_status fence_create(fence **made);
void fence_destroy(fence **made); /* its arrays must be released */
const cr_memory *fence_memory(const fence *fence);

/* Between these two the whole array that `floats` points into may be read and written. */
void fence_open(const fence *fence, const float *floats);
void fence_close(const fence *fence, const float *floats);

/* What is called before each operation: a device's queue, in which work may still wait. Null: nothing. */
void fence_set_drain(fence *fence, cr_status (*drain)(void *context), void *context);

#endif
