/* What a lease says, as a file and about processes. */
#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static void read_line(const char *path, char *text, size_t bytes)
{
    text[0] = 0;
    FILE *in = fopen(path, "r");
    if (in && fgets(text, (int)bytes, in))
        text[strcspn(text, "\n")] = 0;
    if (in)
        fclose(in);
}

/* State and start of a process from /proc/PID/stat: fields 3 and 22, counted behind the name, which may hold anything
 * (proc(5)). */
static bool read_process(int64_t pid, char *state, int64_t *started)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_line(path, text, sizeof text);
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    *state = at[2];
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    *started = strtoll(at, NULL, 10);
    return true;
}

static void copy_variable(const char *name, char *text, size_t bytes)
{
    const char *value = getenv(name);
    snprintf(text, bytes, "%.*s", (int)bytes - 1, value ? value : "");
    for (char *at = text; *at; at++) /* it stands in messages */
        if (*at < ' ' || *at > '~')
            *at = '?';
}

void cr_lease_describe_self(cr_lease_facts *facts)
{
    unsigned char random[16] = {0};
    char state, restart[24];
    *facts = (cr_lease_facts){.pid = getpid()};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memcpy(random, &facts->pid, sizeof facts->pid);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(facts->token + 2 * i, 3, "%02x", random[i]);
    copy_variable("SLURM_JOB_ID", facts->job, sizeof facts->job);
    copy_variable("SLURM_RESTART_COUNT", restart, sizeof restart);
    facts->restart = strtoll(restart, NULL, 10);
    if (gethostname(facts->host, sizeof facts->host - 1))
        snprintf(facts->host, sizeof facts->host, "unknown host");
    read_line("/proc/sys/kernel/random/boot_id", facts->boot, sizeof facts->boot);
    if (readlink("/proc/self/ns/pid", facts->pids, sizeof facts->pids - 1) < 0)
        facts->pids[0] = 0;
    if (!read_process(facts->pid, &state, &facts->started))
        facts->started = 0;
}

void cr_lease_name_owner(const cr_lease_facts *facts, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s%s%son %s, pid %lld", facts->job[0] ? "job " : "a process ", facts->job,
             facts->job[0] ? " " : "", facts->host, (long long)facts->pid);
}

void cr_lease_file_name(int64_t fence, char name[CR_LEASE_NAME])
{
    snprintf(name, CR_LEASE_NAME, "lease-%lld.json", (long long)fence);
}

cr_status cr_lease_print(const cr_lease_facts *facts, char text[CR_LEASE_BYTES])
{
    json_t *object = json_pack(
        "{s:I, s:s, s:s, s:I, s:s, s:I, s:I, s:s, s:s, s:f, s:I, s:b}", "fence", (json_int_t)facts->fence, "token",
        facts->token, "job", facts->job, "restart", (json_int_t)facts->restart, "host", facts->host, "pid",
        (json_int_t)facts->pid, "started", (json_int_t)facts->started, "boot", facts->boot, "pids", facts->pids,
        "heartbeat_s", facts->heartbeat_s, "beat", (json_int_t)facts->beat, "released", facts->released);
    size_t length = object ? json_dumpb(object, text, CR_LEASE_BYTES, JSON_COMPACT) : 0;
    json_decref(object);
    if (length == 0 || length >= CR_LEASE_BYTES)
        return cr_fail(CR_INTERNAL, "a lease makes no text of at most %d bytes", CR_LEASE_BYTES);
    memset(text + length, ' ', CR_LEASE_BYTES - length);
    text[CR_LEASE_BYTES - 1] = '\n';
    return CR_OK;
}

