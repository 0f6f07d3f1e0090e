/* Tables, hashes and the disk: what remains when all images are in their places. */
#include "pack_job.h"

#include "crisol/log.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

typedef struct finishing {
    cr_pack_job *job;
    atomic_llong next; /* shard */
} finishing;

static cr_status write_tables(const cr_pack_job *job, const cr_planned_shard *shard)
{
    const cr_sample_table *t = job->table;
    const cr_shard_entry *e = &shard->entry;
    cr_shard_tables tables = {0};
    cr_status status;
    CR_TRY(cr_shard_tables_create(e->n_samples, t->n_features, &tables));
    for (int64_t i = 0; i < e->n_samples; i++) {
        const cr_sample_row *row = &t->rows[shard->rows[i]];
        if (t->n_features)
            memcpy(tables.metadata + i * t->n_features, row->metadata, (size_t)t->n_features * sizeof *row->metadata);
        memcpy(tables.ids + i * CR_PACK_ID_BYTES, row->id, CR_PACK_ID_BYTES);
        tables.labels[i] = row->label;
        tables.groups[i] = row->group;
        tables.checksums[i] = job->results[shard->rows[i]].checksum;
    }
    CR_TRY(cr_shard_tables_write(shard->descriptor, shard->path, e->n_samples, t->n_features, &e->offsets, &tables));
done:
    cr_shard_tables_clear(&tables);
    return status;
}

static cr_status finish_some(void *context, int worker)
{
    finishing *f = context;
    cr_status status = CR_OK;
    (void)worker;
    for (int64_t s; (s = atomic_fetch_add(&f->next, 1)) < f->job->plan.n_shards;) {
        cr_planned_shard *shard = &f->job->plan.shards[s];
        cr_shard_entry *e = &shard->entry;
        CR_TRY(cr_pack_check_stop(f->job));
        CR_TRY(write_tables(f->job, shard));
        CR_TRY(cr_shard_hash(shard->descriptor, shard->path, e->bytes, e->offsets.images, e->n_samples, e->hash,
                             e->index_hash));
        if (fsync(shard->descriptor)) {
            status = cr_fail_errno("%s: cannot bring the shard to the disk", shard->path);
            goto done;
        }
    }
done:
    return status;
}

cr_status cr_pack_finish_shards(cr_pack_job *job)
{
    finishing f = {.job = job};
    return cr_workers_run(job->workers, finish_some, &f);
}
