/* Cells that hold a list as Python prints it: ['Historia', "O'Higgins"], [0, 1, 0]. */
#ifndef CRISOL_LIST_LITERAL_H
#define CRISOL_LIST_LITERAL_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CR_LIST_MAX_ITEMS = 4096
};

/* A parsed list. Zero-initialised, it can be used for one cell after another and keeps its memory. */
typedef struct cr_list {
    char **items; /* texts without quotes and escapes; a number as it was written */
    bool *is_number;
    int64_t n;
    int64_t capacity;
    char *text; /* what `items` point into */
    size_t text_capacity;
} cr_list;

/* Takes '…' and "…" with Python's escapes (not \N{…}), numbers, a comma after the last item and white space between.
 * *good is false for anything else: other literals, nested lists, text joined without a comma, prefixes such as r'…',
 * more than CR_LIST_MAX_ITEMS items, escapes for NUL or for half of a surrogate pair. Errors: CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_list_parse(const char *cell, cr_list *list, bool *good);
void cr_list_free(cr_list *list);

#endif
