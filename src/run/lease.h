/* Who may write into a run directory: the owner of its youngest lease, lease-N.json. N only ever rises: whoever takes
 * over makes lease-(N+1) (O_EXCL, so that of two only one succeeds, on a shared disk, too) and removes the older ones
 * before it writes anything else. An owner that was taken for dead but lives on finds its own lease gone. */
#ifndef CRISOL_LEASE_H
#define CRISOL_LEASE_H

#include "crisol/run.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CR_LEASE_BYTES = 1024, /* of a lease file, always: it is renewed in place by one write */
    CR_LEASE_TOKEN = 33,
    CR_LEASE_NAME = 32
};

typedef struct cr_lease_facts { /* what lease-N.json says */
    int64_t fence;              /* N */
    char token[CR_LEASE_TOKEN]; /* random, so that two leases are never mistaken for each other */
    char job[64];               /* Slurm's number, "" without */
    int64_t restart;            /* how often Slurm has started this job again */
    char host[64];
    char boot[64], pids[64]; /* kernel and pid namespace: where both are ours, `pid` can be looked up here */
    int64_t pid, started;    /* `started`: ticks since boot, since pids are used again */
    double heartbeat_s;
    int64_t beat; /* counts signs of life */
    bool released;
} cr_lease_facts;

/* Facts of this process; fence, beat and heartbeat_s are left 0. */
void cr_lease_describe_self(cr_lease_facts *facts);
/* "job 12 on n1, pid 345" */
void cr_lease_name_owner(const cr_lease_facts *facts, char *text, size_t bytes);
/* The text of a lease file, filled up with spaces. */
CR_NODISCARD cr_status cr_lease_print(const cr_lease_facts *facts, char text[CR_LEASE_BYTES]);
/* Reads lease-N.json: CR_MISSING, or CR_BAD_DATA with `text` as it was read (a lease that is just being made is empty).
 */
CR_NODISCARD cr_status cr_lease_read(const char *folder, int64_t fence, char text[CR_LEASE_BYTES],
                                     cr_lease_facts *facts);
/* The highest N of a folder's leases, 0 for none; removes those of at most `remove_up_to`. */
CR_NODISCARD cr_status cr_lease_scan(const char *folder, int64_t remove_up_to, int64_t *highest);
void cr_lease_file_name(int64_t fence, char name[CR_LEASE_NAME]);
/* This machine knows that the owner is dead, or it is an earlier start of this very Slurm job. */
bool cr_lease_is_orphan(const cr_lease_facts *owner, const cr_lease_facts *self);

typedef struct cr_lease cr_lease;
/* Takes the folder, waiting for as long as three heartbeats of an owner that may be dead. CR_BAD_CONFIG naming the
 * owner that lives. */
CR_NODISCARD cr_status cr_lease_take(const char *folder, double heartbeat_s, cr_lease **lease);
/* As cr_lease_take(), but never waits: *lease is null while an owner lives or may live. `watch` remembers what was seen
 * of it; call again after a while. */
CR_NODISCARD cr_status cr_lease_try(const char *folder, double heartbeat_s, cr_run_watch *watch, cr_lease **lease);
/* Marks the lease as free (when it is still ours) and stops its heartbeat. Accepts a pointer to null. */
void cr_lease_release(cr_lease **lease);
/* CR_BAD_CONFIG naming the new owner when the folder is no longer ours. Any thread. */
CR_NODISCARD cr_status cr_lease_check(const cr_lease *lease);
const cr_lease_facts *cr_lease_get_facts(const cr_lease *lease);

#endif
