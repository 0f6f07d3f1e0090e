/* Finding and reading nodes of the tree. */
#include "yaml_tree.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_BYTES = 256,
    ALLOWED_BYTES = 512
};

static const char the_value[] = "the value"; /* the root in messages */

const char *cr_yaml_show(const char *text, char shown[CR_YAML_SHOWN])
{
    size_t used = 0;
    for (; *text && used < CR_YAML_SHOWN - 4; text++) {
        bool is_control = (unsigned char)*text < ' ' || *text == 0x7F;
        shown[used++] = is_control ? '?' : *text;
    }
    if (*text) {
        while (used > 0 && ((unsigned char)shown[used - 1] & 0xC0) == 0x80) /* not in the middle of a character */
            used--;
        if (used > 0 && (unsigned char)shown[used - 1] >= 0xC0)
            used--;
        memcpy(shown + used, "...", 3);
        used += 3;
    }
    shown[used] = 0;
    return shown;
}

void cr_yaml_path(const cr_yaml_node *node, char *path, size_t bytes)
{
    const cr_yaml_node *chain[CR_YAML_MAX_DEPTH];
    int n = 0;
    for (; node && node->parent && n < CR_YAML_MAX_DEPTH; node = node->parent)
        chain[n++] = node;
    if (bytes == 0)
        return;
    snprintf(path, bytes, "%s", n == 0 || !chain[n - 1]->key ? the_value : "");
    size_t used = strlen(path);
    while (n-- > 0 && used < bytes) {
        char shown[CR_YAML_SHOWN];
        if (chain[n]->key)
            snprintf(path + used, bytes - used, "%s%s", used ? "." : "", cr_yaml_show(chain[n]->key, shown));
        else
            snprintf(path + used, bytes - used, "[%lld]", (long long)chain[n]->index);
        used += strlen(path + used);
    }
}

const cr_yaml_node *cr_yaml_find(const cr_yaml_node *map, const char *key)
{
    if (map->kind != CR_YAML_MAP)
        return NULL;
    for (int64_t i = 0; i < map->n; i++)
        if (!strcmp(map->items[i]->key, key))
            return map->items[i];
    return NULL;
}

/* "'a.b' must be ALLOWED, not WHAT STANDS THERE" */
static cr_status refuse(const cr_yaml *yaml, const cr_yaml_node *node, const char *allowed)
{
    char path[PATH_BYTES], shown[CR_YAML_SHOWN];
    cr_yaml_path(node, path, sizeof path);
    const char *quote = strncmp(path, the_value, sizeof the_value - 1) != 0 ? "'" : "";
    if (node->kind != CR_YAML_SCALAR)
        return cr_yaml_fail(yaml, node, "%s%s%s must be %s, not a %s", quote, path, quote, allowed,
                            node->kind == CR_YAML_MAP ? "map" : "list");
    if (cr_yaml_is_null(node))
        return cr_yaml_fail(yaml, node, "%s%s%s must be %s, not empty", quote, path, quote, allowed);
    const char *mark = node->quoted ? "\"" : "'";
    return cr_yaml_fail(yaml, node, "%s%s%s must be %s, not %s%s%s", quote, path, quote, allowed, mark,
                        cr_yaml_show(node->text, shown), mark);
}

cr_status cr_yaml_expect(const cr_yaml *yaml, const cr_yaml_node *node, cr_yaml_kind kind)
{
    static const char *const names[] = {"a single value", "a list, as in [a, b]", "a map"};
    return node->kind == kind ? CR_OK : refuse(yaml, node, names[kind]);
}

cr_status cr_yaml_need(const cr_yaml *yaml, const cr_yaml_node *map, const char *key, const cr_yaml_node **node)
{
    char path[PATH_BYTES];
    *node = NULL;
    cr_status status = cr_yaml_expect(yaml, map, CR_YAML_MAP);
    if (status != CR_OK)
        return status;
    *node = cr_yaml_find(map, key);
    if (*node)
        return CR_OK;
    if (!map->parent)
        return cr_yaml_fail(yaml, map, "key '%s' is missing", key);
    cr_yaml_path(map, path, sizeof path);
    return cr_yaml_fail_key(yaml, map, "key '%s' is missing in '%s'", key, path);
}

cr_status cr_yaml_check_keys(const cr_yaml *yaml, const cr_yaml_node *map, const char *const *keys)
{
    cr_status status = cr_yaml_expect(yaml, map, CR_YAML_MAP);
    for (int64_t i = 0; i < map->n && status == CR_OK; i++) {
        char path[PATH_BYTES];
        const cr_yaml_node *item = map->items[i];
        const char *const *known = keys;
        while (*known && strcmp(*known, item->key) != 0)
            known++;
        if (*known)
            continue;
        cr_yaml_path(item, path, sizeof path);
        const char *nearest = cr_yaml_nearest(item->key, keys);
        if (nearest)
            return cr_yaml_fail_key(yaml, item, "unknown key '%s'; did you mean '%s'?", path, nearest);
        char allowed[ALLOWED_BYTES] = "";
        for (known = keys; *known; known++)
            snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), "%s%s", known == keys ? "" : ", ",
                     *known);
        return cr_yaml_fail_key(yaml, item, "unknown key '%s'; known are %s", path, allowed);
    }
    return status;
}

