/* From a recipe to a pack, stage by stage. */
#include "crisol/pack_build.h"

#include "pack_job.h"

#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clear_job(cr_pack_job *job)
{
    cr_pack_plan_clear(&job->plan);
    for (int64_t i = 0; job->results && i < job->table->n_rows; i++)
        free(job->results[i].detail);
    free(job->results);
    if (job->table)
        cr_feature_names_destroy(&job->feature_names, job->table->n_features);
    cr_workers_destroy(&job->workers);
    cr_sample_table_destroy(&job->table);
}

static int64_t count_rejected(const cr_sample_table *table)
{
    int64_t n = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        n += table->rows[i].rejected;
    return n;
}

bool cr_pack_is_stopped(const cr_pack_job *job)
{
    return job->options->stop && *job->options->stop;
}

cr_status cr_pack_check_stop(const cr_pack_job *job)
{
    return cr_pack_is_stopped(job) ? cr_fail(CR_STOPPED, "stopped by a signal; nothing is left of the pack") : CR_OK;
}

/* The latest message says why there is no pack; the list of refused rows stays beside the place where it would be. */
static cr_status leave_list(const cr_sample_table *table, const cr_pack_place *place)
{
    char why[CR_ERROR_MAX];
    snprintf(why, sizeof why, "%s", cr_error_message());
    cr_status status = cr_pack_place_make_parent(place);
    if (status == CR_OK)
        status = cr_rejects_write(place->rejects, table);
    if (status != CR_OK)
        return cr_fail(CR_BAD_DATA, "%s; there is no list of them: %s", why, cr_error_message());
    return cr_fail(CR_BAD_DATA, "%s; see %s", why, place->rejects);
}

/* Too many refused rows, or none left. */
static cr_status check_rejects(const cr_sample_table *table, const cr_pack_place *place)
{
    int64_t n = count_rejected(table);
    double allowed = table->max_rejects * (double)table->n_rows;
    char reasons[512];
    if ((double)n <= allowed && n < table->n_rows)
        return CR_OK;
    cr_rejects_summary(table, reasons, sizeof reasons);
    (void)cr_fail(CR_BAD_DATA, "%lld of %lld rows were refused, max_rejects allows %.0f: %s", (long long)n,
                  (long long)table->n_rows, allowed, reasons);
    return leave_list(table, place);
}

static cr_status prepare(cr_pack_job *job, const cr_pack_place *place)
{
    const cr_pack_build_options *o = job->options;
    cr_status status;
    status = cr_sample_table_create(o->recipe, o->root, &job->table);
    if (status != CR_OK && job->table)
        status = leave_list(job->table, place);
    CR_TRY(status);
    CR_TRY(cr_pack_check_stop(job));
    CR_TRY(check_rejects(job->table, place)); /* rather now than after an hour of decoding */
    job->results = calloc((size_t)job->table->n_rows + 1, sizeof *job->results);
    if (!job->results) {
        status = cr_fail_memory("results", (size_t)job->table->n_rows * sizeof *job->results);
        goto done;
    }
    CR_TRY(cr_feature_names_create(job->table->columns, job->table->n_columns, job->table->n_features,
                                   &job->feature_names));
    CR_TRY(cr_pack_plan_create(job->table, &job->plan));
    CR_TRY(cr_workers_create(o->n_workers > 0 ? o->n_workers : cr_cores_available(), &job->workers));
done:
    return status;
}

static cr_status write_shards(cr_pack_job *job, const cr_pack_place *place)
{
    int64_t n_before = job->table->n_rejects;
    cr_status status;
    CR_TRY(cr_pack_plan_make_files(job, &job->plan));
    CR_TRY(cr_pack_decode(job));
    CR_TRY(check_rejects(job->table, place));
    if (job->table->n_rejects > n_before)
        CR_TRY(cr_pack_close_gaps(job));
    CR_TRY(cr_pack_finish_shards(job));
done:
    return status;
}

/* rejects.csv, samples.csv and, last of all, the manifest. */
static cr_status write_lists(cr_pack_job *job, char id[CR_HASH_TEXT])
{
    int64_t n = job->plan.n_shards;
    char *path = cr_path_join(job->folder, CR_MANIFEST_REJECTS);
    char *list = cr_path_join(job->folder, CR_MANIFEST_SAMPLES);
    cr_shard_entry *entries = malloc((size_t)n * sizeof *entries);
    cr_file_entry rejects = {0}, samples = {0};
    cr_status status;
    if (!path || !list || !entries) {
        status = cr_fail_memory("a list of shards", (size_t)n * sizeof *entries);
        goto done;
    }
    CR_TRY(cr_rejects_write(path, job->table));
    CR_TRY(cr_hash_file(path, &rejects.bytes, rejects.hash));
    CR_TRY(cr_samples_write(list, job->table, &job->plan));
    CR_TRY(cr_hash_file(list, &samples.bytes, samples.hash));
    for (int64_t i = 0; i < n; i++)
        entries[i] = job->plan.shards[i].entry;
    cr_sample_table_statistics(job->table);
    CR_TRY(cr_manifest_write(job->folder, job->table, entries, n, &rejects, &samples, id));
done:
    free(path);
    free(list);
    free(entries);
    return status;
}

static void fill_report(const cr_pack_job *job, double start, cr_pack_build_report *report)
{
    report->n_rows = job->table->n_rows;
    report->n_rejected = count_rejected(job->table);
    report->n_packed = report->n_rows - report->n_rejected;
    report->seconds = cr_clock_s() - start;
    cr_log_progress(true, "packed %lld images, %.0f/s, %.1f s", (long long)report->n_packed,
                    (double)report->n_packed / report->seconds, report->seconds);
}

cr_status cr_pack_build(const cr_pack_build_options *options, cr_pack_build_report *report)
{
    double start = cr_clock_s();
    cr_pack_place place = {0};
    cr_pack_job job = {.options = options};
    cr_status status;
    *report = (cr_pack_build_report){0};
    CR_TRY(cr_pack_place_find(options->output, options->force, &place));
    CR_TRY(prepare(&job, &place));
    CR_TRY(cr_pack_place_make(&place));
    job.folder = place.temporary;
    CR_TRY(write_shards(&job, &place));
    CR_TRY(write_lists(&job, report->pack_id));
    CR_TRY(cr_pack_check_stop(&job)); /* the last moment */
    CR_TRY(cr_pack_place_publish(&place));
    fill_report(&job, start, report);
done:
    if (status != CR_OK)
        report->pack_id[0] = 0;
    clear_job(&job);
    cr_pack_place_clear(&place);
    return status;
}
