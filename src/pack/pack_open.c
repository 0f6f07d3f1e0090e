/* The reader of training: after opening, every byte outside the images has been compared with the manifest's hash, and
 * an image is compared with its sample's checksum whenever it is read. */
#include "manifest.h"

#include "crisol/atomic_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ID_ROOM = CR_PACK_ID_BYTES + 1 /* an id may fill its 64 bytes: here it has a NUL of its own */
};

typedef struct open_shard {
    int descriptor;
    char *path;
    int64_t first; /* the split's sample that is this shard's first */
    uint64_t images;
} open_shard;

/* A split's shards and the tables of all of them, one behind the other. */
typedef struct open_split {
    open_shard *shards;
    int64_t n_shards, n_samples;
    cr_shard_tables tables;
    char *ids; /* [n_samples][ID_ROOM] */
} open_split;

struct cr_pack {
    char *folder;
    cr_manifest *manifest;
    open_split splits[CR_N_SPLITS];
};

static void close_split(open_split *split)
{
    for (int64_t i = 0; split->shards && i < split->n_shards; i++) {
        if (split->shards[i].descriptor >= 0)
            close(split->shards[i].descriptor);
        free(split->shards[i].path);
    }
    free(split->shards);
    free(split->ids);
    cr_shard_tables_clear(&split->tables);
}

void cr_pack_close(cr_pack **pack)
{
    if (!pack || !*pack)
        return;
    for (int s = 0; s < CR_N_SPLITS; s++)
        close_split(&(*pack)->splits[s]);
    cr_manifest_destroy(&(*pack)->manifest);
    free((*pack)->folder);
    free(*pack);
    *pack = NULL;
}

/* This shard's rows of the split's tables. */
static cr_shard_tables rows_from(const cr_shard_tables *tables, int64_t first, int64_t n_features)
{
    return (cr_shard_tables){tables->metadata + first * n_features, tables->labels + first,
                             tables->ids + first * CR_PACK_ID_BYTES, tables->groups + first, tables->checksums + first};
}

static cr_status check_labels(const cr_shard_tables *tables, int64_t n, int64_t n_classes, const char *path)
{
    for (int64_t i = 0; i < n; i++)
        if (tables->labels[i] < 0 || tables->labels[i] >= n_classes)
            return cr_fail(CR_BAD_DATA, "%s, sample %lld: label %d; there are %lld classes", path, (long long)i,
                           tables->labels[i], (long long)n_classes);
    return CR_OK;
}

/* The manifest says where the arrays are, and its hash of everything but the images vouches for the rest: HDF5, which
 * is not made for files of an enemy, never sees a shard here (cr_pack_verify() lets it look). */
