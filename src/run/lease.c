#include "lease.h"
#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/hash.h"
#include "crisol/log.h"
#include "crisol/run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct cr_lease {
    char *folder;
    cr_lease_facts facts; /* its beat is the thread's while that runs */
    int descriptor;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stop_changed;
    bool has_thread, stop;
};

enum {
    UNSEEN_BEATS = 3, /* after which an owner counts as dead */
    POLL_MS = 100,
    MAX_TRIES = 100
};
static const double unknown_heartbeat_s = 10; /* of a lease that cannot be read */

/* In place, by one write: a new name would bring back a lease that was removed. */
static cr_status renew(cr_lease *lease)
{
    char text[CR_LEASE_BYTES];
    cr_status status = cr_lease_print(&lease->facts, text);
    if (status != CR_OK)
        return status;
    ssize_t written;
    do
        written = pwrite(lease->descriptor, text, sizeof text, 0);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)sizeof text ? CR_OK : cr_fail_errno("%s: cannot renew the lease", lease->folder);
}

static void *beat(void *argument)
{
    cr_lease *lease = argument;
    bool failed = false;
    pthread_setname_np(pthread_self(), "heartbeat");
    pthread_mutex_lock(&lease->mutex);
    while (!lease->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (int64_t)(lease->facts.heartbeat_s * 1e9);
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        if (pthread_cond_timedwait(&lease->stop_changed, &lease->mutex, &until) != ETIMEDOUT)
            continue;
        lease->facts.beat++;
        cr_status status = renew(lease);
        if (status != CR_OK && !failed)
            cr_log_warning("%s", cr_error_message());
        failed = status != CR_OK;
    }
    pthread_mutex_unlock(&lease->mutex);
    return NULL;
}

static cr_status start_beating(cr_lease *lease)
{
    sigset_t all, before;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&lease->mutex, NULL);
    pthread_cond_init(&lease->stop_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all); /* signals are the training's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&lease->thread, NULL, beat, lease);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        pthread_cond_destroy(&lease->stop_changed);
        pthread_mutex_destroy(&lease->mutex);
        return cr_fail(CR_INTERNAL, "cannot start a thread for the lease: %s", strerror(error));
    }
    lease->has_thread = true;
    return CR_OK;
}

static cr_status refuse(const char *folder, const cr_lease_facts *owner)
{
    char name[256];
    cr_lease_name_owner(owner, name, sizeof name);
    return cr_fail(CR_BAD_CONFIG, "%s: %s is writing there; wait for it, stop it, or choose another --output", folder,
                   name);
}

/* CR_OK: the lease N is free, or its owner has not been heard of for three heartbeats of this process's own clock. */
static cr_status wait_for_owner(const char *folder, int64_t fence, const cr_lease_facts *self)
{
    char first[CR_LEASE_BYTES], now[CR_LEASE_BYTES], name[256];
    cr_lease_facts owner;
    const struct timespec pause = {0, POLL_MS * 1000000L};
    cr_status status = cr_lease_read(folder, fence, first, &owner);
    bool is_known = status == CR_OK;
    if (status == CR_MISSING)
        return CR_OK; /* taken over meanwhile: the caller looks again */
    if (!is_known && status != CR_BAD_DATA)
        return status;
    if (is_known && (owner.released || cr_lease_is_orphan(&owner, self)))
        return CR_OK;
    double heartbeat_s = is_known && owner.heartbeat_s > 0 ? owner.heartbeat_s : unknown_heartbeat_s;
    cr_lease_name_owner(&owner, name, sizeof name);
    cr_log_info("%s: has an owner, %s; looking up to %.0f s for a sign of life", folder, is_known ? name : "unknown",
                UNSEEN_BEATS * heartbeat_s);
    double start = cr_clock_s();
    while (cr_clock_s() - start < UNSEEN_BEATS * heartbeat_s) {
        nanosleep(&pause, NULL);
        status = cr_lease_read(folder, fence, now, &owner);
        if (status == CR_MISSING || (status == CR_OK && (owner.released || cr_lease_is_orphan(&owner, self))))
            return CR_OK;
        if (status != CR_OK && status != CR_BAD_DATA)
            return status;
        if (status == CR_OK && memcmp(first, now, sizeof now) != 0)
            return refuse(folder, &owner);
    }
    cr_log_warning("%s: %s has shown no sign of life for %.1f s; taking over", folder, is_known ? name : "its owner",
                   UNSEEN_BEATS * heartbeat_s);
    return CR_OK;
}

