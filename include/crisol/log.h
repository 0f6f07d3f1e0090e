/* Messages for people, on standard error. Only rank 0 prints information; warnings and errors of the other ranks are
 * printed with "rank R: " in front. Any thread may call. */
#ifndef CRISOL_LOG_H
#define CRISOL_LOG_H

#include "crisol/status.h"

#include <stdbool.h>

/* Sets what prefixes a line and who prints: rank of size (0 of 1 until called). Local. */
void cr_log_set_rank(int rank, int size);
void cr_log_set_quiet(bool quiet); /* true: only warnings and errors */

/* One line each; a newline is added. The progress line, if one is shown, is cleared first. */
void cr_log_info(const char *format, ...) CR_PRINTF(1, 2);
void cr_log_warning(const char *format, ...) CR_PRINTF(1, 2);
void cr_log_error(const char *format, ...) CR_PRINTF(1, 2);

/* Shows a progress line. On a terminal it replaces the former one; elsewhere it is an ordinary line, at most one in
 * 10 s unless `last`. Rank 0 only. */
void cr_log_progress(bool last, const char *format, ...) CR_PRINTF(2, 3);

#endif
