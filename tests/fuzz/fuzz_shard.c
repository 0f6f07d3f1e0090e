/* A shard behind a manifest that vouches for it, as someone who makes packs for others could write it. HDF5 is shown
 * what the comparison of the frame lets through.
 *
 * The first byte of an input is its layout; the rest is the file without /images, which stay zero. Layout 0: images
 * stand where the packer puts them, between the rest's first 4096 bytes and what follows. Otherwise the rest is the
 * file's beginning, because other structures than the packer's have other places.
 *
 * The checksums of HDF5's superblock and object headers are made right first; some inputs are opened as they are, too.
 */
#include "fuzz_hdf5.h"
#include "fuzz_input.h"

#include "manifest.h"

#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    N_FEATURES = 2,
    MANIFEST_MAX = 4096
};
#define SHARD "train-00000-of-00001.h5"

static cr_shard_offsets offsets; /* of the shard that the packer makes */
static uint64_t shard_bytes;
static int descriptor = -1;

/* HDF5 1.10 forgets a block of 56 bytes when it refuses a superblock; what we forget to close, check_handles() sees. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

/* No file, data set, attribute or group may stay open in HDF5, however a shard is refused. */
static void check_handles(void)
{
    const unsigned kinds = H5F_OBJ_FILE | H5F_OBJ_DATASET | H5F_OBJ_GROUP | H5F_OBJ_ATTR;
    fuzz_demand(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, kinds) == 0, "an HDF5 handle was left open");
}

static const char *const classes[] = {"no", "yes"}, *const features[N_FEATURES] = {"age", "sex"};
static const cr_shard_info info = {.split = CR_SPLIT_TRAIN,
                                   .count = 1,
                                   .n_samples = 1,
                                   .n_features = N_FEATURES,
                                   .n_classes = 2,
                                   .class_names = classes,
                                   .feature_names = features};

/* What the packer would write tells where the arrays are. */
static void prepare(void)
{
    char path[2 * FUZZ_PATH_MAX];
    if (descriptor >= 0)
        return;
    snprintf(path, sizeof path, "%s/" SHARD, fuzz_folder());
    fuzz_demand(cr_shard_create(path, &info, &offsets, &shard_bytes) == CR_OK, "no shard could be made");
    descriptor = open(path, O_RDWR | O_CLOEXEC);
    fuzz_demand(descriptor >= 0, "the shard that was made is not there");
    check_handles();
}

static void write_manifest(uint64_t bytes)
{
    static const char format[] =
        "{\"format\": \"" CR_MANIFEST_FORMAT "\", \"version\": 1, \"classes\": [\"no\", \"yes\"], \"columns\": ["
        "{\"name\": \"age\", \"kind\": \"numeric\", \"feature\": 0, \"n_features\": 1, \"words\": [], \"mean\": 40.5, "
        "\"deviation\": 2.0, \"missing_train\": 0}, "
        "{\"name\": \"sex\", \"kind\": \"categorical\", \"feature\": 1, \"n_features\": 1, \"words\": [\"F\", \"M\"], "
        "\"mean\": 0.0, \"deviation\": 1.0, \"missing_train\": 0}], "
        "\"shards\": [{\"name\": \"" SHARD "\", \"split\": \"train\", \"samples\": 1, \"bytes\": %llu, "
        "\"xxh3_128\": \"%s\", \"index_xxh3_128\": \"%s\", \"offsets\": {\"images\": %llu, \"metadata\": %llu, "
        "\"labels\": %llu, \"ids\": %llu, \"groups\": %llu, \"checksums\": %llu}}], "
        "\"rejects_file\": {\"name\": \"rejects.csv\", \"bytes\": 0, \"xxh3_128\": "
        "\"00000000000000000000000000000000\"}";
    char index[CR_HASH_TEXT], check[CR_HASH_TEXT], text[MANIFEST_MAX];
    fuzz_demand(cr_shard_hash(descriptor, SHARD, bytes, offsets.images, 1, NULL, index) == CR_OK, "no hash");
    int n = snprintf(text, sizeof text, format, (unsigned long long)bytes, index, index,
                     (unsigned long long)offsets.images, (unsigned long long)offsets.metadata,
                     (unsigned long long)offsets.labels, (unsigned long long)offsets.ids,
                     (unsigned long long)offsets.groups, (unsigned long long)offsets.checksums);
    /* opening compares the hash of the index only */
    fuzz_demand(n > 0 && n + CR_MANIFEST_TAIL_BYTES < MANIFEST_MAX, "the manifest has no room");
    cr_hash128(text, (size_t)n, check);
    n += snprintf(text + n, sizeof text - (size_t)n, CR_MANIFEST_TAIL_FORMAT, check);
    fuzz_write(CR_MANIFEST_FILE, text, (size_t)n);
}

