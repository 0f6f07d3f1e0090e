/* Whether a shard is, outside its arrays, what cr_shard_create() writes. HDF5 is not made for files of an enemy: a few
 * wrong bytes in a header make version 1.10 read at address 0 or ask for 2^60 bytes. So it only ever opens files whose
 * structure is one that it made here itself from the manifest's names and numbers.
 *
 * Versions of HDF5 agree on every byte of that but one a data set: its layout message has version 3 or 4, which mean
 * the same for a contiguous one ("HDF5 File Format Specification 3.0", IV.A.2.i), and the checksum behind it follows.
 */
#include "shard_hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 1 << 16,
    SUPERBLOCK_ROOT = 36, /* where a version 2 or 3 superblock has the root group's address */
    SUPERBLOCK_BYTES = 48,
    SIGNATURE_BYTES = 4,
    CHECKSUM_BYTES = 4,
    MESSAGE_LINK = 6,
    MESSAGE_LAYOUT = 8,
    MESSAGE_CONTINUATION = 16,
    MAX_DEPTH = 8,
    MAX_LINK = 64 /* bytes of a link message: our names are short */
};

/* The shard as this program's HDF5 makes it, and the places where another version's may differ. */
typedef struct shard_frame {
    int descriptor;
    const char *path; /* of the shard that is judged, for messages */
    uint64_t versions[CR_N_ARRAYS], checksums[CR_N_ARRAYS];
    int n_places;
} shard_frame;

static uint64_t read_number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static cr_status walk_header(shard_frame *frame, uint64_t start, int depth);
static cr_status walk_messages(shard_frame *frame, uint64_t at, uint64_t end, uint8_t flags, int depth);

static cr_status follow_link(shard_frame *frame, uint64_t at, size_t bytes, int depth)
{
    uint8_t link[MAX_LINK] = {0};
    if (bytes > sizeof link)
        return CR_OK;
    cr_status status = cr_pread(frame->descriptor, frame->path, link, bytes, at);
    if (status != CR_OK)
        return status;
    uint8_t flags = link[1];
    size_t name = 2 + (flags & 8 ? 1 : 0) + (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0),
           width = (size_t)1 << (flags & 3);
    size_t target = name + width + (size_t)read_number(link + name, (int)width);
    return target + 8 == bytes ? walk_header(frame, read_number(link + target, 8), depth + 1) : CR_OK;
}

/* One message of a header's chunk that ends, with its checksum, at `end`. */
static cr_status take_message(shard_frame *frame, uint8_t type, uint64_t at, size_t bytes, uint64_t end, uint8_t flags,
                              int depth)
{
    uint8_t chunk[16];
    if (type == MESSAGE_LAYOUT && frame->n_places < CR_N_ARRAYS) {
        frame->versions[frame->n_places] = at;
        frame->checksums[frame->n_places++] = end;
    } else if (type == MESSAGE_LINK) {
        return follow_link(frame, at, bytes, depth);
    } else if (type == MESSAGE_CONTINUATION && bytes == sizeof chunk) {
        cr_status status = cr_pread(frame->descriptor, frame->path, chunk, sizeof chunk, at);
        if (status != CR_OK)
            return status;
        uint64_t next = read_number(chunk, 8), next_end = next + read_number(chunk + 8, 8);
        return walk_messages(frame, next + SIGNATURE_BYTES, next_end - CHECKSUM_BYTES, flags, depth + 1);
    }
    return CR_OK;
}

static cr_status walk_messages(shard_frame *frame, uint64_t at, uint64_t end, uint8_t flags, int depth)
{
    const size_t head_bytes = flags & 4 ? 6 : 4; /* type, size, flags, order of creation */
    cr_status status = CR_OK;
    while (depth < MAX_DEPTH && at + head_bytes <= end) {
        uint8_t head[6];
        CR_TRY(cr_pread(frame->descriptor, frame->path, head, head_bytes, at));
        size_t bytes = (size_t)read_number(head + 1, 2);
        CR_TRY(take_message(frame, head[0], at + head_bytes, bytes, end, flags, depth));
        at += head_bytes + bytes;
    }
done:
    return status;
}

/* A version 2 object header: signature, version, flags, times, phase change values, size, messages. */
static cr_status walk_header(shard_frame *frame, uint64_t start, int depth)
{
    uint8_t prefix[SIGNATURE_BYTES + 2 + 16 + 4 + 8];
    cr_status status = cr_pread(frame->descriptor, frame->path, prefix, sizeof prefix, start);
    if (status != CR_OK || memcmp(prefix, "OHDR", SIGNATURE_BYTES))
        return status;
    uint8_t flags = prefix[5];
    size_t at = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0), width = (size_t)1 << (flags & 3);
    uint64_t first = start + at + width;
    return walk_messages(frame, first, first + read_number(prefix + at, (int)width), flags, depth);
}

