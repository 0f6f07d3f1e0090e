/* manifest.json: what a pack consists of and what its numbers mean. Its presence makes a folder a pack. */
#ifndef CRISOL_MANIFEST_H
#define CRISOL_MANIFEST_H

#include "crisol/hash.h"
#include "crisol/pack.h"
#include "crisol/status.h"
#include "sample_table.h"
#include "shard.h"

#include <stddef.h>
#include <stdint.h>

#define CR_MANIFEST_FILE "manifest.json"
#define CR_MANIFEST_REJECTS "rejects.csv"
#define CR_MANIFEST_SAMPLES "samples.csv"
#define CR_MANIFEST_FORMAT "crisol-pack"

/* The file's last member: XXH3-128 of all bytes before these. */
#define CR_MANIFEST_TAIL_FORMAT ",\n \"check_xxh3_128\": \"%s\"\n}\n"

enum {
    CR_MANIFEST_TAIL_BYTES = 22 + 32 + 4, /* of the format above with its 32 digits */
    CR_MANIFEST_VERSION = 1,
    CR_MANIFEST_MAX_BYTES = 256 << 20,
    CR_MANIFEST_MAX_FEATURES = 1 << 20
};

/* One shard as the manifest lists it. */
typedef struct cr_shard_entry {
    char name[CR_SHARD_NAME_BYTES];
    cr_split split;
    int64_t index, count, n_samples;
    uint64_t bytes;
    char hash[CR_HASH_TEXT];       /* XXH3-128 of the file */
    char index_hash[CR_HASH_TEXT]; /* XXH3-128 of the file's bytes outside /images */
    cr_shard_offsets offsets;
} cr_shard_entry;

typedef struct cr_file_entry {
    uint64_t bytes;
    char hash[CR_HASH_TEXT];
} cr_file_entry;

/* A manifest that was read and checked: every count is bounded, every name plain, every sum right. */
typedef struct cr_manifest {
    struct json_t *json;
    char id[CR_HASH_TEXT];    /* XXH3-128 of the file */
    const char **class_names; /* borrowed from json */
    int64_t n_classes;
    cr_column *columns;
    int64_t n_columns, n_features;
    char **feature_names;   /* [n_features] */
    cr_shard_entry *shards; /* by split, then by index */
    int64_t n_shards, n_samples[CR_N_SPLITS];
    cr_file_entry rejects;
    cr_file_entry samples;    /* an empty hash: the pack was made before there was such a list */
    const char *leak_warning; /* borrowed from json, or null */
} cr_manifest;

/* Errors: CR_MISSING (no such folder, or no manifest in it), CR_BAD_DATA naming the key, CR_IO, CR_PERMISSION. */
CR_NODISCARD cr_status cr_manifest_read(const char *folder, cr_manifest **manifest);
void cr_manifest_destroy(cr_manifest **manifest);

/* Writes it atomically: the commit point. `id` receives the pack id. */
CR_NODISCARD cr_status cr_manifest_write(const char *folder, const cr_sample_table *table, const cr_shard_entry *shards,
                                         int64_t n_shards, const cr_file_entry *rejects, const cr_file_entry *samples,
                                         char id[CR_HASH_TEXT]);

/* "age", or "tags=Historia" for one word of a list: one name a feature, malloc'ed. */
CR_NODISCARD cr_status cr_feature_names_create(const cr_column *columns, int64_t n_columns, int64_t n_features,
                                               char ***names);
void cr_feature_names_destroy(char ***names, int64_t n_features);

const char *cr_column_kind_name(cr_column_kind kind); /* "numeric", "categorical", "list" */

#endif
