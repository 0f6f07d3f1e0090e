/* Monotonic time: intervals never see a clock that jumps. */
#ifndef CRISOL_CLOCK_H
#define CRISOL_CLOCK_H

#include <stddef.h>

/* Seconds since an arbitrary fixed point (CLOCK_MONOTONIC). */
double cr_clock_s(void);

/* Writes the date in UTC as 2026-11-23T08:15:00Z; `text` holds at least 24 bytes. */
void cr_clock_utc(char *text, size_t text_bytes);

#endif