static bool may_differ(const shard_frame *frame, uint64_t at, uint8_t found)
{
    for (int i = 0; i < frame->n_places; i++)
        if ((at == frame->versions[i] && (found == 3 || found == 4)) ||
            (at >= frame->checksums[i] && at < frame->checksums[i] + CHECKSUM_BYTES))
            return true;
    return false;
}

/* Bytes start … end-1 of both files. */
static cr_status compare_span(const shard_frame *frame, int descriptor, uint64_t start, uint64_t end, uint8_t *blocks)
{
    cr_status status = CR_OK;
    for (uint64_t at = start; at < end; at += BLOCK) {
        size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
        CR_TRY(cr_pread(frame->descriptor, frame->path, blocks, n, at));
        CR_TRY(cr_pread(descriptor, frame->path, blocks + BLOCK, n, at));
        for (size_t i = 0; i < n && memcmp(blocks + i, blocks + BLOCK + i, n - i); i++)
            if (blocks[i] != blocks[BLOCK + i] && !may_differ(frame, at + i, blocks[BLOCK + i]))
                return cr_fail(CR_BAD_DATA,
                               "%s: byte %llu is not what this pack's shards have there: not a shard of it",
                               frame->path, (unsigned long long)(at + i));
    }
done:
    return status;
}

typedef struct span {
    uint64_t start, bytes;
} span;

static int compare_starts(const void *a, const void *b)
{
    uint64_t x = ((const span *)a)->start, y = ((const span *)b)->start;
    return (x > y) - (x < y);
}

/* Everything between the arrays. */
static cr_status compare_frames(const shard_frame *frame, int descriptor, const cr_shard_info *info,
                                const cr_shard_offsets *offsets, uint64_t bytes)
{
    const uint64_t n = (uint64_t)info->n_samples;
    span arrays[] = {
        {offsets->images, n * CR_IMAGE_BYTES},  {offsets->metadata, n * (uint64_t)info->n_features * sizeof(float)},
        {offsets->labels, n * sizeof(int32_t)}, {offsets->ids, n * CR_PACK_ID_BYTES},
        {offsets->groups, n * sizeof(int64_t)}, {offsets->checksums, n * sizeof(uint64_t)}};
    const size_t n_arrays = sizeof arrays / sizeof *arrays;
    cr_status status = CR_OK;
    uint64_t at = 0;
    uint8_t *blocks = malloc(2 * BLOCK);
    if (!blocks)
        return cr_fail_memory("blocks to compare", 2 * BLOCK);
    qsort(arrays, n_arrays, sizeof *arrays, compare_starts);
    for (size_t i = 0; i < n_arrays; i++) {
        if (!arrays[i].bytes)
            continue;
        CR_TRY(compare_span(frame, descriptor, at, arrays[i].start, blocks));
        at = arrays[i].start + arrays[i].bytes;
    }
    CR_TRY(compare_span(frame, descriptor, at, bytes, blocks));
done:
    free(blocks);
    return status;
}

static cr_status make_frame(shard_frame *frame, const cr_shard_info *info, cr_shard_offsets *offsets, uint64_t *bytes)
{
    uint8_t superblock[SUPERBLOCK_BYTES];
    cr_status status = cr_shard_make(frame->path, info, offsets, &frame->descriptor, bytes);
    if (status != CR_OK)
        return cr_fail_context(status, "nothing to compare it with");
    CR_TRY(cr_pread(frame->descriptor, frame->path, superblock, sizeof superblock, 0));
    CR_TRY(walk_header(frame, read_number(superblock + SUPERBLOCK_ROOT, 8), 0));
done:
    return status;
}

cr_status cr_shard_check_frame(int descriptor, const char *path, const cr_shard_info *info,
                               const cr_shard_offsets *offsets)
{
    shard_frame frame = {.descriptor = -1, .path = path};
    cr_shard_offsets expected = {0};
    uint64_t bytes = 0;
    struct stat file;
    cr_status status = CR_OK;
    if (fstat(descriptor, &file)) {
        status = cr_fail_errno("%s: cannot look at the shard", path);
        goto done;
    }
    CR_TRY(make_frame(&frame, info, &expected, &bytes));
    if (bytes != (uint64_t)file.st_size || memcmp(&expected, offsets, sizeof expected))
        status = cr_fail(CR_BAD_DATA, "%s: its arrays are not where those of this pack's shards are: not a shard of it",
                         path);
    else
        status = compare_frames(&frame, descriptor, info, offsets, bytes);
done:
    if (frame.descriptor >= 0)
        close(frame.descriptor);
    return status;
}
