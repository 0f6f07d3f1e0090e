/* Back to a checkpoint: what training will write again goes, what happened stays. */
#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "run_folder.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    JOURNAL_MAX_BYTES = 1 << 28
};

/* Whether a log has more than these bytes. */
static cr_status has_more(const cr_run *run, const char *name, const char *path, int64_t bytes, bool *more)
{
    int64_t size = 0;
    cr_status status = cr_run_log_size(run, name, true, &size);
    if (status != CR_OK)
        return status;
    if (bytes < 0)
        return cr_fail(CR_INTERNAL, "%s: cannot be cut to a negative size", path);
    if (size < bytes) /* never made longer: that would fill it with zeros */
        cr_log_warning("%s: has %lld bytes, the checkpoint knew of %lld; lines are missing", path, (long long)size,
                       (long long)bytes);
    *more = size > bytes;
    return CR_OK;
}

static cr_status cut(const cr_run *run, const char *name, int64_t bytes)
{
    bool more = false;
    char *path = cr_path_join(run->folder, name);
    cr_status status = path ? has_more(run, name, path, bytes, &more) : cr_fail_memory("a path", strlen(name));
    if (status == CR_OK && more && truncate(path, bytes))
        status = cr_fail_errno("%s: cannot cut", path);
    free(path);
    return status;
}

/* A line about what happened, not later than `step`. Half a line, and one of no known kind, is none. */
static bool stays(const char *line, size_t bytes, int64_t step)
{
    static const char *const kinds[] = {"start", "resume", "stop", "checkpoint", "checkpoint_failed"};
    bool kept = false;
    json_t *event = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(event, "event"));
    const json_t *at = json_object_get(event, "step");
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        kept = kept || !strcmp(name, kinds[i]);
    kept = kept && json_is_integer(at) && json_integer_value(at) <= step;
    json_decref(event);
    return kept;
}

/* Moves the lines that stay together, from `at` on; returns where they end. */
static size_t keep_lines(char *text, size_t bytes, size_t at, int64_t step)
{
    const char *end = NULL;
    size_t kept = at;
    for (size_t from = at; from < bytes && (end = memchr(text + from, '\n', bytes - from));) {
        size_t length = (size_t)(end - (text + from)) + 1;
        if (stays(text + from, length, step)) {
            memmove(text + kept, text + from, length);
            kept += length;
        }
        from += length;
    }
    return kept;
}

/* In one step, by a new file in the old one's place: killed at any moment, it holds no line twice. */
static cr_status rewind_journal(cr_run *run, int64_t step, int64_t journal_bytes)
{
    cr_status status = CR_OK;
    char *text = NULL;
    size_t bytes = 0;
    bool more = false;
    char *path = cr_path_join(run->folder, CR_RUN_JOURNAL);
    if (!path)
        return cr_fail_memory("a path", 0);
    CR_TRY(has_more(run, CR_RUN_JOURNAL, path, journal_bytes, &more));
    if (!more)
        goto done;
    CR_TRY(cr_read_file(path, JOURNAL_MAX_BYTES, &text, &bytes));
    size_t kept = keep_lines(text, bytes, (size_t)journal_bytes, step);
    if (kept < bytes)
        CR_TRY(cr_atomic_file_save(path, text, kept));
done:
    free(text);
    free(path);
    return status;
}

cr_status cr_run_rewind(cr_run *run, int64_t step, int64_t journal_bytes, int64_t metrics_bytes)
{
    cr_status status = CR_OK;
    json_decref(run->columns); /* the header line may go */
    run->columns = NULL;
    if (run->metrics >= 0)
        close(run->metrics);
    if (run->journal >= 0)
        close(run->journal);
    run->metrics = run->journal = -1;
    CR_TRY(cr_run_check(run));
    CR_TRY(rewind_journal(run, step, journal_bytes));
    CR_TRY(cut(run, CR_RUN_METRICS, metrics_bytes));
done:
    return status;
}
