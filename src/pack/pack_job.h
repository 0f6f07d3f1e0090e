/* Making a pack: what its stages share. */
#ifndef CRISOL_PACK_JOB_H
#define CRISOL_PACK_JOB_H

#include "crisol/pack_build.h"
#include "crisol/workers.h"
#include "manifest.h"
#include "sample_table.h"
#include "shard.h"

#include <stdbool.h>
#include <stdint.h>

/* A shard to be written: which rows of the table it holds, in order. */
typedef struct cr_planned_shard {
    cr_shard_entry entry;
    const int64_t *rows; /* [entry.n_samples], into the plan's block */
    int descriptor;      /* -1 while closed */
    char *path;
} cr_planned_shard;

typedef struct cr_pack_plan {
    cr_planned_shard *shards;
    int64_t n_shards;
    int64_t *rows; /* row of every sample, shard after shard */
    int64_t n_samples;
} cr_pack_plan;

/* What became of a row's image. */
typedef struct cr_row_result {
    uint64_t checksum;
    const char *reason; /* null: packed */
    char *detail;
} cr_row_result;

typedef struct cr_pack_job {
    const cr_pack_build_options *options;
    cr_sample_table *table;
    char *folder; /* where shards are written: beside the output */
    char **feature_names;
    cr_pack_plan plan;
    cr_row_result *results; /* [table->n_rows] */
    cr_workers *workers;
} cr_pack_job;

/* Whether a signal asks for the end; and that as CR_STOPPED, between stages and within those that may take long. */
bool cr_pack_is_stopped(const cr_pack_job *job);
CR_NODISCARD cr_status cr_pack_check_stop(const cr_pack_job *job);

/* The table's rows that are not rejected, split by split in table order, cut into even shards of at most
 * table->shard_samples. */
CR_NODISCARD cr_status cr_pack_plan_create(const cr_sample_table *table, cr_pack_plan *plan);
void cr_pack_plan_clear(cr_pack_plan *plan);
/* Makes the plan's shard files in the job's folder and leaves them open. Errors: CR_BAD_CONFIG, too, when the process
 * may not have so many files open. */
CR_NODISCARD cr_status cr_pack_plan_make_files(cr_pack_job *job, cr_pack_plan *plan);

/* Decodes, resizes and writes every planned image on all workers, with a progress line; then marks the rows whose image
 * is refused. Errors: CR_IO, also where an image cannot be read for another reason than its own; CR_INTERNAL;
 * CR_STOPPED. */
CR_NODISCARD cr_status cr_pack_decode(cr_pack_job *job);
/* Makes the plan anew without the refused rows and moves the images of the shards that change. */
CR_NODISCARD cr_status cr_pack_close_gaps(cr_pack_job *job);
/* Writes the tables, takes the hashes and brings every shard to the disk. */
CR_NODISCARD cr_status cr_pack_finish_shards(cr_pack_job *job);

/* samples.csv: the plan's samples in their order, each with the path of its image. */
CR_NODISCARD cr_status cr_samples_write(const char *path, const cr_sample_table *table, const cr_pack_plan *plan);
/* rejects.csv, and "279 missing file, 2 damaged image" for people. */
CR_NODISCARD cr_status cr_rejects_write(const char *path, const cr_sample_table *table);
void cr_rejects_summary(const cr_sample_table *table, char *text, size_t bytes);

/* Where a pack is made and how it is put in its place. */
typedef struct cr_pack_place {
    char *output;    /* without trailing slashes; a link is resolved */
    char *temporary; /* output + ".tmp-" + process */
    char *rejects;   /* output + ".rejects.csv": what a pack that failed leaves behind */
    bool replace;    /* a pack is there and is to be replaced */
} cr_pack_place;
/* Looks at what is there. Errors: CR_BAD_CONFIG (a pack and no `force`; a folder that is no pack, whatever `force`). */
CR_NODISCARD cr_status cr_pack_place_find(const char *output, bool force, cr_pack_place *place);
/* The folder that the place is in, where it is missing; and the temporary one in it. */
CR_NODISCARD cr_status cr_pack_place_make_parent(const cr_pack_place *place);
CR_NODISCARD cr_status cr_pack_place_make(cr_pack_place *place);
/* Renames the temporary folder into its place; the former pack, if any, is deleted after that. */
CR_NODISCARD cr_status cr_pack_place_publish(cr_pack_place *place);
/* Deletes the temporary folder if it is still there. */
void cr_pack_place_clear(cr_pack_place *place);

#endif