/* Makes lease-N; *won is false when another process was faster. */
static cr_status claim(cr_lease *lease, int64_t fence, bool *won)
{
    char name[CR_LEASE_NAME];
    int64_t highest;
    cr_status status = CR_OK;
    cr_lease_file_name(fence, name);
    char *path = cr_path_join(lease->folder, name);
    if (!path)
        return cr_fail_memory("a path", strlen(lease->folder));
    *won = false;
    lease->facts.fence = fence;
    lease->descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (lease->descriptor < 0) {
        if (errno != EEXIST)
            status = cr_fail_errno("%s: cannot create", path);
        goto done;
    }
    CR_TRY(renew(lease));
    if (fsync(lease->descriptor))
        CR_TRY(cr_fail_errno("%s: cannot bring to the disk", path));
    CR_TRY(cr_sync_folder(lease->folder));
    CR_TRY(cr_lease_scan(lease->folder, 0, &highest));
    *won = highest == fence; /* a younger one: N was free only because it had been used and removed */
done:
    if (lease->descriptor >= 0 && !*won) {
        unlink(path);
        close(lease->descriptor);
        lease->descriptor = -1;
    }
    free(path);
    return status;
}

static cr_status create(const char *folder, double heartbeat_s, cr_lease **lease)
{
    cr_lease *made = calloc(1, sizeof *made);
    if (!made || !(made->folder = strdup(folder))) {
        free(made);
        return cr_fail_memory("a lease", sizeof *made);
    }
    made->descriptor = -1;
    cr_lease_describe_self(&made->facts);
    made->facts.heartbeat_s = heartbeat_s;
    *lease = made;
    return CR_OK;
}

/* Of a lease that has been won. */
static cr_status begin(cr_lease *lease)
{
    int64_t highest;
    cr_status status = cr_lease_scan(lease->folder, lease->facts.fence - 1, &highest);
    return status == CR_OK ? start_beating(lease) : status;
}

cr_status cr_lease_take(const char *folder, double heartbeat_s, cr_lease **lease)
{
    cr_status status = CR_OK;
    bool won = false;
    int64_t highest;
    cr_lease *made = NULL;
    *lease = NULL;
    CR_TRY(create(folder, heartbeat_s, &made));
    for (int i = 0; !won; i++) {
        if (i == MAX_TRIES) {
            status = cr_fail(CR_IO, "%s: leases come and go faster than they can be read", folder);
            goto done;
        }
        CR_TRY(cr_lease_scan(folder, 0, &highest));
        if (highest > 0)
            CR_TRY(wait_for_owner(folder, highest, &made->facts));
        CR_TRY(claim(made, highest + 1, &won));
    }
    CR_TRY(begin(made));
    *lease = made;
    made = NULL;
done:
    cr_lease_release(&made);
    return status;
}

/* Whether the owner of lease N has gone, as far as can be told now. */
static cr_status look_at_owner(const char *folder, int64_t fence, const cr_lease_facts *self, cr_run_watch *watch,
                               bool *is_gone)
{
    char text[CR_LEASE_BYTES], name[256];
    cr_lease_facts owner;
    cr_status status = cr_lease_read(folder, fence, text, &owner);
    bool is_known = status == CR_OK;
    *is_gone = false;
    if (status == CR_MISSING) /* taken over meanwhile */
        return CR_OK;
    if (!is_known && status != CR_BAD_DATA)
        return status;
    *is_gone = is_known && (owner.released || cr_lease_is_orphan(&owner, self));
    if (*is_gone)
        return CR_OK;
    uint64_t seen = cr_hash64(text, sizeof text) ^ (uint64_t)fence;
    double now = cr_clock_s();
    if (seen != watch->seen || watch->since_s == 0)
        *watch = (cr_run_watch){.seen = seen, .since_s = now};
    double heartbeat_s = is_known && owner.heartbeat_s > 0 ? owner.heartbeat_s : unknown_heartbeat_s;
    *is_gone = now - watch->since_s >= UNSEEN_BEATS * heartbeat_s;
    if (*is_gone) {
        cr_lease_name_owner(&owner, name, sizeof name);
        cr_log_warning("%s: %s has shown no sign of life for %.1f s; taking over", folder,
                       is_known ? name : "its owner", UNSEEN_BEATS * heartbeat_s);
    }
    return CR_OK;
}

