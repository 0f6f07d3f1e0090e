/* Tables as text: columns aligned by characters, not bytes. */
#ifndef CRISOL_TRAIN_METRICS_TEXT_H
#define CRISOL_TRAIN_METRICS_TEXT_H

#include "crisol/status.h"

#include <stdint.h>
#include <stdio.h>

/* Code points of UTF-8 text, as Python counts. */
int cr_metrics_text_width(const char *text);
void cr_metrics_print_right(FILE *out, const char *text, int width);
void cr_metrics_print_left(FILE *out, const char *text, int width);
/* The name of class c, or its number where there are no names; `number` is room for the latter. */
const char *cr_metrics_class_name(const char *const class_names[], int64_t c, char *number, size_t bytes);

/* A stream into memory. Closing gives the text in *text, or frees it and fails. */
CR_NODISCARD cr_status cr_metrics_open_text(char **text, size_t *bytes, FILE **out);
CR_NODISCARD cr_status cr_metrics_close_text(FILE **out, char **text);

#endif
