#include "plans_file.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT = 1,
    MAX_BYTES = 16 << 20, /* of CR_PLANS_MAX plans */
    MAX_SIDE = 1 << 24,   /* of a dimension, far above any */
    MAX_ENGINE = 1 << 20,
    MAX_KNOB_TYPE = 1023
};

static const char *const pass_names[CR_CONV_N_PASSES] = {"forward", "data", "weights"};

typedef struct number { /* an integer of a plan */
    const char *key;
    size_t offset; /* in cr_conv_shape */
    int64_t lowest;
} number;

static const number numbers[] = {{"n", offsetof(cr_conv_shape, n), 1},
                                 {"in", offsetof(cr_conv_shape, in), 1},
                                 {"height", offsetof(cr_conv_shape, height), 1},
                                 {"width", offsetof(cr_conv_shape, width), 1},
                                 {"out", offsetof(cr_conv_shape, out), 1},
                                 {"out_height", offsetof(cr_conv_shape, out_height), 1},
                                 {"out_width", offsetof(cr_conv_shape, out_width), 1},
                                 {"kernel", offsetof(cr_conv_shape, kernel), 1},
                                 {"stride", offsetof(cr_conv_shape, stride), 1},
                                 {"padding", offsetof(cr_conv_shape, padding), 0}};

/* ---- reading ---- */

static cr_status read_text(const json_t *object, const char *key, const char *where, char *text, size_t bytes)
{
    const char *found;
    cr_status status = cr_json_get_string(object, key, where, &found);
    if (status == CR_OK && (!*found || strlen(found) >= bytes))
        return cr_fail(CR_BAD_DATA, "%s: \"%s\" must be a text of 1 to %zu bytes", where, key, bytes - 1);
    if (status == CR_OK)
        memcpy(text, found, strlen(found) + 1);
    return status;
}

static cr_status read_shape(const json_t *object, const char *where, cr_plan *plan)
{
    cr_status status = CR_OK;
    char word[16];
    cr_conv_shape *shape = &plan->shape;
    int pass = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CR_TRY(cr_json_get_int(object, numbers[i].key, where, numbers[i].lowest, MAX_SIDE,
                               (int64_t *)((char *)shape + numbers[i].offset)));
    CR_TRY(read_text(object, "precision", where, word, sizeof word));
    shape->bf16 = !strcmp(word, "bf16");
    if (!shape->bf16 && strcmp(word, "f32") != 0)
        return cr_fail(CR_BAD_DATA, "%s: \"precision\" must be f32 or bf16", where);
    CR_TRY(cr_json_get_bool(object, "winograd", where, &shape->winograd));
    CR_TRY(read_text(object, "pass", where, word, sizeof word));
    while (pass < CR_CONV_N_PASSES && strcmp(word, pass_names[pass]) != 0)
        pass++;
    if (pass == CR_CONV_N_PASSES)
        return cr_fail(CR_BAD_DATA, "%s: \"pass\" must be forward, data or weights", where);
    plan->pass = (cr_conv_pass)pass;
    if ((shape->height + 2 * shape->padding - shape->kernel) / shape->stride + 1 != shape->out_height ||
        (shape->width + 2 * shape->padding - shape->kernel) / shape->stride + 1 != shape->out_width)
        return cr_fail(CR_BAD_DATA, "%s: its output is not what follows from its input", where);
done:
    return status;
}

/* [[type, value], …] */
static cr_status read_knobs(const json_t *object, const char *where, cr_plan *plan)
{
    size_t k;
    json_t *knobs, *pair;
    cr_status status = cr_json_get_array(object, "knobs", where, &knobs);
    if (status != CR_OK)
        return status;
    if (json_array_size(knobs) > CR_PLAN_MAX_KNOBS)
        return cr_fail(CR_BAD_DATA, "%s: \"knobs\" has more than %d of them", where, CR_PLAN_MAX_KNOBS);
    json_array_foreach(knobs, k, pair)
    {
        const json_t *type = json_array_get(pair, 0), *value = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_integer(type) || !json_is_integer(value) ||
            json_integer_value(type) < 0 || json_integer_value(type) > MAX_KNOB_TYPE)
            return cr_fail(CR_BAD_DATA, "%s: \"knobs\" must be pairs of a type (0 to %d) and an integer", where,
                           MAX_KNOB_TYPE);
        plan->knobs[k] = (cr_plan_knob){.type = json_integer_value(type), .value = json_integer_value(value)};
        plan->n_knobs = (int)k + 1;
    }
    return CR_OK;
}

static cr_status read_time(const json_t *object, const char *key, const char *where, double *microseconds)
{
    cr_status status = cr_json_get_real(object, key, where, microseconds);
    if (status == CR_OK && !(*microseconds >= 0 && *microseconds < 1e12))
        return cr_fail(CR_BAD_DATA, "%s: \"%s\" is no time", where, key);
    return status;
}

