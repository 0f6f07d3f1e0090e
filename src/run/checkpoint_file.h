/* Names and checks that writing and reading checkpoints share; docs/checkpoint-format.md describes the files. */
#ifndef CRISOL_CHECKPOINT_FILE_H
#define CRISOL_CHECKPOINT_FILE_H

#include "crisol/run.h"

#include <stdint.h>

enum {
    CR_CHECKPOINT_FORMAT = 1,
    CR_CHECKPOINT_JSON_MAX = 1 << 24, /* 16 MiB */
    CR_CHECKPOINT_NAME_MAX = 64
};
/* Every step-N.json begins with these bytes, then 32 digits: XXH3-128 of the whole file with those digits as zeros. */
#define CR_CHECKPOINT_START "{\n \"checksum\": \""

/* A step-N.json that has been read, its checksum and its own fields checked. */
typedef struct cr_checkpoint_file {
    struct json_t *state; /* without checksum, format and tensors */
    int64_t step;
    char tensors[CR_CHECKPOINT_NAME_MAX]; /* file name, beside the JSON */
    int64_t tensors_bytes;
    char hash[CR_HASH_TEXT];
} cr_checkpoint_file;

/* Errors: CR_MISSING, CR_BAD_DATA, CR_IO. The caller json_decref()s file->state, which is null on failure. */
CR_NODISCARD cr_status cr_checkpoint_load(const char *path, cr_checkpoint_file *file);

/* Numbers of all step-N.json in a folder, ascending; malloc'ed. A folder that does not exist has none. */
CR_NODISCARD cr_status cr_checkpoint_scan(const char *folder, int64_t **steps, int64_t *n);
/* True when `name` is "step-" + a number without leading zeros + `suffix`. */
bool cr_checkpoint_parse_name(const char *name, const char *suffix, int64_t *step);

/* Whether `a` comes before `b` as the best one: NaN never does; of two equals the earlier step. */
bool cr_checkpoint_better(const cr_checkpoint_info *a, const cr_checkpoint_info *b, bool maximize);

#endif
