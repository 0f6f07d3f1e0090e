/* A picture of augmented samples. */
#ifndef CRISOL_CLI_INSPECT_GRID_H
#define CRISOL_CLI_INSPECT_GRID_H

#include "crisol/pack.h"

/* Writes a PNG: a row a sample of the split (the first ones of the training's order), a column as packed and one an
 * epoch, augmented as the config file says. */
CR_NODISCARD cr_status cli_write_grid(const cr_pack *pack, cr_split split, const char *config, const char *path);

#endif
