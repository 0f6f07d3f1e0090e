/* Re-reads a whole pack. Needs nothing but a sound manifest, so it can say what is wrong with a pack that cannot be
 * opened; HDF5 only sees shards whose hash is right. */
#include "manifest.h"

#include "crisol/atomic_file.h"
#include "crisol/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

CR_PRINTF(2, 3) static void note_first(cr_pack_damage *damage, const char *format, ...)
{
    va_list arguments;
    if (damage->first[0])
        return;
    va_start(arguments, format);
    vsnprintf(damage->first, sizeof damage->first, format, arguments);
    va_end(arguments);
}

/* The sample's number and id, the latter printable whatever the damage made of it. */
static void note_sample(cr_pack_damage *damage, const char *name, int64_t sample, const char *id)
{
    char shown[CR_PACK_ID_BYTES + 1] = {0};
    for (int i = 0; i < CR_PACK_ID_BYTES && id[i]; i++)
        shown[i] = (unsigned char)id[i] < ' ' || id[i] == 0x7f ? '?' : id[i];
    note_first(damage, "%s, sample %lld (id %s)", name, (long long)sample, shown);
}

/* Compares every sample that the file still has with its checksum; returns how many are wrong. */
static cr_status check_samples(const cr_manifest *m, const cr_shard_entry *e, int descriptor, cr_pack_damage *damage,
                               int64_t *n_wrong)
{
    cr_shard_tables tables = {0};
    uint8_t *image = malloc(CR_IMAGE_BYTES);
    cr_status status = image ? CR_OK : cr_fail_memory("an image", CR_IMAGE_BYTES);
    if (status != CR_OK)
        goto done;
    CR_TRY(cr_shard_tables_create(e->n_samples, m->n_features, &tables));
    CR_TRY(cr_shard_tables_read(descriptor, e->name, e->n_samples, m->n_features, &e->offsets, &tables));
    for (int64_t i = 0; i < e->n_samples; i++) {
        const char *id = tables.ids + i * CR_PACK_ID_BYTES;
        CR_TRY(cr_pread(descriptor, e->name, image, CR_IMAGE_BYTES, e->offsets.images + (uint64_t)i * CR_IMAGE_BYTES));
        if (cr_sample_checksum(image, tables.metadata + i * m->n_features, m->n_features, tables.labels[i], id,
                               tables.groups[i]) == tables.checksums[i])
            continue;
        note_sample(damage, e->name, i, id);
        ++*n_wrong;
    }
done:
    cr_shard_tables_clear(&tables);
    free(image);
    return status;
}

static cr_status check_structure(const cr_manifest *m, const cr_shard_entry *e, int descriptor)
{
    const cr_shard_info info = {.split = e->split,
                                .index = e->index,
                                .count = e->count,
                                .n_samples = e->n_samples,
                                .n_features = m->n_features,
                                .n_classes = m->n_classes,
                                .class_names = m->class_names,
                                .feature_names = (const char *const *)m->feature_names};
    return cr_shard_check(descriptor, e->name, &info, &e->offsets);
}

/* One shard that could be opened. Memory for its tables is bounded by its real size. */
static cr_status verify_bytes(const cr_manifest *m, const cr_shard_entry *e, int descriptor, uint64_t bytes,
                              cr_pack_damage *damage)
{
    char whole[CR_HASH_TEXT] = "";
    int64_t n_wrong = 0;
    cr_status status;
    if (bytes != e->bytes) {
        damage->n_files++;
        note_first(damage, "%s: %llu bytes, the manifest says %llu", e->name, (unsigned long long)bytes,
                   (unsigned long long)e->bytes);
        if (cr_shard_check_offsets(e->name, e->n_samples, m->n_features, bytes, &e->offsets) != CR_OK) {
            damage->n_samples += e->n_samples; /* cut off: the tables or images of all are gone */
            return CR_OK;
        }
        CR_TRY(check_samples(m, e, descriptor, damage, &n_wrong));
        damage->n_samples += n_wrong;
        return CR_OK;
    }
    CR_TRY(cr_shard_hash(descriptor, e->name, bytes, e->offsets.images, e->n_samples, whole, NULL));
    CR_TRY(check_samples(m, e, descriptor, damage, &n_wrong));
    damage->n_samples += n_wrong;
    if (strcmp(whole, e->hash)) {
        damage->n_files++;
        note_first(damage, "%s, outside its samples", e->name);
    } else if (!n_wrong && check_structure(m, e, descriptor) != CR_OK) {
        damage->n_files++;
        note_first(damage, "%s", cr_error_message());
    }
done:
    return status;
}

static cr_status verify_shard(const cr_manifest *m, const cr_shard_entry *e, int folder, cr_pack_damage *damage)
{
    struct stat info;
    int descriptor = openat(folder, e->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0 && errno != ENOENT && errno != ELOOP)
        return cr_fail_errno("%s: cannot open the shard", e->name);
    if (descriptor < 0 || fstat(descriptor, &info) || !S_ISREG(info.st_mode)) {
        if (descriptor >= 0)
            close(descriptor);
        damage->n_files++;
        damage->n_samples += e->n_samples;
        note_first(damage, "%s: missing", e->name);
        return CR_OK;
    }
    cr_status status = verify_bytes(m, e, descriptor, (uint64_t)info.st_size, damage);
    close(descriptor);
    return status;
}

static cr_status verify_list(const char *folder, const char *name, const cr_file_entry *entry, cr_pack_damage *damage)
{
    char *path = cr_path_join(folder, name), hash[CR_HASH_TEXT];
    uint64_t bytes = 0;
    if (!path)
        return cr_fail_memory("a path", strlen(folder));
    cr_status status = cr_hash_file(path, &bytes, hash);
    free(path);
    if (status == CR_OK && bytes == entry->bytes && !strcmp(hash, entry->hash))
        return CR_OK;
    if (status != CR_OK && status != CR_MISSING)
        return status;
    damage->n_files++;
    note_first(damage, "%s", name);
    return CR_OK;
}

cr_status cr_pack_verify(const char *folder, cr_pack_damage *damage)
{
    cr_manifest *m = NULL;
    int descriptor = -1;
    cr_status status;
    *damage = (cr_pack_damage){0};
    status = cr_manifest_read(folder, &m);
    if (status == CR_BAD_DATA) {
        damage->n_files = 1;
        note_first(damage, "%s", CR_MANIFEST_FILE);
    }
    if (status != CR_OK)
        goto done;
    descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        status = cr_fail_errno("%s: cannot open the folder", folder);
        goto done;
    }
    for (int64_t i = 0; i < m->n_shards; i++) {
        cr_log_progress(false, "verifying shard %lld of %lld", (long long)i + 1, (long long)m->n_shards);
        CR_TRY(verify_shard(m, &m->shards[i], descriptor, damage));
    }
    CR_TRY(verify_list(folder, CR_MANIFEST_REJECTS, &m->rejects, damage));
    if (*m->samples.hash)
        CR_TRY(verify_list(folder, CR_MANIFEST_SAMPLES, &m->samples, damage));
    cr_log_progress(true, "verified %lld shards", (long long)m->n_shards);
    if (damage->n_files || damage->n_samples)
        status = cr_fail(CR_BAD_DATA, "%s: damaged; first: %s; damaged samples: %lld, files: %lld", folder,
                         damage->first, (long long)damage->n_samples, (long long)damage->n_files);
done:
    if (descriptor >= 0)
        close(descriptor);
    cr_manifest_destroy(&m);
    return status;
}
