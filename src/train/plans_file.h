/* plans.json: plans of convolutions as a file, {"format": 1, "plans": [{…}, …]}, documented in docs/gpu-backend.md. */
#ifndef CRISOL_PLANS_FILE_H
#define CRISOL_PLANS_FILE_H

#include "crisol/plans.h"

#include <stddef.h>

#define CR_PLANS_FILE "plans.json"

/* Adds what the file has and `plans` has not, marked as used or not. Errors: CR_MISSING where there is no file, which
 * the caller may bear; CR_PERMISSION, CR_IO; CR_BAD_DATA naming file, plan and key, also for two plans of one
 * convolution in the file. Local. */
CR_NODISCARD cr_status cr_plans_load(const char *path, bool is_used, cr_plans *plans);
/* The same from memory; `name` stands for the file in messages. */
CR_NODISCARD cr_status cr_plans_parse(const char *text, size_t bytes, const char *name, bool is_used, cr_plans *plans);
/* Replaces the file atomically by all plans, or by the used ones. Local. */
CR_NODISCARD cr_status cr_plans_save(const char *path, const cr_plans *plans, bool used_only);

#endif