static cr_status open_one(const cr_manifest *m, const cr_shard_entry *e, int folder, open_shard *shard,
                          const cr_shard_tables *tables)
{
    char index[CR_HASH_TEXT];
    cr_shard_tables rows = rows_from(tables, shard->first, m->n_features);
    cr_status status;
    /* non-blocking, so that a pipe in the shard's place does not wait for a writer */
    shard->descriptor = openat(folder, e->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (shard->descriptor < 0)
        return cr_fail_errno("%s: cannot open the shard", shard->path);
    CR_TRY(cr_shard_hash(shard->descriptor, shard->path, e->bytes, e->offsets.images, e->n_samples, NULL, index));
    if (strcmp(index, e->index_hash))
        return cr_fail(CR_BAD_DATA,
                       "%s: its tables do not match the manifest's hash: damaged or of another pack; crisol verify "
                       "tells how much, then pack again",
                       shard->path);
    CR_TRY(cr_shard_tables_read(shard->descriptor, shard->path, e->n_samples, m->n_features, &e->offsets, &rows));
    CR_TRY(check_labels(&rows, e->n_samples, m->n_classes, shard->path));
done:
    return status;
}

static cr_status reserve_split(const cr_manifest *m, cr_split which, open_split *split)
{
    for (int64_t i = 0; i < m->n_shards; i++)
        split->n_shards += m->shards[i].split == which;
    size_t n = split->n_shards ? (size_t)split->n_shards : 1;
    split->n_samples = m->n_samples[which];
    split->shards = calloc(n, sizeof *split->shards);
    if (!split->shards)
        return cr_fail_memory("shards", n * sizeof *split->shards);
    for (size_t i = 0; i < n; i++)
        split->shards[i].descriptor = -1;
    split->ids = calloc((size_t)split->n_samples + 1, ID_ROOM);
    if (!split->ids)
        return cr_fail_memory("sample ids", (size_t)split->n_samples * ID_ROOM);
    return cr_shard_tables_create(split->n_samples, m->n_features, &split->tables);
}

static cr_status open_split_shards(cr_pack *pack, cr_split which, int folder)
{
    const cr_manifest *m = pack->manifest;
    open_split *split = &pack->splits[which];
    int64_t n = 0, first = 0;
    cr_status status;
    CR_TRY(reserve_split(m, which, split));
    for (int64_t i = 0; i < m->n_shards; i++) {
        const cr_shard_entry *e = &m->shards[i];
        if (e->split != which)
            continue;
        open_shard *shard = &split->shards[n++];
        shard->first = first;
        shard->images = e->offsets.images;
        shard->path = cr_path_join(pack->folder, e->name);
        if (!shard->path)
            return cr_fail_memory("a path", strlen(e->name));
        CR_TRY(open_one(m, e, folder, shard, &split->tables));
        first += e->n_samples;
    }
    for (int64_t i = 0; i < split->n_samples; i++)
        memcpy(split->ids + i * ID_ROOM, split->tables.ids + i * CR_PACK_ID_BYTES, CR_PACK_ID_BYTES);
done:
    return status;
}

/* Every shard has the manifest's size. Before anything is allocated for it: all arrays lie inside their files, so this
 * bounds the memory by what is really there. */
static cr_status check_sizes(const cr_pack *pack, int folder)
{
    const cr_manifest *m = pack->manifest;
    for (int64_t i = 0; i < m->n_shards; i++) {
        const cr_shard_entry *e = &m->shards[i];
        struct stat info;
        if (fstatat(folder, e->name, &info, AT_SYMLINK_NOFOLLOW))
            return cr_fail_errno("%s/%s: cannot look at the shard", pack->folder, e->name);
        if (!S_ISREG(info.st_mode))
            return cr_fail(CR_BAD_DATA, "%s/%s: not a regular file where a shard is due", pack->folder, e->name);
        if ((uint64_t)info.st_size != e->bytes)
            return cr_fail(CR_BAD_DATA,
                           "%s/%s: %lld bytes, the manifest says %llu: damaged or of another pack; pack again",
                           pack->folder, e->name, (long long)info.st_size, (unsigned long long)e->bytes);
    }
    return CR_OK;
}

cr_status cr_pack_open(const char *folder, cr_pack **pack)
{
    int descriptor = -1;
    cr_status status;
    *pack = NULL;
    cr_pack *p = calloc(1, sizeof *p);
    if (!p || !(p->folder = strdup(folder))) {
        status = cr_fail_memory("a pack", sizeof *p);
        goto done;
    }
    CR_TRY(cr_manifest_read(folder, &p->manifest));
    descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        status = cr_fail_errno("%s: cannot open the folder", folder);
        goto done;
    }
    CR_TRY(check_sizes(p, descriptor));
    for (int s = 0; s < CR_N_SPLITS; s++)
        CR_TRY(open_split_shards(p, (cr_split)s, descriptor));
    *pack = p;
    p = NULL;
done:
    if (descriptor >= 0)
        close(descriptor);
    cr_pack_close(&p);
    return status;
}

const char *cr_pack_id(const cr_pack *pack)
{
    return pack->manifest->id;
}

