#include "ledger_fold.h"

#include "crisol/json.h"

#include <jansson.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_EPOCHS = 1000000,
    MAX_LOST = 1000, /* epochs in a row whose lines may be missing: a short line makes no large array */
    MAX_DEPTH = 4    /* of what we write */
};

static const char *const state_names[] = {"waiting", "running", "stopped", "pruned", "done", "failed"};

const char *cr_trial_state_name(cr_trial_state state)
{
    return state_names[state];
}

double cr_record_best(const cr_record *record, int64_t epochs, bool maximize, int64_t *epoch)
{
    double best = NAN;
    for (int64_t i = 0; i < epochs && i < record->n_epochs; i++) {
        double value = record->metrics[i];
        if (isnan(value) || (!isnan(best) && !(maximize ? value > best : value < best)))
            continue;
        best = value;
        if (epoch)
            *epoch = i + 1;
    }
    return best;
}

static int compare_records(const void *a, const void *b)
{
    return strcmp(((const cr_record *)a)->id, ((const cr_record *)b)->id);
}

const cr_record *cr_fold_find(const cr_fold *fold, const char *id)
{
    cr_record key = {.state = CR_TRIAL_WAITING};
    snprintf(key.id, sizeof key.id, "%s", id);
    cr_record *const *found = tfind(&key, (void *const *)&fold->by_id, compare_records);
    return found ? *found : NULL;
}

/* Whether no key and no text of it holds control characters: what a ledger says is shown on terminals. expand.c
 * lets none in. */
static bool is_plain(const json_t *value, int depth)
{
    const char *key;
    json_t *item;
    size_t i;
    if (depth > MAX_DEPTH || (json_is_string(value) && !cr_is_plain(json_string_value(value))))
        return false;
    json_object_foreach((json_t *)value, key, item)
    {
        if (!cr_is_plain(key) || !is_plain(item, depth + 1))
            return false;
    }
    json_array_foreach(value, i, item)
    {
        if (!is_plain(item, depth + 1))
            return false;
    }
    return true;
}

static bool is_id(const char *text)
{
    return strspn(text, "0123456789abcdef") == CR_TRIAL_ID - 1 && !text[CR_TRIAL_ID - 1];
}

static cr_status code_of(const json_t *value)
{
    static const cr_status codes[] = {
#define CODE(name, number, text) name,
        CR_STATUS_LIST(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (json_integer_value(value) == (json_int_t)codes[i])
            return codes[i];
    return CR_INTERNAL;
}

/* The record of an id, a new one where there is none. */
static cr_status need_record(cr_fold *fold, const char *id, cr_record **record)
{
    *record = (cr_record *)cr_fold_find(fold, id); /* the fold's own, which is not constant here */
    if (*record)
        return CR_OK;
    if (fold->n_records == fold->n_room) {
        int64_t room = fold->n_room ? 2 * fold->n_room : 64;
        cr_record **grown = realloc(fold->records, (size_t)room * sizeof(cr_record *));
        if (!grown)
            return cr_fail_memory("records of trials", (size_t)room * sizeof(cr_record *));
        fold->records = grown;
        fold->n_room = room;
    }
    cr_record *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a record of a trial", sizeof *made);
    snprintf(made->id, sizeof made->id, "%s", id);
    if (!tsearch(made, &fold->by_id, compare_records)) {
        free(made);
        return cr_fail_memory("a record of a trial", sizeof *made);
    }
    fold->records[fold->n_records++] = made;
    *record = made;
    return CR_OK;
}

/* Room for the metrics of `n` epochs; new ones are not known. */
static cr_status make_room(cr_record *record, int64_t n)
{
    if (n > 0 && n > record->n_room) {
        int64_t room = n > 2 * record->n_room ? n : 2 * record->n_room;
        double *grown = realloc(record->metrics, (size_t)room * sizeof(double));
        if (!grown)
            return cr_fail_memory("metrics of a trial", (size_t)room * sizeof(double));
        record->metrics = grown;
        record->n_room = room;
    }
    while (record->n_epochs < n)
        record->metrics[record->n_epochs++] = NAN;
    return CR_OK;
}

static double real_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static cr_status add_epoch(cr_record *record, const json_t *event)
{
    json_int_t epoch = json_integer_value(json_object_get(event, "epoch"));
    if (epoch < 1 || epoch > MAX_EPOCHS || epoch > record->n_epochs + MAX_LOST)
        return CR_OK;
    cr_status status = make_room(record, epoch);
    if (status == CR_OK)
        record->metrics[epoch - 1] = real_of(json_object_get(event, "metric"));
    record->n_idle = 0;
    return status;
}

static cr_status add_end(cr_record *record, const json_t *event)
{
    const char *state = json_string_value(json_object_get(event, "state"));
    const char *cause = json_string_value(json_object_get(event, "cause"));
    const json_t *metrics = json_object_get(event, "metrics");
    int64_t n = (int64_t)json_array_size(metrics) < MAX_EPOCHS ? (int64_t)json_array_size(metrics) : MAX_EPOCHS;
    cr_status status = make_room(record, n);
    for (int64_t i = 0; status == CR_OK && i < n; i++)
        record->metrics[i] = real_of(json_array_get(metrics, (size_t)i));
    for (int i = CR_TRIAL_STOPPED; state && i <= CR_TRIAL_FAILED; i++)
        if (!strcmp(state, state_names[i]))
            record->state = (cr_trial_state)i;
    record->n_idle = 0;
    record->seconds = real_of(json_object_get(event, "seconds"));
    record->failure = code_of(json_object_get(event, "code"));
    free(record->cause);
    record->cause = cause && *cause ? strdup(cause) : NULL;
    return status;
}

cr_status cr_fold_add(cr_fold *fold, const json_t *event)
{
    cr_record *record;
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *id = json_string_value(json_object_get(event, "trial"));
    const char *session = json_string_value(json_object_get(event, "session"));
    json_int_t fence = json_integer_value(json_object_get(event, "fence"));
    if (!name || !is_plain(event, 0))
        return CR_OK;
    if (session && !strcmp(name, "stop"))
        snprintf(fold->stopped_session, sizeof fold->stopped_session, "%s", session);
    if (!id || !is_id(id))
        return CR_OK;
    cr_status status = need_record(fold, id, &record);
    if (status != CR_OK || fence < record->fence)
        return status;
    if (!strcmp(name, "trial")) {
        json_decref(record->about);
        record->about = json_deep_copy(event);
    } else if (!strcmp(name, "start")) {
        record->fence = fence;
        record->state = CR_TRIAL_RUNNING;
        record->n_idle++;
    } else if (!strcmp(name, "epoch")) {
        return add_epoch(record, event);
    } else if (!strcmp(name, "end")) {
        return add_end(record, event);
    }
    return CR_OK;
}

static void keep(void *node)
{
    (void)node;
}

void cr_fold_clear(cr_fold *fold)
{
    tdestroy(fold->by_id, keep);
    for (int64_t i = 0; i < fold->n_records; i++) {
        cr_record *record = fold->records[i];
        json_decref(record->about);
        free(record->metrics);
        free(record->cause);
        free(record);
    }
    free(fold->records);
    *fold = (cr_fold){0};
}
