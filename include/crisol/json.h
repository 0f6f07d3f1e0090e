/* Guarded use of jansson: bounded reading, canonical writing, getters that name the key that is wrong.
 * `json_t` is jansson's; headers only forward-declare it. */
#ifndef CRISOL_JSON_H
#define CRISOL_JSON_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

/* Reads and parses a JSON object file of at most `max_bytes`; duplicate keys refused. New reference. Errors:
 * CR_MISSING, CR_PERMISSION, CR_IO; CR_BAD_DATA naming file, line and column. */
CR_NODISCARD cr_status cr_json_load(const char *path, size_t max_bytes, struct json_t **object);
CR_NODISCARD cr_status cr_json_parse(const char *text, size_t bytes, const char *name, struct json_t **object);

/* Writes atomically, keys in insertion order, indented by 1, reals with 17 digits (gives back the same double). */
CR_NODISCARD cr_status cr_json_save(const char *path, const struct json_t *object);
/* As json_dumps(), which out of memory leaves parts out: null then, whole otherwise. malloc'ed. */
char *cr_json_text(const struct json_t *value, size_t flags);
/* One line without newline, malloc'ed; null when out of memory. */
char *cr_json_line(const struct json_t *object);

/* Members of an object; `where` prefixes the message ("packs/a/manifest.json"). Missing or of another type:
 * CR_BAD_DATA. Strings are borrowed from the object. cr_json_get_int also checks lowest ≤ value ≤ highest. */
CR_NODISCARD cr_status cr_json_get_int(const struct json_t *object, const char *key, const char *where, int64_t lowest,
                                       int64_t highest, int64_t *value);
/* Accepts integers, and the strings "nan", "inf", "-inf" that cr_json_real() writes. */
CR_NODISCARD cr_status cr_json_get_real(const struct json_t *object, const char *key, const char *where, double *value);
CR_NODISCARD cr_status cr_json_get_bool(const struct json_t *object, const char *key, const char *where, bool *value);
CR_NODISCARD cr_status cr_json_get_string(const struct json_t *object, const char *key, const char *where,
                                          const char **value);
CR_NODISCARD cr_status cr_json_get_array(const struct json_t *object, const char *key, const char *where,
                                         struct json_t **value);
CR_NODISCARD cr_status cr_json_get_object(const struct json_t *object, const char *key, const char *where,
                                          struct json_t **value);
/* A new reference to a number, or to the string "nan", "inf", "-inf". Null when out of memory. */
struct json_t *cr_json_real(double value);

#endif
