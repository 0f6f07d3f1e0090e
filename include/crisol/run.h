/* The run directory: the product of a training, and everything that resuming needs.
 *
 *   config.yaml     as resolved, itself a valid config
 *   record.json     versions, hardware, hashes, seeds, the command (record.h)
 *   journal.jsonl   append-only, one event a line
 *   metrics.csv     one row an epoch
 *   checkpoints/    step-N.safetensors and step-N.json; the JSON is the commit point
 *   eval-SPLIT/     written by crisol eval
 * Only rank 0 writes. */
#ifndef CRISOL_RUN_H
#define CRISOL_RUN_H

#include "crisol/hash.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* --- safetensors (format of the safetensors project, 0.x): little-endian, row-major --- */
typedef enum cr_dtype {
    CR_DTYPE_F32,
    CR_DTYPE_F64,
    CR_DTYPE_I32,
    CR_DTYPE_I64,
    CR_DTYPE_U8,
    CR_DTYPE_BF16,
    CR_DTYPE_F16,
    CR_DTYPE_BOOL, /* this and below: in files of others */
    CR_DTYPE_I8,
    CR_DTYPE_I16,
    CR_DTYPE_U16,
    CR_DTYPE_U32,
    CR_DTYPE_U64
} cr_dtype;
size_t cr_dtype_bytes(cr_dtype dtype);     /* of one element */
const char *cr_dtype_name(cr_dtype dtype); /* "F32"; null for a number that is no cr_dtype */

enum {
    CR_TENSOR_NAME_MAX = 128,
    CR_TENSOR_RANK_MAX = 8
};
typedef struct cr_tensor_view {
    char name[CR_TENSOR_NAME_MAX];
    cr_dtype dtype;
    int rank;
    int64_t shape[CR_TENSOR_RANK_MAX];
    const void *data; /* borrowed */
    size_t bytes;
} cr_tensor_view;

/* Writes atomically, tensors in the given order, data 64-byte aligned (header padded with spaces); `hash` receives
 * XXH3-128 of the whole file. */
CR_NODISCARD cr_status cr_safetensors_write(const char *path, const cr_tensor_view *tensors, int64_t n,
                                            char hash[CR_HASH_TEXT]);
typedef struct cr_safetensors cr_safetensors;
/* Maps the file read-only. Refuses: header over 16 MiB or the file, overlap, holes, overflow, duplicate names, unknown
 * types: CR_BAD_DATA naming file and tensor. */
CR_NODISCARD cr_status cr_safetensors_open(const char *path, cr_safetensors **file);
void cr_safetensors_close(cr_safetensors **file);
int64_t cr_safetensors_count(const cr_safetensors *file);
const cr_tensor_view *cr_safetensors_at(const cr_safetensors *file, int64_t i);
const cr_tensor_view *cr_safetensors_find(const cr_safetensors *file, const char *name); /* null when absent */

/* --- run directory --- */
typedef struct cr_run cr_run;
/* Makes the folder (0777 by umask) or opens it; a symbolic link is refused. Errors: CR_PERMISSION, CR_IO. Local. */
CR_NODISCARD cr_status cr_run_open(const char *folder, cr_run **run);
void cr_run_close(cr_run **run);
const char *cr_run_folder(const cr_run *run);

/* Makes this process the folder's only writer until it is closed, by a lease file with job, host, pid and a number that
 * rises with each owner; a thread renews it every `heartbeat_s`. An owner that is known to be dead (its pid is gone on
 * this machine, or it is an earlier start of this Slurm job) is followed at once, another one after three of its
 * heartbeats without a sign of life by this process's own clock. From then on everything that is published checks that
 * the lease is still ours: CR_BAD_CONFIG otherwise, naming the new owner. Errors: CR_BAD_CONFIG naming the owner that
 * lives; CR_IO, CR_PERMISSION. Blocking. */
CR_NODISCARD cr_status cr_run_take(cr_run *run, double heartbeat_s);
/* The same for one who has other things to do meanwhile: never waits, *taken is false while an owner lives or may live.
 * `watch`, all zero before the first call for a folder, remembers what was seen of its owner; after three of the
 * owner's heartbeats without a change, a later call takes the folder over. */