bool cr_yaml_is_null(const cr_yaml_node *node)
{
    if (node->kind != CR_YAML_SCALAR || node->quoted)
        return false;
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!strcmp(node->text, nulls[i]))
            return true;
    return false;
}

static const char *skip_digits(const char *at)
{
    while (isdigit((unsigned char)*at))
        at++;
    return at;
}

static const char *skip_sign(const char *at)
{
    return at + (*at == '-' || *at == '+');
}

/* Decimal; no leading zeros, which YAML 1.1 reads as octal and YAML 1.2 as decimal. */
static bool is_integer(const cr_yaml_node *node)
{
    if (node->kind != CR_YAML_SCALAR || node->quoted)
        return false;
    const char *digits = skip_sign(node->text);
    const char *end = skip_digits(digits);
    return end > digits && !*end && (*digits != '0' || end == digits + 1);
}

/* 1, 1.5, .5, 5., 1e-3: what strtod() takes as well, without its hexadecimal, infinite and NaN forms. */
static bool is_number(const cr_yaml_node *node)
{
    if (node->kind != CR_YAML_SCALAR || node->quoted)
        return false;
    const char *start = skip_sign(node->text);
    const char *at = skip_digits(start);
    bool has_digits = at > start;
    if (*at == '.') {
        start = at + 1;
        at = skip_digits(start);
        has_digits = has_digits || at > start;
    }
    if (has_digits && (*at == 'e' || *at == 'E')) {
        start = skip_sign(at + 1);
        at = skip_digits(start);
        has_digits = at > start;
    }
    return has_digits && !*at;
}

cr_status cr_yaml_get_int(const cr_yaml *yaml, const cr_yaml_node *node, int64_t lowest, int64_t highest,
                          int64_t *value)
{
    if (is_integer(node)) {
        errno = 0;
        long long found = strtoll(node->text, NULL, 10);
        if (!errno && found >= lowest && found <= highest) {
            *value = found;
            return CR_OK;
        }
    }
    char allowed[ALLOWED_BYTES];
    if (lowest == INT64_MIN && highest == INT64_MAX)
        snprintf(allowed, sizeof allowed, "an integer of 64 bits");
    else if (highest == INT64_MAX)
        snprintf(allowed, sizeof allowed, "an integer of at least %lld", (long long)lowest);
    else if (lowest == INT64_MIN)
        snprintf(allowed, sizeof allowed, "an integer of at most %lld", (long long)highest);
    else
        snprintf(allowed, sizeof allowed, "an integer from %lld to %lld", (long long)lowest, (long long)highest);
    return refuse(yaml, node, allowed);
}

cr_status cr_yaml_get_uint64(const cr_yaml *yaml, const cr_yaml_node *node, uint64_t *value)
{
    if (is_integer(node) && node->text[0] != '-') {
        errno = 0;
        unsigned long long found = strtoull(node->text, NULL, 10);
        if (!errno) {
            *value = found;
            return CR_OK;
        }
    }
    return refuse(yaml, node, "an integer from 0 to 18446744073709551615");
}

cr_status cr_yaml_get_real(const cr_yaml *yaml, const cr_yaml_node *node, double lowest, double highest, double *value)
{
    if (is_number(node)) {
        double found = strtod(node->text, NULL);
        if (isfinite(found) && found >= lowest && found <= highest) {
            *value = found;
            return CR_OK;
        }
    }
    char allowed[ALLOWED_BYTES];
    if (isinf(lowest) && isinf(highest))
        snprintf(allowed, sizeof allowed, "a finite number");
    else if (isinf(highest))
        snprintf(allowed, sizeof allowed, "a number of at least %g", lowest);
    else if (isinf(lowest))
        snprintf(allowed, sizeof allowed, "a number of at most %g", highest);
    else
        snprintf(allowed, sizeof allowed, "a number from %g to %g", lowest, highest);
    return refuse(yaml, node, allowed);
}

cr_status cr_yaml_get_bool(const cr_yaml *yaml, const cr_yaml_node *node, bool *value)
{
    if (node->kind == CR_YAML_SCALAR && !node->quoted) {
        *value = !strcmp(node->text, "true");
        if (*value || !strcmp(node->text, "false"))
            return CR_OK;
    }
    return refuse(yaml, node, "true or false");
}

cr_status cr_yaml_get_string(const cr_yaml *yaml, const cr_yaml_node *node, const char **value)
{
    if (node->kind != CR_YAML_SCALAR || cr_yaml_is_null(node))
        return refuse(yaml, node, "a text (\"\" is an empty one)");
    *value = node->text;
    return CR_OK;
}

cr_status cr_yaml_get_choice(const cr_yaml *yaml, const cr_yaml_node *node, const char *const *choices, int *choice)
{
    char allowed[ALLOWED_BYTES] = "";
    for (int i = 0; choices[i]; i++) {
        if (node->kind == CR_YAML_SCALAR && !strcmp(node->text, choices[i])) {
            *choice = i;
            return CR_OK;
        }
        snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), "%s%s",
                 i == 0 ? "" : (choices[i + 1] ? ", " : " or "), choices[i]);
    }
    return refuse(yaml, node, allowed);
}
