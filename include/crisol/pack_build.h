/* From a recipe (YAML: table, images, columns, label, split) to a pack. */
#ifndef CRISOL_PACK_BUILD_H
#define CRISOL_PACK_BUILD_H

#include "crisol/status.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cr_pack_build_options {
    const char *recipe; /* path of the YAML file */
    const char
        *root; /* folder that the recipe's relative paths start from; null: the recipe's own folder (key `root`) */
    const char *output;                /* folder to make */
    bool force;                        /* replace an existing pack */
    int n_workers;                     /* 0: all cores */
    const volatile sig_atomic_t *stop; /* null, or raised by a signal handler: packing ends with CR_STOPPED */
} cr_pack_build_options;

typedef struct cr_pack_build_report {
    int64_t n_rows, n_packed, n_rejected;
    double seconds;
    char pack_id[33];
} cr_pack_build_report;

/* Local. Errors: CR_BAD_CONFIG (recipe, with file:line; a pack is in the output's place and `force` is not set, or a
 * folder that is no pack), CR_BAD_DATA (table; too many rejects, which are then listed in OUTPUT.rejects.csv),
 * CR_MISSING, CR_IO, CR_STOPPED. On failure nothing that could be taken for a pack is left. */
CR_NODISCARD cr_status cr_pack_build(const cr_pack_build_options *options, cr_pack_build_report *report);

#endif
