/* A small data set in a scratch folder, and packs made of it. */
#ifndef CRISOL_TEST_PACK_CASE_H
#define CRISOL_TEST_PACK_CASE_H

#include "crisol/pack.h"
#include "crisol/pack_build.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACK_CASE_ROWS = 36,
    PACK_CASE_PATH = 512
};

typedef struct pack_case {
    char folder[64]; /* removed by pack_case_clear() */
    char recipe[PACK_CASE_PATH];
    char output[PACK_CASE_PATH]; /* folder/pack */
} pack_case;

/* 36 rows (numeric, categorical and list columns, missing cells, groups of two) with PNG and JPEG images of several
 * sizes; shards of at most 8 samples. The images of `n_damaged` rows are cut short. `settings` are lines added to the
 * recipe ("max_rejects: 0.5\n"), or "". */
void pack_case_make(pack_case *c, int n_damaged, const char *settings);
void pack_case_clear(pack_case *c);

cr_status pack_case_build(const pack_case *c, const char *output, int n_workers, bool force,
                          cr_pack_build_report *report);
/* Builds c->output and fails the test if that fails. */
void pack_case_build_well(const pack_case *c);

/* "folder/name" in one of a few static buffers. */
const char *pack_case_path(const char *folder, const char *name);
/* A whole file, malloc'ed; and back again. */
uint8_t *pack_case_read(const char *path, size_t *bytes);
void pack_case_write(const char *path, const void *data, size_t bytes);
bool pack_case_exists(const char *path);
/* Removes a folder with all in it. */
void pack_case_remove(const char *folder);
/* Fails the test unless both folders hold the same files with the same bytes. */
void pack_case_assert_same(const char *a, const char *b);

#endif
