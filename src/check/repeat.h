/* The parts of repeating a run: repeat_source.c finds what it was made from, repeat_verdict.c compares. */
#ifndef CRISOL_CHECK_REPEAT_H
#define CRISOL_CHECK_REPEAT_H

#include "crisol/check.h"
#include "crisol/config.h"

#include <stdint.h>

struct json_t;

typedef struct cr_repeat_source {
    struct json_t *record;
    cr_config *original; /* as the run ended with */
    cr_config *config; /* of the repetition: pack and weights where they are now, with the overrides, stopped after the
                          last recorded epoch */
} cr_repeat_source;

/* Everything from the record, checked. Local, alike on every rank that sees the same files. */
CR_NODISCARD cr_status cr_repeat_open(const cr_repeat_options *options, cr_repeat_source *source);
void cr_repeat_close(cr_repeat_source *source);

/* Reads the repetition's record, prints the comparison and writes repeat.json. CR_BAD_DATA when anything differs.
 * Local. */
CR_NODISCARD cr_status cr_repeat_judge(const cr_repeat_options *options, const cr_repeat_source *source);

#endif
