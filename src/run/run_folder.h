/* The open run directory, shared by the files of this folder. */
#ifndef CRISOL_RUN_FOLDER_H
#define CRISOL_RUN_FOLDER_H

#include "crisol/run.h"

#define CR_RUN_JOURNAL "journal.jsonl"
#define CR_RUN_METRICS "metrics.csv"

struct cr_run {
    char *folder;           /* without trailing slashes */
    int journal, metrics;   /* descriptors, -1 until first used */
    struct json_t *columns; /* of metrics.csv, an array of strings; null until first used */
    struct json_t *record;  /* as record.json stands; null until it is begun */
    struct cr_lease *lease; /* null: nobody asked to be the only writer */
};

/* Opens `name` in the run's folder for appending (made when absent, never through a symbolic link) and cuts off a last
 * line without newline, which a process that died left behind. */
CR_NODISCARD cr_status cr_run_open_log(const cr_run *run, const char *name, int *descriptor);
/* Appends all of a line with one write(2), or leaves the file as it was. */
CR_NODISCARD cr_status cr_run_append(const cr_run *run, const char *name, int descriptor, const char *text,
                                     size_t bytes);
/* Size of a log on disk, 0 when it does not exist; on request made durable first. */
CR_NODISCARD cr_status cr_run_log_size(const cr_run *run, const char *name, bool sync, int64_t *bytes);

#endif
