/* A small, bounded YAML reader for configs, recipes and sweeps: a file becomes a read-only tree whose nodes know where
 * they stand, and getters turn a scalar into the type that the reader wants or say what is wrong as
 * "recipe.yaml:12:3: …" (lines and columns count from 1, columns in characters).
 *
 * Refused with CR_BAD_CONFIG: files over 64 KiB, nesting over 32, text that is not UTF-8, aliases, anchors, tags,
 * several documents, keys that are empty, repeated or not a scalar, NUL inside a text, more than 4096 keys in a map.
 * Types are the reader's choice, never YAML's: `no` is the text "no" where a text is wanted. All calls are local. */
#ifndef CRISOL_YAML_H
#define CRISOL_YAML_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CR_YAML_MAX_BYTES = 64 * 1024,
    CR_YAML_MAX_DEPTH = 32,
    CR_YAML_MAX_KEYS = 4096
};

typedef enum cr_yaml_kind {
    CR_YAML_SCALAR,
    CR_YAML_SEQUENCE,
    CR_YAML_MAP
} cr_yaml_kind;

/* Owned by its cr_yaml, as are all strings in it. */
typedef struct cr_yaml_node {
    cr_yaml_kind kind;
    int line, column;
    const struct cr_yaml_node *parent;       /* null at the root */
    const char *key;                         /* in a map; null at the root and in a sequence */
    int key_line, key_column;                /* in a map */
    int64_t index;                           /* place in its parent, from 0 */
    const char *text;                        /* scalar: never null, "" where nothing stands; otherwise null */
    bool quoted;                             /* scalar in quotes or as a block (| >): a text, never a number or null */
    int64_t n;                               /* sequence, map: items */
    const struct cr_yaml_node *const *items; /* n of them, in the file's order */
} cr_yaml_node;

typedef struct cr_yaml cr_yaml;

/* Reads a file. Errors: CR_MISSING, CR_PERMISSION, CR_IO, CR_BAD_CONFIG. */
CR_NODISCARD cr_status cr_yaml_read(const char *path, cr_yaml **yaml);
/* The same from memory, which is not needed afterwards; `name` stands for the file in messages. */
CR_NODISCARD cr_status cr_yaml_parse(const char *text, size_t bytes, const char *name, cr_yaml **yaml);
/* As cr_yaml_parse() for a word of the command line: messages give `name` without line and column. */
CR_NODISCARD cr_status cr_yaml_parse_value(const char *text, const char *name, cr_yaml **yaml);
void cr_yaml_destroy(cr_yaml **yaml);

/* What the file holds, never null; an empty file is an empty map. */
const cr_yaml_node *cr_yaml_root(const cr_yaml *yaml);

/* "file:line:column: message" with CR_BAD_CONFIG, at a node's value or at its key. */
cr_status cr_yaml_fail(const cr_yaml *yaml, const cr_yaml_node *node, const char *format, ...) CR_PRINTF(3, 4);
cr_status cr_yaml_fail_key(const cr_yaml *yaml, const cr_yaml_node *node, const char *format, ...) CR_PRINTF(3, 4);
/* Where a node stands, as "split.shares[1]" ("the value" for the root); cut to `bytes`. */
void cr_yaml_path(const cr_yaml_node *node, char *path, size_t bytes);

/* The value of a key, null when absent or when `map` is no map. */
const cr_yaml_node *cr_yaml_find(const cr_yaml_node *map, const char *key);
/* The same; absent is an error at the map. */
CR_NODISCARD cr_status cr_yaml_need(const cr_yaml *yaml, const cr_yaml_node *map, const char *key,
                                    const cr_yaml_node **node);
/* An error unless the node is of this kind. */
CR_NODISCARD cr_status cr_yaml_expect(const cr_yaml *yaml, const cr_yaml_node *node, cr_yaml_kind kind);
/* An error unless `map` is a map and each of its keys is in `keys` (ends with null); an unknown key is answered with
 * the nearest one. */
CR_NODISCARD cr_status cr_yaml_check_keys(const cr_yaml *yaml, const cr_yaml_node *map, const char *const *keys);
/* Whether it is a scalar without quotes that is empty, ~ or null. */
bool cr_yaml_is_null(const cr_yaml_node *node);

/* Scalars. A wrong type or a value out of range is an error that says what is allowed. Numbers, true and false stand
 * without quotes. A text may stand either way, but an unquoted null is none. Choices end with null. */
CR_NODISCARD cr_status cr_yaml_get_int(const cr_yaml *yaml, const cr_yaml_node *node, int64_t lowest, int64_t highest,
                                       int64_t *value);
CR_NODISCARD cr_status cr_yaml_get_uint64(const cr_yaml *yaml, const cr_yaml_node *node, uint64_t *value);
CR_NODISCARD cr_status cr_yaml_get_real(const cr_yaml *yaml, const cr_yaml_node *node, double lowest, double highest,
                                        double *value); /* finite */
CR_NODISCARD cr_status cr_yaml_get_bool(const cr_yaml *yaml, const cr_yaml_node *node, bool *value);
CR_NODISCARD cr_status cr_yaml_get_string(const cr_yaml *yaml, const cr_yaml_node *node, const char **value);
CR_NODISCARD cr_status cr_yaml_get_choice(const cr_yaml *yaml, const cr_yaml_node *node, const char *const *choices,
                                          int *choice);

/* The word of `words` (ends with null) that a typing error turns into `word`: smallest number of inserted, deleted,
 * changed or swapped characters, at most a third of the longer word; null when none is near. */
const char *cr_yaml_nearest(const char *word, const char *const *words);

#endif
