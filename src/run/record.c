/* Writing and reading record.json: always as a whole, atomically, under the folder's lease. */
#include "crisol/record.h"
#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "run_folder.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "record.json";

enum {
    RECORD_MAX_BYTES = 1 << 26
};

/* XXH3-128 of the record's text in one line without its checksum: of what it says, not of how it is laid out. */
static cr_status compute_checksum(const json_t *record, char sum[CR_HASH_TEXT])
{
    json_t *rest = json_copy((json_t *)record); /* shallow */
    if (rest)
        json_object_del(rest, "checksum");
    char *text = rest ? cr_json_line(rest) : NULL;
    json_decref(rest);
    if (!text)
        return cr_fail(CR_INTERNAL, "%s: out of memory, or text that is not UTF-8", file_name);
    cr_hash128(text, strlen(text), sum);
    free(text);
    return CR_OK;
}

static cr_status save(const cr_run *run)
{
    char sum[CR_HASH_TEXT];
    cr_status status = CR_OK;
    char *path = cr_path_join(run->folder, file_name);
    if (!path)
        return cr_fail_memory("a path", sizeof file_name);
    CR_TRY(cr_run_check(run));
    CR_TRY(compute_checksum(run->record, sum));
    if (json_object_set_new(run->record, "checksum", json_string(sum))) {
        status = cr_fail_memory("the record", sizeof sum);
        goto done;
    }
    CR_TRY(cr_json_save(path, run->record));
done:
    free(path);
    return status;
}

cr_status cr_record_read_any(const char *folder, json_t **record, bool *is_whole)
{
    char sum[CR_HASH_TEXT];
    cr_status status = CR_OK;
    json_t *found = NULL;
    char *path = cr_path_join(folder, file_name);
    *record = NULL;
    if (!path)
        return cr_fail_memory("a path", sizeof file_name);
    CR_TRY(cr_json_load(path, RECORD_MAX_BYTES, &found));
    CR_TRY(cr_record_check(found, path));
    CR_TRY(compute_checksum(found, sum));
    *is_whole = !strcmp(sum, json_string_value(json_object_get(found, "checksum")));
    *record = found;
    found = NULL;
done:
    json_decref(found);
    free(path);
    return status;
}

cr_status cr_record_read(const char *folder, json_t **record)
{
    bool is_whole = false;
    cr_status status = cr_record_read_any(folder, record, &is_whole);
    if (status == CR_OK && !is_whole) {
        status = cr_fail(CR_BAD_DATA, "%s/%s was changed after it was written: its checksum does not match", folder,
                         file_name);
        json_decref(*record);
        *record = NULL;
    }
    return status;
}

static json_t *make_attempt(const cr_record_start *start, json_t *changed)
{
    char now[24];
    cr_clock_utc(now, sizeof now);
    return json_pack("{s:s, s:I, s:s, s:o}", "started", now, "from_step", (json_int_t)start->step, "from_weights",
                     start->weights, "changed", changed);
}

/* Facts of this start that are not the first one's, by name. */
static json_t *changed_facts(const json_t *record, const json_t *facts)
{
    size_t i;
    json_t *one, *changed = json_object(), *differences = cr_record_compare(record, facts);
    json_array_foreach(differences, i, one)
    {
        json_t *is = json_object_get(one, "is");
        json_object_set_new(changed, json_string_value(json_object_get(one, "fact")),
                            is ? json_incref(is) : json_null());
    }
    json_decref(differences);
    const char *was = json_string_value(json_object_get(record, "config"));
    const char *is = json_string_value(json_object_get(facts, "config"));
    if (was && is && strcmp(was, is) != 0)
        json_object_set_new(changed, "config", json_string(is));
    return changed;
}

static json_t *last_attempt(const json_t *record)
{
    const json_t *attempts = json_object_get(record, "attempts");
    return json_array_get(attempts, json_array_size(attempts) - 1);
}

/* The record as it stands in the folder, set back to where this start goes on. */
static void go_on(json_t *record, const json_t *facts, const cr_record_start *start)
{
    json_t *weights = json_object_get(record, "weights"), *epochs = json_object_get(weights, "epochs");
    for (size_t n = json_array_size(epochs); n > 0; n--)
        if (json_integer_value(json_object_get(json_array_get(epochs, n - 1), "epoch")) > start->epoch)
            json_array_remove(epochs, n - 1);
    json_object_del(weights, "end");
    if (!json_object_get(last_attempt(record), "outcome"))
        json_object_set_new(last_attempt(record), "outcome", json_string("lost"));
    json_array_append_new(json_object_get(record, "attempts"), make_attempt(start, changed_facts(record, facts)));
}

static json_t *make_record(json_t *facts, const cr_record_start *start)
{
    char now[24];
    cr_clock_utc(now, sizeof now);
    json_t *weights = json_pack("{s:[]}", "epochs");
    if (!start->resumed)
        json_object_set_new(weights, "start", json_string(start->weights));
    json_t *record = json_pack("{s:s, s:i, s:s}", "checksum", "", "format", CR_RECORD_FORMAT, "started", now);
    if (json_object_update(record, facts) || json_object_set_new(record, "weights", weights) ||
        json_object_set_new(record, "attempts", json_pack("[o]", make_attempt(start, json_object())))) {
        json_decref(record);
        return NULL;
    }
    return record;
}

cr_status cr_record_begin(cr_run *run, json_t *facts, const cr_record_start *start)
{
    cr_status status = CR_OK;
    json_t *record = NULL;
    if (start->resumed && cr_record_read(run->folder, &record) != CR_OK)
        cr_log_warning("%s; a record that begins at step %lld takes its place", cr_error_message(),
                       (long long)start->step);
    if (record)
        go_on(record, facts, start);
    else
        record = make_record(facts, start);
    if (!record) {
        status = cr_fail(CR_INTERNAL, "%s: out of memory, or the facts are no object", file_name);
        goto done;
    }
    json_decref(run->record);
    run->record = record;
    CR_TRY(save(run));
done:
    json_decref(facts);
    return status;
}

cr_status cr_record_add_epoch(cr_run *run, json_t *epoch)
{
    json_t *epochs = json_object_get(json_object_get(run->record, "weights"), "epochs");
    if (json_array_append_new(epochs, epoch))
        return cr_fail(CR_INTERNAL, "%s: an epoch before the record was begun", file_name);
    return save(run);
}

cr_status cr_record_finish(cr_run *run, cr_status outcome, int64_t step, const char *weights)
{
    char now[24];
    json_t *attempt = last_attempt(run->record);
    if (!attempt)
        return CR_OK; /* it failed before it began */
    cr_clock_utc(now, sizeof now);
    const char *word = outcome == CR_OK ? "done" : outcome == CR_STOPPED ? "stopped" : "failed";
    json_object_set_new(attempt, "ended", json_string(now));
    json_object_set_new(attempt, "outcome", json_string(word));
    json_object_set_new(attempt, "to_step", json_integer(step));
    if (outcome != CR_OK && outcome != CR_STOPPED)
        json_object_set_new(attempt, "reason", json_string(cr_error_message()));
    if (outcome == CR_OK && weights)
        json_object_set_new(json_object_get(run->record, "weights"), "end", json_string(weights));
    return save(run);
}
