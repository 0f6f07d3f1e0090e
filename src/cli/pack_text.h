/* A pack described for people and for machines: what pack and inspect print. */
#ifndef CRISOL_CLI_PACK_TEXT_H
#define CRISOL_CLI_PACK_TEXT_H

#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdio.h>

/* Text from a file that somebody else may have written, padded to `width` characters (not bytes). What a terminal would
 * obey is replaced. */
void cli_print_name(FILE *out, const char *text, int width);
void cli_print_pack(FILE *out, const cr_pack *pack);
/* The manifest with the pack's id and size in front, indented. */
CR_NODISCARD cr_status cli_print_pack_json(FILE *out, const cr_pack *pack);
void cli_print_sample(FILE *out, const cr_pack *pack, cr_split split, int64_t sample);

#endif
