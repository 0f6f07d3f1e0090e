/* A shard's arrays as bytes of its file: reading, writing, checksums. No HDF5 here. */
#include "shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY 1 /* shows the state's size */
#include <xxhash.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a shard's arrays are little-endian and are read as they lie"
#endif

enum {
    HASH_BLOCK = 1 << 20
};

const char *cr_split_name(cr_split split)
{
    static const char *const names[CR_N_SPLITS] = {"train", "val", "test"};
    return split >= 0 && split < CR_N_SPLITS ? names[split] : "?";
}

void cr_shard_name(cr_split split, int64_t index, int64_t count, char name[CR_SHARD_NAME_BYTES])
{
    snprintf(name, CR_SHARD_NAME_BYTES, "%s-%05d-of-%05d.h5", cr_split_name(split), (int)index, (int)count);
}

cr_status cr_pread(int descriptor, const char *path, void *data, size_t bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(descriptor, (char *)data + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cr_fail_errno("%s: cannot read at byte %llu", path, (unsigned long long)(offset + done));
        if (!got)
            return cr_fail(CR_BAD_DATA, "%s: the file ends at byte %llu, where %zu more should be", path,
                           (unsigned long long)(offset + done), bytes - done);
        done += (size_t)got;
    }
    return CR_OK;
}

cr_status cr_pwrite(int descriptor, const char *path, const void *data, size_t bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t put = pwrite(descriptor, (const char *)data + done, bytes - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return cr_fail_errno("%s: cannot write at byte %llu", path, (unsigned long long)(offset + done));
        done += (size_t)put;
    }
    return CR_OK;
}

typedef struct span {
    uint64_t start, bytes;
} span;

cr_status cr_shard_check_offsets(const char *path, int64_t n_samples, int64_t n_features, uint64_t bytes,
                                 const cr_shard_offsets *offsets)
{
    uint64_t n = (uint64_t)n_samples, row = 0;
    if (__builtin_mul_overflow((uint64_t)n_features, sizeof(float), &row))
        row = UINT64_MAX;
    const uint64_t each[] = {CR_IMAGE_BYTES, row, sizeof(int32_t), CR_PACK_ID_BYTES, sizeof(int64_t), sizeof(uint64_t)};
    span spans[] = {{offsets->images, 0}, {offsets->metadata, 0}, {offsets->labels, 0},
                    {offsets->ids, 0},    {offsets->groups, 0},   {offsets->checksums, 0}};
    enum {
        N_SPANS = sizeof spans / sizeof *spans
    };
    for (int i = 0; i < N_SPANS; i++) {
        uint64_t end = 0;
        if (__builtin_mul_overflow(n, each[i], &spans[i].bytes) ||
            __builtin_add_overflow(spans[i].start, spans[i].bytes, &end) || end > bytes ||
            (spans[i].bytes && !spans[i].start))
            return cr_fail(CR_BAD_DATA, "%s: an array does not lie inside the file's %llu bytes", path,
                           (unsigned long long)bytes);
    }
    for (int i = 0; i < N_SPANS; i++)
        for (int j = 0; j < i; j++)
            if (spans[i].bytes && spans[j].bytes && spans[i].start < spans[j].start + spans[j].bytes &&
                spans[j].start < spans[i].start + spans[i].bytes)
                return cr_fail(CR_BAD_DATA, "%s: two arrays overlap", path);
    return CR_OK;
}

cr_status cr_shard_tables_create(int64_t n_samples, int64_t n_features, cr_shard_tables *tables)
{
    size_t n = n_samples > 0 ? (size_t)n_samples : 1, row = n_features > 0 ? (size_t)n_features : 1;
    *tables = (cr_shard_tables){0};
    tables->metadata = calloc(n, row * sizeof *tables->metadata);
    tables->labels = calloc(n, sizeof *tables->labels);
    tables->ids = calloc(n, CR_PACK_ID_BYTES);
    tables->groups = calloc(n, sizeof *tables->groups);
    tables->checksums = calloc(n, sizeof *tables->checksums);
    if (tables->metadata && tables->labels && tables->ids && tables->groups && tables->checksums)
        return CR_OK;
    cr_shard_tables_clear(tables);
    return cr_fail_memory("a shard's tables", n * (row * sizeof(float) + CR_PACK_ID_BYTES));
}

