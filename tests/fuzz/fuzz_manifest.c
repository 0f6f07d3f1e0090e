/* A pack's manifest: once the bytes as they are, once with the member behind them that makes their checksum right. */
#include "fuzz_input.h"

#include "manifest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_shards(const cr_manifest *m)
{
    int64_t n_samples[CR_N_SPLITS] = {0};
    for (int64_t i = 0; i < m->n_shards; i++) {
        const cr_shard_entry *e = &m->shards[i];
        char name[CR_SHARD_NAME_BYTES];
        cr_shard_name(e->split, e->index, e->count, name);
        fuzz_demand(!strcmp(name, e->name), "a shard has another name than its place asks for");
        fuzz_demand(e->offsets.images + (uint64_t)e->n_samples * CR_IMAGE_BYTES <= e->bytes,
                    "images end behind a file");
        n_samples[e->split] += e->n_samples;
    }
    fuzz_demand(!memcmp(n_samples, m->n_samples, sizeof n_samples), "a split's samples are wrongly counted");
}

static void check_manifest(const cr_manifest *m)
{
    int64_t n_features = 0;
    fuzz_demand(m->n_classes >= 1 && m->n_classes <= CR_PACK_MAX_CLASSES, "a number of classes is out of range");
    for (int64_t i = 0; i < m->n_classes; i++)
        fuzz_touch_text(m->class_names[i]);
    for (int64_t i = 0; i < m->n_columns; i++) {
        const cr_column *column = &m->columns[i];
        fuzz_touch_text(column->name);
        fuzz_demand(column->feature == n_features, "features do not follow one another");
        fuzz_demand(isfinite(column->mean) && isfinite(column->deviation), "statistics are not finite");
        for (int64_t w = 0; w < column->n_words; w++)
            fuzz_touch_text(column->words[w]);
        n_features += column->n_features;
    }
    fuzz_demand(n_features == m->n_features && n_features <= CR_MANIFEST_MAX_FEATURES, "features are wrongly counted");
    for (int64_t i = 0; i < n_features; i++)
        fuzz_touch_text(m->feature_names[i]);
    check_shards(m);
}

static void try_manifest(const char *text, size_t bytes)
{
    cr_manifest *manifest = NULL;
    fuzz_write(CR_MANIFEST_FILE, text, bytes);
    cr_status status = cr_manifest_read(fuzz_folder(), &manifest);
    fuzz_check_refusal(status);
    if (status != CR_OK)
        return;
    check_manifest(manifest);
    cr_manifest_destroy(&manifest);
    fuzz_accepted = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char check[CR_HASH_TEXT];
    char *text = malloc(bytes + CR_MANIFEST_TAIL_BYTES + 1);
    fuzz_demand(text, "out of memory");
    if (bytes)
        memcpy(text, data, bytes);
    try_manifest(text, bytes);
    cr_hash128(text, bytes, check);
    snprintf(text + bytes, CR_MANIFEST_TAIL_BYTES + 1, CR_MANIFEST_TAIL_FORMAT, check);
    try_manifest(text, bytes + CR_MANIFEST_TAIL_BYTES);
    free(text);
    return 0;
}