typedef struct cr_run_watch {
    uint64_t seen; /* hash of the lease */
    double since_s;
} cr_run_watch;
CR_NODISCARD cr_status cr_run_try(cr_run *run, double heartbeat_s, cr_run_watch *watch, bool *taken);
/* CR_BAD_CONFIG naming the new owner when the folder is no longer this process's. Any thread. */
CR_NODISCARD cr_status cr_run_check(const cr_run *run);
/* The number of this process's lease, which rises with each owner; 0 without one. */
int64_t cr_run_fence(const cr_run *run);
/* What tells this lease from all others; "" without one. */
const char *cr_run_token(const cr_run *run);
/* Whether this process sees the same run directory as the one whose cr_run_token() this is, waiting up to `patience_s`
 * for a network file system: CR_MISSING if not. */
CR_NODISCARD cr_status cr_run_find_token(const char *folder, const char *token, double patience_s);
/* "job 12 on n1, pid 345" when a folder has an owner that may be alive, otherwise "". */
CR_NODISCARD cr_status cr_run_name_owner(const char *folder, char *text, size_t bytes);

/* Appends one event as a line {"time": …, "event": NAME, …fields}; one write(2), so that lines never mix. `fields` (an
 * object or null) is stolen. */
CR_NODISCARD cr_status cr_run_journal(cr_run *run, const char *event, struct json_t *fields);
/* Appends to metrics.csv; on a new file writes the header from the keys of `row` first, on an existing one follows its
 * header (a key that it lacks is CR_BAD_DATA, a column without a key stays empty). Values are numbers, or what
 * cr_json_real() makes. `row` is stolen. */
CR_NODISCARD cr_status cr_run_metrics_row(cr_run *run, struct json_t *row);
/* Brings journal and metrics.csv back to a checkpoint of `step`, when they had these sizes, for resuming without lost
 * or doubled lines: cuts off what training will write again. Lines of the journal that tell what happened up to this
 * step
 * ("start", "resume", "stop", "checkpoint", "checkpoint_failed") stay. A shorter file stays as it is, with a warning.
 */
CR_NODISCARD cr_status cr_run_rewind(cr_run *run, int64_t step, int64_t journal_bytes, int64_t metrics_bytes);
/* The sizes now; 0 for a file that does not exist yet. */
CR_NODISCARD cr_status cr_run_sizes(cr_run *run, int64_t *journal_bytes, int64_t *metrics_bytes);
/* Makes what was appended durable (fdatasync), so that a size that a checkpoint records stays true. Any thread. */
CR_NODISCARD cr_status cr_run_sync(const cr_run *run);
/* --- checkpoints --- */
typedef struct cr_checkpoint_info {
    int64_t step, epoch;
    double metric;           /* the monitored one: the state's "metric" (cr_json_real); NaN when absent */
    char path[4096];         /* of the JSON */
    char hash[CR_HASH_TEXT]; /* of the .safetensors file */
} cr_checkpoint_info;

/* Writes step-N.safetensors, then step-N.json = `state` (stolen) + {"format", "step", "tensors": {file, bytes, hash}};
 * then, once both have been read back, prunes: keeps the newest `keep_last` and the `keep_best` best by state.metric
 * (maximize or not; of equals the earlier), and always the one just written. `state` may have "epoch" (integer) and
 * "metric" (cr_json_real); its keys "checksum", "format", "step" and "tensors" are overwritten. A step may be written
 * again: the earlier one is valid until the later one is. Errors: CR_NON_FINITE naming the tensor, before anything is
 * written; CR_IO, CR_PERMISSION: the older checkpoints stand untouched. */
typedef struct cr_checkpoint_policy {
    int64_t keep_last, keep_best;
    bool maximize;
} cr_checkpoint_policy;
CR_NODISCARD cr_status cr_checkpoint_write(cr_run *run, int64_t step, const cr_tensor_view *tensors, int64_t n,
                                           struct json_t *state, const cr_checkpoint_policy *policy);
/* Lists checkpoints whose JSON is whole and whose tensors have the right size, by ascending step; a damaged one is
 * passed over with a warning and counted in *n_damaged, unless that is null. malloc'ed; the caller frees. */
CR_NODISCARD cr_status cr_checkpoint_list(const char *run_folder, cr_checkpoint_info **list, int64_t *n,
                                          int64_t *n_damaged);
/* Opens one: checks the JSON, size and hash of its tensors. `which`: "best" (by metric), "last", or the path of a
 * step-N.json. A damaged `last` falls back to the one before, with a warning; a `best` that is listed and turns out to
 * be damaged is an error; one that the list passes over gives way to the best of the others, with a warning. `state`
 * (new reference) is what cr_checkpoint_write got, with "step". Errors: CR_MISSING when there is none, CR_BAD_DATA. */
CR_NODISCARD cr_status cr_checkpoint_open(const char *run_folder, const char *which, bool maximize,
                                          struct json_t **state, cr_safetensors **tensors);

#endif
