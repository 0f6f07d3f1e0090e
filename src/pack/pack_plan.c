/* Which sample goes into which shard, and moving images when some turn out to be unusable. */
#include "pack_job.h"

#include "crisol/atomic_file.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void cr_pack_plan_clear(cr_pack_plan *plan)
{
    for (int64_t i = 0; plan->shards && i < plan->n_shards; i++) {
        if (plan->shards[i].descriptor >= 0)
            close(plan->shards[i].descriptor);
        free(plan->shards[i].path);
    }
    free(plan->shards);
    free(plan->rows);
    *plan = (cr_pack_plan){0};
}

static int64_t shards_for(int64_t n_samples, int64_t shard_samples)
{
    return (n_samples + shard_samples - 1) / shard_samples;
}

/* The shards of one split, whose rows start at plan->rows + first. */
static void cut(cr_pack_plan *plan, cr_split split, int64_t first, int64_t n, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        cr_planned_shard *shard = &plan->shards[plan->n_shards++];
        int64_t from = n * i / count, to = n * (i + 1) / count;
        shard->descriptor = -1;
        shard->rows = plan->rows + first + from;
        shard->entry = (cr_shard_entry){.split = split, .index = i, .count = count, .n_samples = to - from};
        cr_shard_name(split, i, count, shard->entry.name);
    }
}

cr_status cr_pack_plan_create(const cr_sample_table *table, cr_pack_plan *plan)
{
    int64_t n_of[CR_N_SPLITS] = {0}, n_shards = 0;
    *plan = (cr_pack_plan){0};
    plan->rows = malloc((size_t)(table->n_rows + 1) * sizeof *plan->rows);
    if (!plan->rows)
        return cr_fail_memory("a plan", (size_t)table->n_rows * sizeof *plan->rows);
    for (int s = 0; s < CR_N_SPLITS; s++) {
        for (int64_t i = 0; i < table->n_rows; i++)
            if (!table->rows[i].rejected && table->rows[i].split == (cr_split)s)
                plan->rows[plan->n_samples + n_of[s]++] = i;
        plan->n_samples += n_of[s];
        n_shards += shards_for(n_of[s], table->shard_samples);
        if (shards_for(n_of[s], table->shard_samples) > CR_SHARD_MAX_COUNT) {
            cr_pack_plan_clear(plan);
            return cr_fail(CR_BAD_CONFIG, "more than %d shards in split %s: raise shard_samples", CR_SHARD_MAX_COUNT,
                           cr_split_name((cr_split)s));
        }
    }
    plan->shards = calloc((size_t)n_shards + 1, sizeof *plan->shards);
    if (!plan->shards) {
        cr_pack_plan_clear(plan);
        return cr_fail_memory("a plan", (size_t)n_shards * sizeof *plan->shards);
    }
    for (int64_t s = 0, first = 0; s < CR_N_SPLITS; first += n_of[s++])
        cut(plan, (cr_split)s, first, n_of[s], shards_for(n_of[s], table->shard_samples));
    return CR_OK;
}

static cr_status make_file(cr_pack_job *job, cr_planned_shard *shard)
{
    const cr_sample_table *t = job->table;
    cr_shard_entry *e = &shard->entry;
    const cr_shard_info info = {.split = e->split,
                                .index = e->index,
                                .count = e->count,
                                .n_samples = e->n_samples,
                                .n_features = t->n_features,
                                .n_classes = t->n_classes,
                                .class_names = (const char *const *)t->class_names,
                                .feature_names = (const char *const *)job->feature_names};
    cr_status status = CR_OK;
    free(shard->path);
    shard->path = cr_path_join(job->folder, e->name);
    if (!shard->path)
        return cr_fail_memory("a path", strlen(e->name));
    CR_TRY(cr_shard_create(shard->path, &info, &e->offsets, &e->bytes));
    shard->descriptor = open(shard->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (shard->descriptor < 0)
        status = cr_fail_errno("%s: cannot open the shard just made", shard->path);
done:
    return status;
}

/* All shards are open at once: workers write where the plan says. Those of the plan before are, too, until their images
 * have moved. */
static cr_status check_open_files(const cr_pack_job *job, const cr_pack_plan *plan)
{
    enum {
        OTHERS = 64 /* libraries, terminals, the recipe's table */
    };
    struct rlimit limit;
    int64_t n = 0;
    for (int64_t i = 0; i < plan->n_shards; i++)
        n += plan->shards[i].descriptor < 0;
    for (int64_t i = 0; i < job->plan.n_shards; i++)
        n += job->plan.shards[i].descriptor >= 0;
    n += OTHERS + cr_workers_count(job->workers);
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY || (rlim_t)n <= limit.rlim_cur)
        return CR_OK;
    return cr_fail(
        CR_BAD_CONFIG,
        "%lld shards at once need %lld open files, and this process may have %llu: a larger shard_samples in "
        "the recipe makes fewer shards, `ulimit -n` raises the limit",
        (long long)plan->n_shards, (long long)n, (unsigned long long)limit.rlim_cur);
}

