/* A run directory in words, for inspect and verify. */
#ifndef CRISOL_RUN_TEXT_H
#define CRISOL_RUN_TEXT_H

#include "crisol/status.h"

#include <stdbool.h>

/* The folder is a run directory, not a pack. */
bool cli_is_run(const char *path);
/* Prints what is in a run directory: how far it is, its checkpoints and whether they verify, how to resume. */
CR_NODISCARD cr_status cli_inspect_run(const char *path);
/* Prints a run's record as JSON. CR_BAD_DATA when it is damaged or was changed. */
CR_NODISCARD cr_status cli_print_record(const char *path);
/* Re-reads every checkpoint: CR_BAD_DATA naming the first damaged one, CR_MISSING when there is none. */
CR_NODISCARD cr_status cli_verify_run(const char *path, bool quiet);

#endif