const char *cr_pack_folder(const cr_pack *pack)
{
    return pack->folder;
}

int64_t cr_pack_n_classes(const cr_pack *pack)
{
    return pack->manifest->n_classes;
}

const char *cr_pack_class_name(const cr_pack *pack, int64_t label)
{
    return pack->manifest->class_names[label];
}

int64_t cr_pack_n_columns(const cr_pack *pack)
{
    return pack->manifest->n_columns;
}

const cr_column *cr_pack_column(const cr_pack *pack, int64_t column)
{
    return &pack->manifest->columns[column];
}

int64_t cr_pack_n_features(const cr_pack *pack)
{
    return pack->manifest->n_features;
}

int64_t cr_pack_n_samples(const cr_pack *pack, cr_split split)
{
    return pack->splits[split].n_samples;
}

const char *cr_pack_leak_warning(const cr_pack *pack)
{
    return pack->manifest->leak_warning;
}

const struct json_t *cr_pack_manifest(const cr_pack *pack)
{
    return pack->manifest->json;
}

const float *cr_pack_metadata(const cr_pack *pack, cr_split split, int64_t sample)
{
    return pack->splits[split].tables.metadata + sample * pack->manifest->n_features;
}

int32_t cr_pack_label(const cr_pack *pack, cr_split split, int64_t sample)
{
    return pack->splits[split].tables.labels[sample];
}

const char *cr_pack_sample_id(const cr_pack *pack, cr_split split, int64_t sample)
{
    return pack->splits[split].ids + sample * ID_ROOM;
}

int64_t cr_pack_group(const cr_pack *pack, cr_split split, int64_t sample)
{
    return pack->splits[split].tables.groups[sample];
}

/* The last shard that starts at or before the sample. */
static const open_shard *find_shard(const open_split *split, int64_t sample)
{
    int64_t low = 0, high = split->n_shards - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (split->shards[middle].first <= sample)
            low = middle;
        else
            high = middle - 1;
    }
    return &split->shards[low];
}

cr_status cr_pack_read_image(const cr_pack *pack, cr_split which, int64_t sample, uint8_t *image)
{
    const open_split *split = &pack->splits[which];
    if (sample < 0 || sample >= split->n_samples)
        return cr_fail(CR_INTERNAL, "%s: there is no sample %lld in split %s", pack->folder, (long long)sample,
                       cr_split_name(which));
    const open_shard *shard = find_shard(split, sample);
    int64_t within = sample - shard->first;
    cr_status status = cr_pread(shard->descriptor, shard->path, image, CR_IMAGE_BYTES,
                                shard->images + (uint64_t)within * CR_IMAGE_BYTES);
    if (status != CR_OK)
        return cr_fail_context(status, "sample %lld", (long long)within);
    const cr_shard_tables *t = &split->tables;
    uint64_t found = cr_sample_checksum(image, cr_pack_metadata(pack, which, sample), pack->manifest->n_features,
                                        t->labels[sample], t->ids + sample * CR_PACK_ID_BYTES, t->groups[sample]);
    if (found != t->checksums[sample])
        return cr_fail(CR_BAD_DATA,
                       "%s, sample %lld (id %s): its checksum does not match: the shard is damaged; crisol verify "
                       "tells how much, then pack again",
                       shard->path, (long long)within, cr_pack_sample_id(pack, which, sample));
    return CR_OK;
}

cr_status cr_pack_write_png(const cr_pack *pack, cr_split split, int64_t sample, const char *path)
{
    uint8_t *image = malloc(CR_IMAGE_BYTES);
    cr_status status = image ? CR_OK : cr_fail_memory("an image", CR_IMAGE_BYTES);
    if (status == CR_OK)
        status = cr_pack_read_image(pack, split, sample, image);
    if (status == CR_OK)
        status = cr_image_write_png(path, image, CR_PACK_IMAGE_SIZE, CR_PACK_IMAGE_SIZE);
    free(image);
    return status;
}