static void put(const uint8_t *data, size_t bytes, uint64_t offset)
{
    fuzz_demand(cr_pwrite(descriptor, SHARD, data, bytes, offset) == CR_OK, "the shard cannot be written");
}

/* At least as long as a good shard, so that the manifest's arrays lie inside. */
static uint64_t write_shard(bool flat, const uint8_t *data, size_t bytes)
{
    size_t before = flat || bytes < offsets.images ? bytes : (size_t)offsets.images;
    uint64_t end = offsets.images + CR_IMAGE_BYTES + (bytes - before);
    uint64_t total = end > shard_bytes ? end : shard_bytes;
    fuzz_demand(!ftruncate(descriptor, 0) && !ftruncate(descriptor, (off_t)total), "the shard cannot be cut");
    put(data, before, 0);
    put(data + before, bytes - before, offsets.images + CR_IMAGE_BYTES);
    return total;
}

static void touch_pack(const cr_pack *pack)
{
    static uint8_t image[CR_IMAGE_BYTES];
    fuzz_demand(cr_pack_n_samples(pack, CR_SPLIT_TRAIN) == 1 && cr_pack_n_features(pack) == N_FEATURES,
                "a pack has other counts than its manifest");
    fuzz_touch(cr_pack_metadata(pack, CR_SPLIT_TRAIN, 0), N_FEATURES * sizeof(float));
    int32_t label = cr_pack_label(pack, CR_SPLIT_TRAIN, 0);
    fuzz_demand(label >= 0 && label < cr_pack_n_classes(pack), "a label is no class");
    fuzz_demand(strlen(cr_pack_sample_id(pack, CR_SPLIT_TRAIN, 0)) <= CR_PACK_ID_BYTES, "an id is too long");
    fuzz_check_refusal(cr_pack_read_image(pack, CR_SPLIT_TRAIN, 0, image));
}

/* As training opens it, and as crisol verify looks into it. */
static void try_shard(bool flat, const uint8_t *data, size_t bytes)
{
    cr_pack *pack = NULL;
    write_manifest(write_shard(flat, data, bytes));
    cr_status status = cr_pack_open(fuzz_folder(), &pack);
    fuzz_check_refusal(status);
    if (status == CR_OK)
        touch_pack(pack);
    cr_pack_close(&pack);
    status = cr_shard_check(descriptor, SHARD, &info, &offsets);
    check_handles();
    fuzz_check_refusal(status);
    fuzz_feedback(status == CR_OK ? "" : cr_error_message());
    fuzz_accepted = status == CR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1)
        return 0;
    prepare();
    bool flat = data[0] != 0;
    uint64_t hole = flat ? UINT64_MAX : offsets.images;
    uint8_t *copy = (uint8_t *)fuzz_text(data + 1, bytes - 1);
    fuzz_mend_hdf5(copy, bytes - 1, hole, CR_IMAGE_BYTES);
    try_shard(flat, copy, bytes - 1);
    /* HDF5 takes milliseconds to open a file: only some are opened with their wrong checksums, too */
    bool accepted = fuzz_accepted;
    if (memcmp(copy, data + 1, bytes - 1) != 0 && cr_hash64(data, bytes) % 8 == 0)
        try_shard(flat, data + 1, bytes - 1);
    fuzz_accepted = accepted;
    free(copy);
    return 0;
}
