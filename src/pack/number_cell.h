/* Cells as missing values and as numbers, the same on every machine and in every locale. */
#ifndef CRISOL_NUMBER_CELL_H
#define CRISOL_NUMBER_CELL_H

#include "crisol/status.h"

#include <stdbool.h>

typedef enum cr_number_kind {
    CR_NUMBER_VALUE,
    CR_NUMBER_MISSING,
    CR_NUMBER_BAD
} cr_number_kind;

/* Whether a cell, without the white space around it, is empty, NA, nan or NaN. */
bool cr_cell_is_missing(const char *cell);

/* Reads [+-] digits [. digits] [e [+-] digits], with at least one digit before or after the point and white space
 * around it. Anything else that strtod would take (hexadecimal, inf, nan(1), a locale's comma) is bad, and so is a
 * number beyond the range of double; one below it rounds to zero. The value is the nearest double. Thread-safe. */
cr_number_kind cr_number_parse(const char *cell, double *value);

#endif
