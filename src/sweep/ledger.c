/* The file: appending and reading lines. ledger_fold.c makes sense of them. */
#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/hash.h"
#include "crisol/json.h"
#include "ledger_fold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_name[] = "trials.jsonl";
static const char sum_key[] = ", \"sum\": \"";
enum {
    SUM_TAIL = sizeof sum_key - 1 + 16 + 2, /* ', "sum": "', 16 digits, '"}' */
    READ_BYTES = 1 << 16,
    MAX_LINE = 1 << 26
};

struct cr_ledger {
    char *path;
    int descriptor;
    off_t at;                                 /* behind the last line that was read */
    int64_t n_lines, n_damaged, damaged_line; /* the latest of them, from 1 */
    cr_fold fold;
};

cr_status cr_ledger_open(const char *folder, bool create, cr_ledger **ledger)
{
    cr_status status = CR_OK;
    struct stat info;
    *ledger = NULL;
    cr_ledger *made = calloc(1, sizeof *made);
    if (!made || !(made->path = cr_path_join(folder, file_name))) {
        free(made);
        return cr_fail_memory("a ledger", sizeof *made);
    }
    if (create)
        status = cr_make_folders(folder);
    made->descriptor =
        open(made->path, (create ? O_RDWR | O_APPEND | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666);
    if (status == CR_OK && (made->descriptor < 0 || fstat(made->descriptor, &info)))
        status = cr_fail_errno("%s: cannot open", made->path);
    else if (status == CR_OK && !S_ISREG(info.st_mode))
        status = cr_fail(CR_IO, "%s: no regular file", made->path);
    if (status == CR_OK && create && info.st_size == 0)
        status = cr_sync_folder(folder);
    if (status != CR_OK)
        cr_ledger_close(&made);
    *ledger = made;
    return status;
}

void cr_ledger_close(cr_ledger **ledger)
{
    if (!ledger || !*ledger)
        return;
    if ((*ledger)->descriptor >= 0)
        close((*ledger)->descriptor);
    cr_fold_clear(&(*ledger)->fold);
    free((*ledger)->path);
    free(*ledger);
    *ledger = NULL;
}

static void print_sum(const char *text, size_t bytes, char sum[17])
{
    snprintf(sum, 17, "%016" PRIx64, cr_hash64(text, bytes));
}

/* Whether a line (without newline) adds up. */
static bool is_whole(const char *line, size_t bytes)
{
    char tail[SUM_TAIL + 1], sum[17];
    if (bytes <= SUM_TAIL)
        return false;
    size_t body = bytes - SUM_TAIL;
    print_sum(line, body, sum);
    snprintf(tail, sizeof tail, "%s%s\"}", sum_key, sum);
    return !memcmp(line + body, tail, SUM_TAIL);
}

static cr_status take_line(cr_ledger *ledger, const char *line, size_t bytes)
{
    json_t *event = NULL;
    cr_status status = CR_OK;
    ledger->n_lines++;
    if (bytes == 0) /* the newline that closed a torn line met another one */
        return CR_OK;
    if (!is_whole(line, bytes) || cr_json_parse(line, bytes, ledger->path, &event) != CR_OK) {
        ledger->n_damaged++;
        ledger->damaged_line = ledger->n_lines;
        return CR_OK;
    }
    status = cr_fold_add(&ledger->fold, event);
    json_decref(event);
    return status;
}

int64_t cr_ledger_damaged(const cr_ledger *ledger, int64_t *latest)
{
    *latest = ledger->damaged_line;
    return ledger->n_damaged;
}

/* A last line without newline is one that is just being written, or was torn: the next append closes it. The file is
 * opened anew, since network file systems show others' writes from the next open on. */
cr_status cr_ledger_refresh(cr_ledger *ledger)
{
    cr_status status = CR_OK;
    size_t room = READ_BYTES;
    char *text = malloc(room);
    int descriptor = open(ledger->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (!text || descriptor < 0)
        CR_TRY(text ? cr_fail_errno("%s: cannot open", ledger->path) : cr_fail_memory("a ledger", room));
    for (;;) {
        ssize_t got = pread(descriptor, text, room, ledger->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            CR_TRY(cr_fail_errno("%s: cannot read", ledger->path));
        size_t length = (size_t)got, begin = 0;
        char *end;
        while ((end = memchr(text + begin, '\n', length - begin))) {
            CR_TRY(take_line(ledger, text + begin, (size_t)(end - text) - begin));
            begin = (size_t)(end - text) + 1;
        }
        ledger->at += (off_t)begin;
        if (length < room)
            break;
        if (begin > 0)
            continue;
        if (room >= MAX_LINE)
            CR_TRY(cr_fail(CR_BAD_DATA, "%s:%" PRId64 ": a line of more than %d bytes", ledger->path,
                           ledger->n_lines + 1, MAX_LINE));
        char *grown = realloc(text, room * 2);
        if (!grown)
            CR_TRY(cr_fail_memory("a ledger", room * 2));
        text = grown;
        room *= 2;
    }
done:
    if (descriptor >= 0)
        close(descriptor);
    free(text);
    return status;
}

static cr_status make_line(const char *event, json_t *fields, char **line, size_t *bytes)
{
    char now[24], sum[17];
    cr_status status = CR_OK;
    char *text = NULL;
    cr_clock_utc(now, sizeof now);
    json_t *object = json_pack("{s:s, s:s}", "time", now, "event", event);
    if (!object || !fields || json_object_update(object, fields) || !(text = cr_json_line(object))) {
        status = cr_fail(CR_INTERNAL, "a line of the ledger cannot be made of event %s", event);
        goto done;
    }
    size_t body = strlen(text) - 1; /* without the brace */
    print_sum(text, body, sum);
    /* in front of it a newline, which is used where the line before is torn */
    int made = asprintf(line, "\n%.*s%s%s\"}\n", (int)body, text, sum_key, sum);
    if (made < 0) {
        *line = NULL;
        status = cr_fail_memory("a line of the ledger", body);
        goto done;
    }
    *bytes = (size_t)made;
done:
    free(text);
    json_decref(object);
    return status;
}

cr_status cr_ledger_append(cr_ledger *ledger, const char *event, json_t *fields)
{
    cr_status status = CR_OK;
    char *line = NULL, last = '\n';
    size_t bytes = 0;
    struct stat info;
    CR_TRY(make_line(event, fields, &line, &bytes));
    if (fstat(ledger->descriptor, &info) ||
        (info.st_size > 0 && pread(ledger->descriptor, &last, 1, info.st_size - 1) < 0))
        CR_TRY(cr_fail_errno("%s: cannot look at its end", ledger->path));
    size_t skip = last == '\n';
    ssize_t written;
    do
        written = write(ledger->descriptor, line + skip, bytes - skip);
    while (written < 0 && errno == EINTR);
    if (written >= 0 && written != (ssize_t)(bytes - skip))
        errno = ENOSPC; /* a regular file takes less than asked for only when there is no room */
    if (written != (ssize_t)(bytes - skip) || fdatasync(ledger->descriptor))
        status = cr_fail_errno("%s: cannot append", ledger->path);
done:
    free(line);
    json_decref(fields);
    return status;
}

const cr_record *cr_ledger_find(const cr_ledger *ledger, const char *id)
{
    return cr_fold_find(&ledger->fold, id);
}

const cr_record *const *cr_ledger_all(const cr_ledger *ledger, int64_t *n)
{
    *n = ledger->fold.n_records;
    return (const cr_record *const *)ledger->fold.records;
}

const char *cr_ledger_stopped_session(const cr_ledger *ledger)
{
    return ledger->fold.stopped_session;
}