cr_status cr_lease_try(const char *folder, double heartbeat_s, cr_run_watch *watch, cr_lease **lease)
{
    cr_status status = CR_OK;
    bool is_free = true, won = false;
    int64_t highest;
    cr_lease *made = NULL;
    *lease = NULL;
    CR_TRY(create(folder, heartbeat_s, &made));
    CR_TRY(cr_lease_scan(folder, 0, &highest));
    if (highest > 0)
        CR_TRY(look_at_owner(folder, highest, &made->facts, watch, &is_free));
    if (is_free)
        CR_TRY(claim(made, highest + 1, &won));
    if (won) {
        CR_TRY(begin(made));
        *lease = made;
        made = NULL;
    }
done:
    cr_lease_release(&made);
    return status;
}

void cr_lease_release(cr_lease **lease)
{
    if (!lease || !*lease)
        return;
    cr_lease *it = *lease;
    if (it->has_thread) {
        pthread_mutex_lock(&it->mutex);
        it->stop = true;
        pthread_cond_broadcast(&it->stop_changed);
        pthread_mutex_unlock(&it->mutex);
        pthread_join(it->thread, NULL);
        pthread_cond_destroy(&it->stop_changed);
        pthread_mutex_destroy(&it->mutex);
    }
    if (it->descriptor >= 0) { /* the file stays: its number must not be used again */
        it->facts.released = true;
        if (renew(it) != CR_OK || fsync(it->descriptor))
            cr_log_warning("%s: the lease could not be marked as free; the next start may wait", it->folder);
        close(it->descriptor);
    }
    free(it->folder);
    free(it);
    *lease = NULL;
}

const cr_lease_facts *cr_lease_get_facts(const cr_lease *lease)
{
    return &lease->facts;
}

cr_status cr_lease_check(const cr_lease *lease)
{
    char text[CR_LEASE_BYTES], name[256];
    cr_lease_facts now;
    int64_t highest;
    cr_status status = cr_lease_scan(lease->folder, 0, &highest);
    if (status != CR_OK)
        return status;
    if (highest == lease->facts.fence)
        return CR_OK;
    if (highest == 0)
        return cr_fail(CR_BAD_CONFIG, "%s: this process's lease was removed; it writes nothing there any more",
                       lease->folder);
    status = cr_lease_read(lease->folder, highest, text, &now);
    cr_lease_name_owner(&now, name, sizeof name);
    return cr_fail(CR_BAD_CONFIG, "%s: %s has taken over; this process writes nothing there any more", lease->folder,
                   status == CR_OK ? name : "another process");
}

cr_status cr_run_find_token(const char *folder, const char *token, double patience_s)
{
    char text[CR_LEASE_BYTES];
    cr_lease_facts facts;
    const struct timespec pause = {0, POLL_MS * 1000000L};
    double start = cr_clock_s();
    for (;;) {
        int64_t highest = 0;
        cr_status status = cr_lease_scan(folder, 0, &highest);
        if (status == CR_OK && highest > 0 && cr_lease_read(folder, highest, text, &facts) == CR_OK &&
            !strcmp(facts.token, token))
            return CR_OK;
        if (cr_clock_s() - start >= patience_s)
            return cr_fail(
                CR_MISSING,
                "%s: is not the run directory that rank 0 sees; put it on a file system that all nodes share", folder);
        nanosleep(&pause, NULL);
    }
}

cr_status cr_run_name_owner(const char *folder, char *text, size_t bytes)
{
    char content[CR_LEASE_BYTES];
    cr_lease_facts owner, self;
    int64_t highest;
    text[0] = 0;
    cr_status status = cr_lease_scan(folder, 0, &highest);
    if (status != CR_OK || highest == 0)
        return status;
    status = cr_lease_read(folder, highest, content, &owner);
    cr_lease_describe_self(&self);
    if (status == CR_OK && !owner.released && !cr_lease_is_orphan(&owner, &self))
        cr_lease_name_owner(&owner, text, bytes);
    return status == CR_BAD_DATA || status == CR_MISSING ? CR_OK : status;
}
