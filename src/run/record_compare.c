/* In which facts two records differ. */
#include "crisol/record.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Not facts but results, or told elsewhere. */
static const char *const left_out[] = {"checksum", "format", "started", "command", "folder",
                                       "repeat",   "config", "weights", "attempts"};
/* What may not change a number: the promise of docs/architecture.md. */
static const char *const harmless[] = {"ranks",
                                       "workers",
                                       "comm",
                                       "placement.",
                                       "environment.",
                                       "kept_images",
                                       "host.name",
                                       "host.kernel",
                                       "host.cores",
                                       "host.cores_allowed",
                                       "host.numa_nodes",
                                       "host.memory_bytes",
                                       "pack.folder",
                                       "weights_file.path",
                                       "libraries.Open MPI",
                                       "libraries.NCCL",
                                       "libraries.HDF5",
                                       "libraries.libjpeg-turbo",
                                       "libraries.libpng",
                                       "libraries.libyaml",
                                       "libraries.libzip",
                                       "libraries.jansson"};
/* … with exceptions */
static const char *const harmful[] = {"environment.DNNL_MAX_CPU_ISA", "environment.ONEDNN_MAX_CPU_ISA",
                                      "environment.NCCL_", "environment.CUBLAS_"};
/* With reduction: library it is the transport that adds. */
static const char *const of_any_order[] = {"ranks", "comm", "libraries.Open MPI", "libraries.NCCL"};

enum {
    FACT_MAX = 256
};

typedef struct comparison {
    json_t *found;
    bool any_order; /* reduction: library */
} comparison;

static bool begins_with_any(const char *fact, const char *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(list[i]);
        bool is_prefix = list[i][length - 1] == '.' || list[i][length - 1] == '_';
        if (!strncmp(fact, list[i], length) && (is_prefix || !fact[length]))
            return true;
    }
    return false;
}

static bool matters(const comparison *c, const char *fact)
{
    if (begins_with_any(fact, harmful, sizeof harmful / sizeof *harmful))
        return true;
    if (c->any_order && begins_with_any(fact, of_any_order, sizeof of_any_order / sizeof *of_any_order))
        return true;
    return !begins_with_any(fact, harmless, sizeof harmless / sizeof *harmless);
}

static void note(comparison *c, const char *fact, json_t *a, json_t *b)
{
    json_t *one = json_pack("{s:s, s:b}", "fact", fact, "matters", matters(c, fact));
    if (a)
        json_object_set(one, "was", a);
    if (b)
        json_object_set(one, "is", b);
    json_array_append_new(c->found, one);
}

static void compare(comparison *c, const char *fact, json_t *a, json_t *b);

static void extend(const char *fact, const char *name, char inner[FACT_MAX])
{
    snprintf(inner, FACT_MAX, "%.*s%s%s", FACT_MAX / 2, fact, *fact ? "." : "", name);
}

static void compare_objects(comparison *c, const char *fact, json_t *a, json_t *b)
{
    const char *name;
    char inner[FACT_MAX];
    json_t *value;
    json_object_foreach(a, name, value)
    {
        extend(fact, name, inner);
        compare(c, inner, value, json_object_get(b, name));
    }
    json_object_foreach(b, name, value)
    {
        extend(fact, name, inner);
        if (!json_object_get(a, name))
            compare(c, inner, NULL, value);
    }
}

/* An element goes by its layer's name where it has one, otherwise by its number. */
static void compare_arrays(comparison *c, const char *fact, json_t *a, json_t *b)
{
    size_t n = json_array_size(a) > json_array_size(b) ? json_array_size(a) : json_array_size(b);
    for (size_t i = 0; i < n; i++) {
        char inner[FACT_MAX], number[24];
        json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        const char *layer = json_string_value(json_object_get(x ? x : y, "layer"));
        snprintf(number, sizeof number, "%zu", i);
        extend(fact, layer ? layer : number, inner);
        compare(c, inner, x, y);
    }
}

static void compare(comparison *c, const char *fact, json_t *a, json_t *b)
{
    if (!*fact || (json_is_object(a) && json_is_object(b)))
        compare_objects(c, fact, a, b);
    else if (json_is_array(a) && json_is_array(b))
        compare_arrays(c, fact, a, b);
    else if (!a || !b || !json_equal(a, b))
        note(c, fact, a, b);
}

static json_t *without_results(const json_t *record)
{
    json_t *facts = json_copy((json_t *)record); /* shallow */
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        json_object_del(facts, left_out[i]);
    return facts;
}

struct json_t *cr_record_compare(const struct json_t *a, const struct json_t *b)
{
    comparison c = {.found = json_array()};
    const char *reduction = json_string_value(json_object_get(json_object_get(a, "training"), "reduction"));
    json_t *x = without_results(a), *y = without_results(b);
    c.any_order = reduction && !strcmp(reduction, "library");
    compare(&c, "", x, y);
    json_decref(x);
    json_decref(y);
    return c.found;
}
