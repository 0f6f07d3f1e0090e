/* A small data set to try everything with: real PNG and JPEG files and a table, made from a seed.
 *
 * A specimen is photographed twice (two rows, one group). Its class is which of two textures its pictures show (stripes
 * or dots) together with which of two sizes it has, which only the table tells, through a noisy measure, the material
 * and the marks. So the picture alone and the table alone each halve the four classes, and only both together tell
 * them apart. */
#ifndef CRISOL_SYNTH_H
#define CRISOL_SYNTH_H

#include "crisol/status.h"

#include <stdint.h>

enum {
    CR_SYNTH_MIN_SAMPLES = 8,
    CR_SYNTH_MAX_SAMPLES = 1000000
};

/* Writes FOLDER/images/ID.png or .jpg (each side 208 to 320 pixels) and FOLDER/table.csv with the columns id, group,
 * image, size_mm (number, some cells empty), material (text, some cells empty), marks (list literal), label. The table
 * comes last, so a folder with a table is complete. The same seed gives the same table and pixels. Errors: CR_USAGE
 * when `n_samples` is out of range or the folder has a table already; CR_IO, CR_PERMISSION. Local. */
CR_NODISCARD cr_status cr_synth_write(const char *folder, int64_t n_samples, uint64_t seed);

#endif
