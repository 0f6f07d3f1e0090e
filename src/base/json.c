#include "crisol/json.h"

#include "crisol/atomic_file.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* 17 significant digits give every double back. */
enum {
    WRITE_FLAGS = JSON_REAL_PRECISION(17)
};

/* Out of memory, jansson says that the text is wrong, or leaves a part out and says nothing: a good file would pass for
 * a damaged one, a damaged one be written. */
static _Thread_local bool lacked_memory;
static pthread_once_t hooked = PTHREAD_ONCE_INIT;

static void *malloc_noted(size_t bytes)
{
    void *block = malloc(bytes);
    lacked_memory = lacked_memory || !block;
    return block;
}

static void hook_malloc(void)
{
    json_set_alloc_funcs(malloc_noted, free);
}

static void note_memory(void)
{
    pthread_once(&hooked, hook_malloc);
    lacked_memory = false;
}

cr_status cr_json_parse(const char *text, size_t bytes, const char *name, json_t **object)
{
    json_error_t error;
    *object = NULL;
    note_memory();
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (lacked_memory) {
        json_decref(root);
        return cr_fail_context(cr_fail_memory("its JSON", bytes), "%s", name);
    }
    if (!root)
        return cr_fail(CR_BAD_DATA, "%s:%d:%d: %s", name, error.line, error.column, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return cr_fail(CR_BAD_DATA, "%s:1:1: an object is expected, not an array", name);
    }
    *object = root;
    return CR_OK;
}

char *cr_json_text(const json_t *value, size_t flags)
{
    note_memory();
    char *text = json_dumps(value, flags);
    if (lacked_memory) {
        free(text);
        text = NULL;
    }
    return text;
}

cr_status cr_json_load(const char *path, size_t max_bytes, json_t **object)
{
    char *text = NULL;
    size_t bytes = 0;
    *object = NULL;
    cr_status status = cr_read_file(path, max_bytes, &text, &bytes);
    if (status == CR_OK)
        status = cr_json_parse(text, bytes, path, object);
    free(text);
    return status;
}

cr_status cr_json_save(const char *path, const json_t *object)
{
    char *text = cr_json_text(object, WRITE_FLAGS | JSON_INDENT(1));
    if (!text)
        return cr_fail(CR_INTERNAL, "%s: cannot be written as JSON (out of memory, or text that is not UTF-8)", path);
    size_t bytes = strlen(text);
    text[bytes] = '\n'; /* in the place of the final NUL, which no one needs any more */
    cr_status status = cr_atomic_file_save(path, text, bytes + 1);
    free(text);
    return status;
}

char *cr_json_line(const json_t *object)
{
    return cr_json_text(object, WRITE_FLAGS);
}

/* The member, or null with a message. */
static json_t *get_member(const json_t *object, const char *key, const char *where)
{
    json_t *member = json_object_get(object, key);
    if (!member)
        (void)cr_fail(CR_BAD_DATA, "%s: key \"%s\" is missing", where, key);
    return member;
}

static cr_status refuse_type(const char *key, const char *where, const char *wanted)
{
    return cr_fail(CR_BAD_DATA, "%s: \"%s\" must be %s", where, key, wanted);
}

cr_status cr_json_get_int(const json_t *object, const char *key, const char *where, int64_t lowest, int64_t highest,
                          int64_t *value)
{
    const json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    if (!json_is_integer(member))
        return refuse_type(key, where, "an integer");
    int64_t found = json_integer_value(member);
    if (found < lowest || found > highest)
        return cr_fail(CR_BAD_DATA, "%s: \"%s\" is %lld, allowed is %lld to %lld", where, key, (long long)found,
                       (long long)lowest, (long long)highest);
    *value = found;
    return CR_OK;
}

cr_status cr_json_get_real(const json_t *object, const char *key, const char *where, double *value)
{
    const json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    const char *text = json_is_string(member) ? json_string_value(member) : "";
    if (json_is_number(member))
        *value = json_number_value(member);
    else if (!strcmp(text, "nan"))
        *value = NAN;
    else if (!strcmp(text, "inf"))
        *value = INFINITY;
    else if (!strcmp(text, "-inf"))
        *value = -INFINITY;
    else
        return refuse_type(key, where, "a number, or \"nan\", \"inf\" or \"-inf\"");
    return CR_OK;
}

cr_status cr_json_get_bool(const json_t *object, const char *key, const char *where, bool *value)
{
    const json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    if (!json_is_boolean(member))
        return refuse_type(key, where, "true or false");
    *value = json_is_true(member);
    return CR_OK;
}

cr_status cr_json_get_string(const json_t *object, const char *key, const char *where, const char **value)
{
    const json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    if (!json_is_string(member))
        return refuse_type(key, where, "a text");
    *value = json_string_value(member);
    return CR_OK;
}

cr_status cr_json_get_array(const json_t *object, const char *key, const char *where, json_t **value)
{
    json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    if (!json_is_array(member))
        return refuse_type(key, where, "an array");
    *value = member;
    return CR_OK;
}

cr_status cr_json_get_object(const json_t *object, const char *key, const char *where, json_t **value)
{
    json_t *member = get_member(object, key, where);
    if (!member)
        return CR_BAD_DATA;
    if (!json_is_object(member))
        return refuse_type(key, where, "an object");
    *value = member;
    return CR_OK;
}

json_t *cr_json_real(double value)
{
    if (isnan(value))
        return json_string("nan");
    if (isinf(value))
        return json_string(value > 0 ? "inf" : "-inf");
    return json_real(value);
}