cr_status cr_pack_plan_make_files(cr_pack_job *job, cr_pack_plan *plan)
{
    cr_status status = check_open_files(job, plan);
    if (status != CR_OK)
        return status;
    for (int64_t i = 0; i < plan->n_shards; i++)
        if (plan->shards[i].descriptor < 0)
            CR_TRY(make_file(job, &plan->shards[i]));
done:
    return status;
}

/* Where a row's image was written first. */
typedef struct image_place {
    const cr_planned_shard *shard;
    int64_t sample;
} image_place;

typedef struct image_move {
    cr_pack_job *job;
    const cr_pack_plan *plan;
    const image_place *from; /* [table->n_rows] */
    const bool *kept;        /* [plan->n_shards] */
    atomic_llong next;       /* shard */
} image_move;

static cr_status move_images(void *context, int worker)
{
    image_move *move = context;
    cr_status status = CR_OK;
    uint8_t *image = malloc(CR_IMAGE_BYTES);
    (void)worker;
    if (!image)
        return cr_fail_memory("an image", CR_IMAGE_BYTES);
    for (int64_t s; (s = atomic_fetch_add(&move->next, 1)) < move->plan->n_shards;) {
        const cr_planned_shard *to = &move->plan->shards[s];
        for (int64_t i = 0; !move->kept[s] && i < to->entry.n_samples; i++) {
            CR_TRY(cr_pack_check_stop(move->job));
            const image_place *from = &move->from[to->rows[i]];
            CR_TRY(cr_pread(from->shard->descriptor, from->shard->path, image, CR_IMAGE_BYTES,
                            from->shard->entry.offsets.images + (uint64_t)from->sample * CR_IMAGE_BYTES));
            CR_TRY(cr_pwrite(to->descriptor, to->path, image, CR_IMAGE_BYTES,
                             to->entry.offsets.images + (uint64_t)i * CR_IMAGE_BYTES));
        }
    }
done:
    free(image);
    return status;
}

/* A shard of the new plan that the old one has too, under the same name with the same rows, is taken over as it is. */
static bool take_over(cr_pack_plan *old, cr_planned_shard *shard)
{
    for (int64_t i = 0; i < old->n_shards; i++) {
        cr_planned_shard *o = &old->shards[i];
        if (strcmp(o->entry.name, shard->entry.name) || o->entry.n_samples != shard->entry.n_samples ||
            memcmp(o->rows, shard->rows, (size_t)shard->entry.n_samples * sizeof *shard->rows))
            continue;
        shard->entry = o->entry;
        shard->descriptor = o->descriptor;
        shard->path = o->path;
        o->descriptor = -1;
        o->path = NULL;
        return true;
    }
    return false;
}

cr_status cr_pack_close_gaps(cr_pack_job *job)
{
    cr_pack_plan plan = {0}, *old = &job->plan;
    size_t n_rows = (size_t)job->table->n_rows;
    image_place *from = calloc(n_rows + 1, sizeof *from);
    bool *kept = NULL;
    cr_status status;
    CR_TRY(cr_pack_plan_create(job->table, &plan));
    kept = calloc((size_t)plan.n_shards + 1, sizeof *kept);
    if (!from || !kept) {
        status = cr_fail_memory("places of images", n_rows * sizeof *from);
        goto done;
    }
    for (int64_t s = 0; s < plan.n_shards; s++)
        kept[s] = take_over(old, &plan.shards[s]);
    for (int64_t s = 0; s < old->n_shards; s++) {
        if (old->shards[s].descriptor < 0)
            continue; /* taken over */
        for (int64_t i = 0; i < old->shards[s].entry.n_samples; i++)
            from[old->shards[s].rows[i]] = (image_place){&old->shards[s], i};
        unlink(old->shards[s].path); /* its name may be wanted; the descriptor keeps the content */
    }
    CR_TRY(cr_pack_plan_make_files(job, &plan));
    image_move move = {.job = job, .plan = &plan, .from = from, .kept = kept};
    CR_TRY(cr_workers_run(job->workers, move_images, &move));
    cr_pack_plan_clear(old);
    job->plan = plan;
    plan = (cr_pack_plan){0};
done:
    cr_pack_plan_clear(&plan);
    free(from);
    free(kept);
    return status;
}
