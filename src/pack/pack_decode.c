/* The images' way into the shards: workers take rows one after the other, read, decode, resize, write. Each image has
 * its place from the plan, so the order in which they are done leaves no trace. */
#include "pack_job.h"

#include "crisol/clock.h"
#include "crisol/log.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FLUSH_IMAGES = 32 /* images a worker writes before it asks the kernel to start bringing them to the disk */
};

typedef struct decoding {
    cr_pack_job *job;
    int root;
    double start;
    atomic_llong next;  /* sample of the plan */
    atomic_bool failed; /* one worker has: the others may stop */
} decoding;

/* A worker's own memory and its place in the plan. */
typedef struct decoder {
    cr_image_buffer file;
    cr_image image;
    cr_resizer resizer;
    uint8_t pixels[CR_IMAGE_BYTES];
    int64_t shard;          /* of the last sample */
    int64_t first_of_shard; /* its first sample in the plan */
    double last_progress;
} decoder;

/* One row's image, as pixels. Errors: where it is the file's fault, `reason` says why; otherwise those of
 * cr_pack_is_fatal(). */
static cr_status make_pixels(const decoding *d, decoder *own, const cr_sample_row *row, const char **reason)
{
    const cr_sample_table *table = d->job->table;
    int descriptor = -1;
    size_t bytes = 0;
    cr_status status;
    *reason = NULL;
    status = cr_open_beneath(d->root, row->image, &descriptor);
    if (status == CR_MISSING)
        *reason = "missing file";
    else if (status == CR_BAD_DATA)
        *reason = "bad path";
    else if (status == CR_PERMISSION)
        *reason = "permission";
    CR_TRY(status);
    CR_TRY(cr_image_read_file(descriptor, &cr_image_default_limits, &own->file, &bytes, reason));
    CR_TRY(cr_image_decode(own->file.data, bytes, &cr_image_default_limits, table->apply_exif, &own->image, reason));
    CR_TRY(cr_image_resize(&own->image, table->resize, &own->resizer, own->pixels));
done:
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

static cr_status keep_reason(cr_row_result *result, const char *reason)
{
    result->reason = reason;
    result->detail = strdup(cr_error_message());
    return result->detail ? CR_OK : cr_fail_memory("a reject", strlen(cr_error_message()));
}

/* The shard of a sample; samples come in ascending order. */
static cr_planned_shard *find_shard(const cr_pack_plan *plan, decoder *own, int64_t sample)
{
    while (sample >= own->first_of_shard + plan->shards[own->shard].entry.n_samples)
        own->first_of_shard += plan->shards[own->shard++].entry.n_samples;
    return &plan->shards[own->shard];
}

static cr_status pack_sample(decoding *d, decoder *own, int64_t sample)
{
    const cr_pack_plan *plan = &d->job->plan;
    const cr_planned_shard *shard = find_shard(plan, own, sample);
    int64_t within = sample - own->first_of_shard, index = plan->rows[sample];
    const cr_sample_row *row = &d->job->table->rows[index];
    cr_row_result *result = &d->job->results[index];
    const char *reason = NULL;
    cr_status status = make_pixels(d, own, row, &reason);
    if (cr_pack_is_fatal(status))
        return cr_fail_context(status, "%s: row %lld, image %s", d->job->options->recipe, (long long)row->row,
                               row->image);
    if (status != CR_OK)
        return keep_reason(result, reason);
    uint64_t at = shard->entry.offsets.images + (uint64_t)within * CR_IMAGE_BYTES;
    status = cr_pwrite(shard->descriptor, shard->path, own->pixels, CR_IMAGE_BYTES, at);
    if (status != CR_OK)
        return status;
    if (within % FLUSH_IMAGES == FLUSH_IMAGES - 1) /* only a hint: fsync() comes at the end */
        (void)sync_file_range(shard->descriptor, (off_t)(at - (uint64_t)(FLUSH_IMAGES - 1) * CR_IMAGE_BYTES),
                              (off_t)FLUSH_IMAGES * CR_IMAGE_BYTES, SYNC_FILE_RANGE_WRITE);
    result->checksum =
        cr_sample_checksum(own->pixels, row->metadata, d->job->table->n_features, row->label, row->id, row->group);
    return CR_OK;
}

static void show_progress(const decoding *d, decoder *own, int64_t n_done)
{
    double now = cr_clock_s(), seconds = now - d->start;
    int64_t n = d->job->plan.n_samples;
    if (now - own->last_progress < 0.2 || seconds <= 0 || !n_done)
        return;
    own->last_progress = now;
    double rate = (double)n_done / seconds;
    cr_log_progress(false, "packing %lld of %lld images, %.0f/s, %.0f s left", (long long)n_done, (long long)n, rate,
                    (double)(n - n_done) / rate);
}

static bool must_stop(const decoding *d)
{
    return atomic_load(&d->failed) || cr_pack_is_stopped(d->job);
}

static cr_status decode_some(void *context, int worker)
{
    decoding *d = context;
    decoder *own = calloc(1, sizeof *own);
    cr_status status = own ? CR_OK : cr_fail_memory("a decoder", sizeof *own);
    if (status != CR_OK)
        goto done;
    own->last_progress = d->start;
    for (int64_t i; !must_stop(d) && (i = atomic_fetch_add(&d->next, 1)) < d->job->plan.n_samples;) {
        CR_TRY(pack_sample(d, own, i));
        if (worker == 0)
            show_progress(d, own, i);
    }
done:
    if (status != CR_OK)
        atomic_store(&d->failed, true);
    if (own) {
        cr_image_buffer_clear(&own->file);
        cr_image_clear(&own->image);
        cr_resizer_clear(&own->resizer);
    }
    free(own);
    return status;
}

/* In table order, so that the list of rejects does not depend on the workers. */
static cr_status mark_rejects(cr_pack_job *job)
{
    cr_status status = CR_OK;
    for (int64_t i = 0; i < job->table->n_rows; i++)
        if (job->results[i].reason)
            CR_TRY(cr_sample_table_reject(job->table, i, job->results[i].reason, job->results[i].detail));
done:
    return status;
}

cr_status cr_pack_decode(cr_pack_job *job)
{
    decoding d = {.job = job, .start = cr_clock_s()};
    cr_status status;
    d.root = open(job->table->image_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (d.root < 0)
        return cr_fail_errno("image root %s", job->table->image_root);
    CR_TRY(cr_workers_run(job->workers, decode_some, &d));
    CR_TRY(cr_pack_check_stop(job));
    CR_TRY(mark_rejects(job));
done:
    close(d.root);
    return status;
}