static cr_status read_plan(const json_t *object, const char *where, cr_plan *plan)
{
    cr_status status = CR_OK;
    int64_t place;
    if (!json_is_object(object))
        return cr_fail(CR_BAD_DATA, "%s: an object is expected", where);
    CR_TRY(read_text(object, "device", where, plan->target.device, sizeof plan->target.device));
    CR_TRY(read_text(object, "library", where, plan->target.library, sizeof plan->target.library));
    CR_TRY(read_shape(object, where, plan));
    CR_TRY(cr_json_get_int(object, "engine", where, 0, MAX_ENGINE, &plan->engine));
    CR_TRY(read_knobs(object, where, plan));
    CR_TRY(cr_json_get_int(object, "place", where, 0, MAX_ENGINE, &place));
    plan->place = (int)place;
    CR_TRY(cr_json_get_bool(object, "fallback", where, &plan->is_fallback));
    CR_TRY(read_time(object, "microseconds", where, &plan->microseconds));
    CR_TRY(read_time(object, "microseconds_by_rule", where, &plan->by_rule_us));
done:
    return status;
}

/* The end of a path tells more than its beginning. */
static void write_where(const char *name, size_t index, char where[CR_PLAN_WHERE_BYTES])
{
    size_t length = strlen(name), most = CR_PLAN_WHERE_BYTES - 40;
    snprintf(where, CR_PLAN_WHERE_BYTES, "%s%s, plan %zu", length > most ? "..." : "",
             length > most ? name + length - most : name, index);
}

static cr_status read_all(const json_t *file, const char *name, bool is_used, cr_plans *plans)
{
    cr_status status = CR_OK;
    int64_t format, n_before = plans->n;
    size_t i;
    json_t *list, *one;
    CR_TRY(cr_json_get_int(file, "format", name, FORMAT, FORMAT, &format));
    CR_TRY(cr_json_get_array(file, "plans", name, &list));
    if (json_array_size(list) > CR_PLANS_MAX)
        return cr_fail(CR_BAD_DATA, "%s: \"plans\" has more than %d of them", name, CR_PLANS_MAX);
    json_array_foreach(list, i, one)
    {
        cr_plan plan;
        memset(&plan, 0, sizeof plan); /* it travels as bytes */
        write_where(name, i, plan.where);
        plan.is_used = is_used;
        CR_TRY(read_plan(one, plan.where, &plan));
        const cr_plan *known = cr_plans_find(plans, &plan.target, &plan.shape, plan.pass);
        if (known && known >= plans->items + n_before) {
            status = cr_fail(CR_BAD_DATA, "%s: it is for the same convolution as an earlier one; remove one of them",
                             plan.where);
            goto done;
        }
        if (!known)
            CR_TRY(cr_plans_add(plans, &plan));
    }
done:
    return status;
}

cr_status cr_plans_parse(const char *text, size_t bytes, const char *name, bool is_used, cr_plans *plans)
{
    json_t *file = NULL;
    cr_status status = cr_json_parse(text, bytes, name, &file);
    if (status == CR_OK)
        status = read_all(file, name, is_used, plans);
    json_decref(file);
    return status;
}

cr_status cr_plans_load(const char *path, bool is_used, cr_plans *plans)
{
    char *text = NULL;
    size_t bytes = 0;
    cr_status status = cr_read_file(path, MAX_BYTES, &text, &bytes);
    if (status == CR_OK)
        status = cr_plans_parse(text, bytes, path, is_used, plans);
    free(text);
    return status;
}

/* ---- writing ---- */

static json_t *describe(const cr_plan *plan)
{
    json_t *knobs = json_array();
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:b}", "device", plan->target.device, "library",
                               plan->target.library, "pass", pass_names[plan->pass], "precision",
                               plan->shape.bf16 ? "bf16" : "f32", "winograd", plan->shape.winograd);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(object, numbers[i].key,
                            json_integer(*(const int64_t *)((const char *)&plan->shape + numbers[i].offset)));
    for (int k = 0; k < plan->n_knobs; k++)
        json_array_append_new(knobs,
                              json_pack("[I, I]", (json_int_t)plan->knobs[k].type, (json_int_t)plan->knobs[k].value));
    json_t *choice = json_pack("{s:I, s:o, s:i, s:b, s:f, s:f}", "engine", (json_int_t)plan->engine, "knobs", knobs,
                               "place", plan->place, "fallback", plan->is_fallback, "microseconds", plan->microseconds,
                               "microseconds_by_rule", plan->by_rule_us);
    if (json_object_update(object, choice)) {
        json_decref(object);
        object = NULL;
    }
    json_decref(choice);
    return object;
}

cr_status cr_plans_save(const char *path, const cr_plans *plans, bool used_only)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (int64_t i = 0; i < plans->n; i++)
        if (plans->items[i].is_used || !used_only)
            whole = whole && !json_array_append_new(list, describe(&plans->items[i]));
    json_t *file = json_pack("{s:i, s:o}", "format", FORMAT, "plans", list);
    cr_status status = whole && file ? cr_json_save(path, file) : cr_fail_memory(path, 1);
    json_decref(file);
    return status;
}