static cr_status parse(const char *text, size_t bytes, const char *where, cr_lease_facts *facts)
{
    cr_status status = CR_OK;
    json_t *object = NULL;
    const struct {
        const char *key;
        char *text;
        size_t bytes;
    } words[] = {{"token", facts->token, sizeof facts->token},
                 {"job", facts->job, sizeof facts->job},
                 {"host", facts->host, sizeof facts->host},
                 {"boot", facts->boot, sizeof facts->boot},
                 {"pids", facts->pids, sizeof facts->pids}};
    CR_TRY(cr_json_parse(text, bytes, where, &object));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *word;
        CR_TRY(cr_json_get_string(object, words[i].key, where, &word));
        snprintf(words[i].text, words[i].bytes, "%s", word);
    }
    CR_TRY(cr_json_get_int(object, "fence", where, 1, INT64_MAX, &facts->fence));
    CR_TRY(cr_json_get_int(object, "restart", where, 0, INT64_MAX, &facts->restart));
    CR_TRY(cr_json_get_int(object, "pid", where, 1, INT32_MAX, &facts->pid));
    CR_TRY(cr_json_get_int(object, "started", where, 0, INT64_MAX, &facts->started));
    CR_TRY(cr_json_get_int(object, "beat", where, 0, INT64_MAX, &facts->beat));
    CR_TRY(cr_json_get_real(object, "heartbeat_s", where, &facts->heartbeat_s));
    CR_TRY(cr_json_get_bool(object, "released", where, &facts->released));
done:
    json_decref(object);
    return status;
}

/* Opened anew each time: network file systems show others' writes from the next open on. */
cr_status cr_lease_read(const char *folder, int64_t fence, char text[CR_LEASE_BYTES], cr_lease_facts *facts)
{
    char name[CR_LEASE_NAME];
    cr_status status = CR_OK;
    char *data = NULL;
    size_t bytes = 0;
    *facts = (cr_lease_facts){.fence = fence};
    memset(text, 0, CR_LEASE_BYTES);
    cr_lease_file_name(fence, name);
    char *path = cr_path_join(folder, name);
    if (!path)
        return cr_fail_memory("a path", strlen(folder));
    CR_TRY(cr_read_file(path, CR_LEASE_BYTES, &data, &bytes));
    memcpy(text, data, bytes);
    CR_TRY(parse(data, bytes, path, facts));
done:
    free(data);
    free(path);
    return status;
}

static bool parse_name(const char *name, int64_t *fence)
{
    char again[CR_LEASE_NAME];
    if (strncmp(name, "lease-", 6) != 0)
        return false;
    *fence = strtoll(name + 6, NULL, 10);
    cr_lease_file_name(*fence, again);
    return *fence > 0 && !strcmp(name, again);
}

cr_status cr_lease_scan(const char *folder, int64_t remove_up_to, int64_t *highest)
{
    int64_t fence;
    *highest = 0;
    DIR *open_folder = opendir(folder);
    if (!open_folder)
        return cr_fail_errno("%s: cannot list", folder);
    cr_status status = CR_OK;
    struct dirent *entry;
    while (errno = 0, entry = readdir(open_folder)) {
        if (!parse_name(entry->d_name, &fence))
            continue;
        if (fence > *highest)
            *highest = fence;
        if (fence <= remove_up_to && unlinkat(dirfd(open_folder), entry->d_name, 0) && errno != ENOENT) {
            status = cr_fail_errno("%s/%s: cannot remove a former lease", folder, entry->d_name);
            goto done;
        }
    }
    if (errno)
        status = cr_fail_errno("%s: cannot list", folder);
done:
    closedir(open_folder);
    return status;
}

bool cr_lease_is_orphan(const cr_lease_facts *owner, const cr_lease_facts *self)
{
    char state = 0;
    int64_t started = 0;
    if (owner->job[0] && !strcmp(owner->job, self->job) && owner->restart < self->restart)
        return true; /* Slurm starts a job again only after it ended the former start, or lost its node */
    if (!owner->boot[0] || !owner->pids[0] || strcmp(owner->boot, self->boot) != 0 ||
        strcmp(owner->pids, self->pids) != 0)
        return false;
    if (kill((pid_t)owner->pid, 0) && errno == ESRCH)
        return true;
    /* a killed process that nobody has buried yet (Z) writes no more; another start: the number is used again */
    return read_process(owner->pid, &state, &started) &&
           (state == 'Z' || state == 'X' || (owner->started > 0 && started != owner->started));
}
