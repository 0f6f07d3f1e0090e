/* Texts numbered in order of first appearance: groups, ids, vocabularies. */
#ifndef CRISOL_STRING_INDEX_H
#define CRISOL_STRING_INDEX_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cr_string_index { /* zero-initialised: empty */
    char **texts;                /* [n], owned */
    int64_t n;
    int64_t n_slots; /* power of two */
    int64_t *slots;  /* number of a text + 1, 0 where free */
} cr_string_index;

/* The number of `text`, which is copied where it is new. `added` may be null. Errors: CR_INTERNAL (memory). */
CR_NODISCARD cr_status cr_string_index_add(cr_string_index *index, const char *text, int64_t *number, bool *added);
int64_t cr_string_index_find(const cr_string_index *index, const char *text); /* -1 when it is not there */
void cr_string_index_free(cr_string_index *index);

/* For qsort() of texts: by bytes, which in UTF-8 is by code points. */
int cr_compare_texts(const void *a, const void *b);

#endif
