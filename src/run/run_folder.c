#include "run_folder.h"
#include "crisol/atomic_file.h"
#include "crisol/log.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder itself must not be a symbolic link: who can plant one in a shared place would choose where we write. */
static cr_status check_folder(const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor >= 0) {
        close(descriptor);
        return CR_OK;
    }
    struct stat info;
    int error = errno;
    if (!lstat(folder, &info) && !S_ISDIR(info.st_mode))
        return cr_fail(S_ISLNK(info.st_mode) ? CR_PERMISSION : CR_IO,
                       "%s: the run directory is %s; name another with --output", folder,
                       S_ISLNK(info.st_mode) ? "a symbolic link" : "not a folder");
    errno = error;
    return cr_fail_errno("%s: cannot open the run directory", folder);
}

cr_status cr_run_open(const char *folder, cr_run **run)
{
    cr_status status = CR_OK;
    *run = NULL;
    struct stat info;
    cr_run *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a run", sizeof *made);
    made->journal = made->metrics = -1;
    made->folder = strdup(folder);
    if (!made->folder) {
        status = cr_fail_memory("a path", strlen(folder));
        goto done;
    }
    size_t length = strlen(made->folder);
    if (length < 1) {
        status = cr_fail(CR_USAGE, "the run directory has no name");
        goto done;
    }
    while (length > 1 && made->folder[length - 1] == '/') /* "link/" would be followed */
        made->folder[--length] = 0;
    if (lstat(made->folder, &info))
        CR_TRY(cr_make_folders(made->folder));
    CR_TRY(check_folder(made->folder));
    *run = made;
    made = NULL;
done:
    cr_run_close(&made);
    return status;
}

void cr_run_close(cr_run **run)
{
    if (!run || !*run)
        return;
    if ((*run)->journal >= 0)
        close((*run)->journal);
    if ((*run)->metrics >= 0)
        close((*run)->metrics);
    cr_lease_release(&(*run)->lease);
    json_decref((*run)->columns);
    json_decref((*run)->record);
    free((*run)->folder);
    free(*run);
    *run = NULL;
}

const char *cr_run_folder(const cr_run *run)
{
    return run->folder;
}

/* The first of some names, ended by null, that a folder holds; null: none of them. */
static const char *find_entry(const char *folder, const char *const *names)
{
    struct stat info;
    for (; *names; names++) {
        char *path = cr_path_join(folder, *names);
        bool found = path && !lstat(path, &info);
        free(path);
        if (found)
            break;
    }
    return *names;
}

/* Files by a run's names where no run ever was are somebody's own, and would be replaced; a pack is no place, either.
 */
static cr_status check_foreign(const char *folder)
{
    static const char *const of_runs[] = {"record.json", "checkpoints", NULL};
    static const char *const replaced[] = {"config.yaml", "metrics.csv", "journal.jsonl", "manifest.json", NULL};
    int64_t fence = 0;
    cr_status status = cr_lease_scan(folder, 0, &fence);
    if (status != CR_OK || fence > 0 || find_entry(folder, of_runs))
        return status;
    const char *foreign = find_entry(folder, replaced);
    return foreign ? cr_fail(CR_BAD_CONFIG, "%s holds a %s that no training wrote; choose another --output", folder,
                             foreign)
                   : CR_OK;
}

cr_status cr_run_take(cr_run *run, double heartbeat_s)
{
    cr_status status = check_foreign(run->folder);
    if (status != CR_OK)
        return status;
    return cr_lease_take(run->folder, heartbeat_s, &run->lease);
}

cr_status cr_run_try(cr_run *run, double heartbeat_s, cr_run_watch *watch, bool *taken)
{
    cr_status status = cr_lease_try(run->folder, heartbeat_s, watch, &run->lease);
    *taken = run->lease != NULL;
    return status;
}

cr_status cr_run_check(const cr_run *run)
{
    return run->lease ? cr_lease_check(run->lease) : CR_OK;
}

int64_t cr_run_fence(const cr_run *run)
{
    return run->lease ? cr_lease_get_facts(run->lease)->fence : 0;
}

