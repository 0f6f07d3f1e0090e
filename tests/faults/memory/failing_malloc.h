/* The allocator of the whole program, libraries included, of which one call can be made to fail. */
#ifndef CRISOL_TEST_FAILING_MALLOC_H
#define CRISOL_TEST_FAILING_MALLOC_H

#include <stdbool.h>

/* From now on this thread's calls are counted, and number `nth` (from 0; < 0: none) gives null. */
void failing_malloc_start(long nth);
/* Counts no more. Whether call `nth` came. */
bool failing_malloc_stop(void);
/* Blocks that are in use now. */
long failing_malloc_live(void);

#endif
