/* record.json of a run directory: what it takes to tell how the run came about, and to do it again. docs/record.md
 * describes every key. The first start's facts stay; a start that goes on from a checkpoint is added to "attempts" with
 * the facts that differ. Only the folder's owner writes. */
#ifndef CRISOL_RECORD_H
#define CRISOL_RECORD_H

#include "crisol/run.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

enum {
    CR_RECORD_FORMAT = 1
};

/* "program" (version, revision, compiler, hash of the program file …), "libraries", "host" (processor, GPUs, memory …)
 * and "environment" (an allow-list: nothing else of it is copied, it may hold secrets). `libraries` [n]: texts like
 * "HDF5 1.10.8, libpng 1.6.39". New reference, null when out of memory. Local. */
struct json_t *cr_record_facts(const char *const libraries[], int n);
/* The cores that the calling process may run on, as "0-3,8". */
void cr_record_cores(char *text, size_t bytes);

typedef struct cr_record_start {
    bool resumed; /* goes on from a checkpoint */
    int64_t epoch, step;
    const char *weights; /* hash at this start */
} cr_record_start;
/* Writes the record of a first start, or adds an attempt to the one that is there and drops the epochs after
 * start->epoch; where there is none that can be read, a resumed run gets a record that begins here, with a warning.
 * `facts` (cr_record_facts() and the caller's own) is stolen. Errors: CR_IO, CR_PERMISSION; CR_BAD_CONFIG when another
 * job has taken the folder over. */
CR_NODISCARD cr_status cr_record_begin(cr_run *run, struct json_t *facts, const cr_record_start *start);
/* Adds {"epoch", "step", "weights", "metrics"}; stolen. */
CR_NODISCARD cr_status cr_record_add_epoch(cr_run *run, struct json_t *epoch);
/* Says how this attempt ended: CR_OK, CR_STOPPED or a failure with the thread's message. `weights` may be null. */
CR_NODISCARD cr_status cr_record_finish(cr_run *run, cr_status outcome, int64_t step, const char *weights);

/* Reads and checks RUN/record.json. New reference. Errors: CR_MISSING; CR_BAD_DATA naming the key that is wrong, or
 * saying that the file was changed after Crisol wrote it. */
CR_NODISCARD cr_status cr_record_read(const char *folder, struct json_t **record);
/* The same for whom a changed record is of interest, too: *is_whole says whether its checksum matches. */
CR_NODISCARD cr_status cr_record_read_any(const char *folder, struct json_t **record, bool *is_whole);
/* Every key that docs/record.md promises is there and of its type. `where` is the file's name. CR_BAD_DATA. */
CR_NODISCARD cr_status cr_record_check(const struct json_t *record, const char *where);

/* The facts in which two records differ: an array of {"fact": "libraries.oneDNN", "was": …, "is": …, "matters": bool},
 * new reference, null when out of memory. "was" or "is" is absent where a record lacks the fact. It matters when it
 * may change the numbers: not host names, ranks or times (but for ranks under train.reduction: library). The config is
 * not looked at, whoever can read options compares that. */
struct json_t *cr_record_compare(const struct json_t *a, const struct json_t *b);

#endif