const char *cr_run_token(const cr_run *run)
{
    return run->lease ? cr_lease_get_facts(run->lease)->token : "";
}

/* Offset behind the last newline. */
static cr_status find_last_line(const char *path, int descriptor, off_t size, off_t *end)
{
    char block[4096];
    while (size > 0) {
        off_t from = size > (off_t)sizeof block ? size - (off_t)sizeof block : 0;
        ssize_t got = pread(descriptor, block, (size_t)(size - from), from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != size - from)
            return cr_fail_errno("%s: cannot read", path);
        for (ssize_t i = got; i > 0; i--)
            if (block[i - 1] == '\n') {
                *end = from + i;
                return CR_OK;
            }
        size = from;
    }
    *end = 0;
    return CR_OK;
}

cr_status cr_run_open_log(const cr_run *run, const char *name, int *descriptor)
{
    cr_status status = CR_OK;
    struct stat info;
    off_t end = 0;
    int opened = -1;
    char *path = cr_path_join(run->folder, name);
    if (!path)
        return cr_fail_memory("a path", strlen(name));
    opened = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666);
    if (opened < 0 || fstat(opened, &info)) {
        status = cr_fail_errno("%s: cannot open", path);
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        status = cr_fail(CR_IO, "%s: no regular file", path);
        goto done;
    }
    if (info.st_size == 0)
        CR_TRY(cr_sync_folder(run->folder));
    CR_TRY(find_last_line(path, opened, info.st_size, &end));
    if (end < info.st_size) {
        cr_log_warning("%s: dropped a last line that was written only in part", path);
        if (ftruncate(opened, end)) {
            status = cr_fail_errno("%s: cannot cut", path);
            goto done;
        }
    }
    *descriptor = opened;
    opened = -1;
done:
    if (opened >= 0)
        close(opened);
    free(path);
    return status;
}

cr_status cr_run_append(const cr_run *run, const char *name, int descriptor, const char *text, size_t bytes)
{
    struct stat before;
    cr_status owner = cr_run_check(run);
    if (owner != CR_OK)
        return owner;
    if (fstat(descriptor, &before))
        return cr_fail_errno("%s/%s: cannot stat", run->folder, name);
    ssize_t written;
    do
        written = write(descriptor, text, bytes);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)bytes)
        return CR_OK;
    if (written >= 0)
        errno = ENOSPC; /* a regular file takes less than asked for only when there is no room */
    cr_status status = cr_fail_errno("%s/%s: cannot append", run->folder, name);
    if (written > 0 && ftruncate(descriptor, before.st_size))
        cr_log_warning("%s/%s: its last line is written only in part", run->folder, name);
    return status;
}

cr_status cr_run_log_size(const cr_run *run, const char *name, bool sync, int64_t *bytes)
{
    cr_status status = CR_OK;
    struct stat info;
    char *path = cr_path_join(run->folder, name);
    if (!path)
        return cr_fail_memory("a path", strlen(name));
    *bytes = 0;
    int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (descriptor < 0 && errno == ENOENT)
        goto done;
    if (descriptor < 0 || (sync && fdatasync(descriptor)) || fstat(descriptor, &info))
        status = cr_fail_errno("%s: cannot sync", path);
    else
        *bytes = info.st_size;
done:
    if (descriptor >= 0)
        close(descriptor);
    free(path);
    return status;
}

cr_status cr_run_sizes(cr_run *run, int64_t *journal_bytes, int64_t *metrics_bytes)
{
    cr_status status = CR_OK;
    CR_TRY(cr_run_log_size(run, CR_RUN_JOURNAL, false, journal_bytes));
    CR_TRY(cr_run_log_size(run, CR_RUN_METRICS, false, metrics_bytes));
done:
    return status;
}

cr_status cr_run_sync(const cr_run *run)
{
    int64_t bytes;
    cr_status status = CR_OK;
    CR_TRY(cr_run_log_size(run, CR_RUN_JOURNAL, true, &bytes));
    CR_TRY(cr_run_log_size(run, CR_RUN_METRICS, true, &bytes));
done:
    return status;
}
