/* A text file that grows in memory and is saved at once. */
#ifndef CRISOL_FILE_TEXT_H
#define CRISOL_FILE_TEXT_H

#include "crisol/status.h"

#include <stdio.h>

typedef struct cr_file_text {
    FILE *stream;
    char *data;
    size_t bytes;
} cr_file_text;

CR_NODISCARD cr_status cr_file_text_open(cr_file_text *text);
/* Writes it as folder/name, atomically, and frees it, whether this succeeds or not. */
CR_NODISCARD cr_status cr_file_text_save(cr_file_text *text, const char *folder, const char *name);

/* A cell of a CSV file (RFC 4180): quoted when it holds a comma, a quote or a line break. */
void cr_file_text_cell(FILE *out, const char *cell);

#endif
