/* The form of a record, key by key; docs/record.md is its description in words. */
#include "crisol/json.h"
#include "crisol/record.h"

#include <jansson.h>
#include <string.h>

typedef enum form {
    TEXT,
    HASH,   /* 32 hexadecimal digits, as cr_hash128() */
    WHOLE,  /* an integer, not negative */
    OBJECT, /* with members of its own below */
    TEXTS,  /* an object of texts, or an array of them */
    ARRAY
} form;

typedef struct key {
    const char *path; /* "host.cpu" */
    form form;
    bool may_be_absent;
} key;

static const key keys[] = {
    {"checksum", HASH, false},
    {"format", WHOLE, false},
    {"started", TEXT, false},
    {"command", TEXT, false},
    {"folder", TEXT, false},
    {"repeat", TEXT, false},
    {"program", OBJECT, false},
    {"program.version", TEXT, false},
    {"program.revision", TEXT, false},
    {"program.diff", TEXT, false},
    {"program.compiler", TEXT, false},
    {"program.flags", TEXT, false},
    {"program.binary", TEXT, false},
    {"libraries", TEXTS, false},
    {"host", OBJECT, false},
    {"host.name", TEXT, false},
    {"host.kernel", TEXT, false},
    {"host.machine", TEXT, false},
    {"host.cpu", TEXT, true},
    {"host.isa", TEXTS, true},
    {"host.cores", WHOLE, false},
    {"host.cores_allowed", WHOLE, false},
    {"host.numa_nodes", WHOLE, false},
    {"host.memory_bytes", WHOLE, false},
    {"host.gpus", TEXTS, false},
    {"host.gpu_driver", TEXT, true},
    {"environment", TEXTS, false},
    {"backend", TEXT, false},
    {"comm", TEXT, false},
    {"ranks", WHOLE, false},
    {"workers", WHOLE, false},
    {"threads_per_worker", WHOLE, false},
    {"placement", ARRAY, false},
    {"config", TEXT, false},
    {"pack", OBJECT, false},
    {"pack.id", HASH, false},
    {"pack.folder", TEXT, false},
    {"weights_file", OBJECT, true},
    {"weights_file.path", TEXT, true},
    {"weights_file.hash", HASH, true},
    {"seed", WHOLE, false},
    {"training", OBJECT, false},
    {"kernels", ARRAY, true},
    {"kept_images", TEXT, true},
    {"weights", OBJECT, false},
    {"weights.start", HASH, true},
    {"weights.epochs", ARRAY, false},
    {"weights.end", HASH, true},
    {"attempts", ARRAY, false},
};
static const key epoch_keys[] = {
    {"epoch", WHOLE, false}, {"step", WHOLE, false}, {"weights", HASH, false}, {"metrics", OBJECT, false}};
static const key attempt_keys[] = {
    {"started", TEXT, false}, {"from_step", WHOLE, false}, {"from_weights", HASH, false}, {"changed", OBJECT, false},
    {"ended", TEXT, true},    {"outcome", TEXT, true},     {"to_step", WHOLE, true},      {"reason", TEXT, true}};
static const key placement_keys[] = {
    {"rank", WHOLE, false}, {"host", TEXT, false}, {"cores", TEXT, false}, {"workers", WHOLE, false}};

enum {
    N_KEYS = sizeof keys / sizeof *keys
};

static const json_t *find(const json_t *object, const char *path)
{
    char name[64];
    const char *dot = strchr(path, '.');
    if (!dot)
        return json_object_get(object, path);
    snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
    return find(json_object_get(object, name), dot + 1);
}

static bool are_texts(const json_t *value)
{
    const char *name;
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)value, i, one) if (!json_is_string(one)) return false;
    json_object_foreach((json_t *)value, name, one) if (!json_is_string(one)) return false;
    return json_is_array(value) || json_is_object(value);
}

static bool has_form(const json_t *value, form wanted)
{
    const char *text = json_string_value(value);
    switch (wanted) {
    case TEXT:
        return text != NULL;
    case HASH:
        return text && strlen(text) == CR_HASH_TEXT - 1 && strspn(text, "0123456789abcdef") == CR_HASH_TEXT - 1;
    case WHOLE:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case OBJECT:
        return json_is_object(value);
    case TEXTS:
        return are_texts(value);
    case ARRAY:
        return json_is_array(value);
    }
    return false;
}

static cr_status check_keys(const json_t *object, const key *list, int n, const char *where)
{
    static const char *const names[] = {
        "a text", "a hash of 32 hexadecimal digits", "a whole number", "an object", "texts", "an array"};
    for (int i = 0; i < n; i++) {
        const json_t *value = find(object, list[i].path);
        if (!value && list[i].may_be_absent)
            continue;
        if (!value)
            return cr_fail(CR_BAD_DATA, "%s: \"%s\" is missing", where, list[i].path);
        if (!has_form(value, list[i].form))
            return cr_fail(CR_BAD_DATA, "%s: \"%s\" must be %s", where, list[i].path, names[list[i].form]);
    }
    return CR_OK;
}

static cr_status check_each(const json_t *record, const char *path, const key *list, int n, const char *where)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)find(record, path), i, one)
    {
        cr_status status = check_keys(one, list, n, where);
        if (status != CR_OK)
            return cr_fail_context(status, "%s, number %zu", path, i + 1);
    }
    return CR_OK;
}

cr_status cr_record_check(const json_t *record, const char *where)
{
    cr_status status = CR_OK;
    const json_t *format = json_object_get(record, "format");
    if (json_is_integer(format) && json_integer_value(format) != CR_RECORD_FORMAT)
        return cr_fail(CR_BAD_DATA, "%s: format %lld, this version reads %d", where,
                       (long long)json_integer_value(format), CR_RECORD_FORMAT);
    CR_TRY(check_keys(record, keys, N_KEYS, where));
    CR_TRY(check_each(record, "weights.epochs", epoch_keys, sizeof epoch_keys / sizeof *epoch_keys, where));
    CR_TRY(check_each(record, "attempts", attempt_keys, sizeof attempt_keys / sizeof *attempt_keys, where));
    CR_TRY(check_each(record, "placement", placement_keys, sizeof placement_keys / sizeof *placement_keys, where));
    if (json_array_size(json_object_get(record, "attempts")) == 0)
        status = cr_fail(CR_BAD_DATA, "%s: \"attempts\" is empty", where);
done:
    return status;
}