void cr_shard_tables_clear(cr_shard_tables *tables)
{
    free(tables->metadata);
    free(tables->labels);
    free(tables->ids);
    free(tables->groups);
    free(tables->checksums);
    *tables = (cr_shard_tables){0};
}

cr_status cr_shard_tables_read(int descriptor, const char *path, int64_t n_samples, int64_t n_features,
                               const cr_shard_offsets *offsets, cr_shard_tables *tables)
{
    size_t n = (size_t)n_samples;
    cr_status status;
    CR_TRY(cr_pread(descriptor, path, tables->metadata, n * (size_t)n_features * sizeof *tables->metadata,
                    offsets->metadata));
    CR_TRY(cr_pread(descriptor, path, tables->labels, n * sizeof *tables->labels, offsets->labels));
    CR_TRY(cr_pread(descriptor, path, tables->ids, n * CR_PACK_ID_BYTES, offsets->ids));
    CR_TRY(cr_pread(descriptor, path, tables->groups, n * sizeof *tables->groups, offsets->groups));
    CR_TRY(cr_pread(descriptor, path, tables->checksums, n * sizeof *tables->checksums, offsets->checksums));
done:
    return status;
}

cr_status cr_shard_tables_write(int descriptor, const char *path, int64_t n_samples, int64_t n_features,
                                const cr_shard_offsets *offsets, const cr_shard_tables *tables)
{
    size_t n = (size_t)n_samples;
    cr_status status;
    CR_TRY(cr_pwrite(descriptor, path, tables->metadata, n * (size_t)n_features * sizeof *tables->metadata,
                     offsets->metadata));
    CR_TRY(cr_pwrite(descriptor, path, tables->labels, n * sizeof *tables->labels, offsets->labels));
    CR_TRY(cr_pwrite(descriptor, path, tables->ids, n * CR_PACK_ID_BYTES, offsets->ids));
    CR_TRY(cr_pwrite(descriptor, path, tables->groups, n * sizeof *tables->groups, offsets->groups));
    CR_TRY(cr_pwrite(descriptor, path, tables->checksums, n * sizeof *tables->checksums, offsets->checksums));
done:
    return status;
}

uint64_t cr_sample_checksum(const uint8_t *image, const float *metadata, int64_t n_features, int32_t label,
                            const char *id, int64_t group)
{
    XXH3_state_t state; /* on the stack: training calls this for every sample it reads */
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, image, CR_IMAGE_BYTES);
    XXH3_64bits_update(&state, metadata, (size_t)n_features * sizeof *metadata);
    XXH3_64bits_update(&state, &label, sizeof label);
    XXH3_64bits_update(&state, id, CR_PACK_ID_BYTES);
    XXH3_64bits_update(&state, &group, sizeof group);
    return XXH3_64bits_digest(&state);
}

cr_status cr_shard_hash(int descriptor, const char *path, uint64_t bytes, uint64_t images, int64_t n_samples,
                        char whole[CR_HASH_TEXT], char index[CR_HASH_TEXT])
{
    uint64_t images_end = images + (uint64_t)n_samples * CR_IMAGE_BYTES;
    cr_hasher *all = NULL, *outside = NULL;
    char *block = malloc(HASH_BLOCK);
    cr_status status = block ? CR_OK : cr_fail_memory("a block to hash", HASH_BLOCK);
    if (status != CR_OK)
        goto done;
    CR_TRY(cr_hasher_create(&all));
    CR_TRY(cr_hasher_create(&outside));
    for (uint64_t at = 0; at < bytes;) {
        if (!whole && at == images)
            at = images_end;
        /* a block lies wholly inside or wholly outside the images */
        uint64_t end = at < images ? images : at < images_end ? images_end : bytes;
        size_t n = end - at < HASH_BLOCK ? (size_t)(end - at) : HASH_BLOCK;
        CR_TRY(cr_pread(descriptor, path, block, n, at));
        if (whole)
            cr_hasher_update(all, block, n);
        if (index && (at < images || at >= images_end))
            cr_hasher_update(outside, block, n);
        at += n;
    }
    if (whole)
        cr_hasher_finish(all, whole);
    if (index)
        cr_hasher_finish(outside, index);
done:
    cr_hasher_destroy(&all);
    cr_hasher_destroy(&outside);
    free(block);
    return status;
}
