#include "crisol/data.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Keeps `limit` of the chosen samples: a random choice that is the same for every run, in ascending order again. */
static cr_status cut(cr_subset *subset, int64_t limit)
{
    size_t n = (size_t)subset->n_samples;
    int64_t *order = calloc(n, sizeof *order);
    if (!order)
        return cr_fail_memory("a subset's order", n * sizeof *order);
    cr_status status = cr_sample_order(0, 0, subset->n_samples, order);
    if (status == CR_OK) {
        for (int64_t i = 0; i < limit; i++)
            order[i] = subset->samples[order[i]];
        qsort(order, (size_t)limit, sizeof *order, compare);
        for (int64_t i = 0; i < limit; i++)
            subset->samples[i] = order[i];
        subset->n_samples = limit;
    }
    free(order);
    return status;
}

cr_status cr_subset_create(const cr_pack *pack, cr_split split, const int32_t *class_of, int64_t limit,
                           cr_subset *subset)
{
    *subset = (cr_subset){.pack = pack, .split = split};
    cr_status status = CR_OK;
    int64_t n = cr_pack_n_samples(pack, split), n_classes = cr_pack_n_classes(pack);
    size_t rows = n > 0 ? (size_t)n : 1;
    subset->samples = calloc(rows, sizeof *subset->samples);
    subset->labels = calloc(rows, sizeof *subset->labels);
    if (!subset->samples || !subset->labels) {
        status = cr_fail_memory("a split's samples", rows * (sizeof(int64_t) + sizeof(int32_t)));
        goto done;
    }
    for (int64_t sample = 0; sample < n; sample++) {
        int32_t label = cr_pack_label(pack, split, sample);
        if (label < 0 || label >= n_classes) {
            status = cr_fail(CR_BAD_DATA, "%s: sample '%s' (%lld of %s) has label %d, but the pack has %lld classes",
                             cr_pack_folder(pack), cr_pack_sample_id(pack, split, sample), (long long)sample,
                             cr_split_name(split), label, (long long)n_classes);
            goto done;
        }
        if (class_of[label] >= 0)
            subset->samples[subset->n_samples++] = sample;
    }
    if (limit > 0 && limit < subset->n_samples)
        CR_TRY(cut(subset, limit));
    for (int64_t i = 0; i < subset->n_samples; i++)
        subset->labels[i] = class_of[cr_pack_label(pack, split, subset->samples[i])];
done:
    if (status != CR_OK)
        cr_subset_destroy(subset);
    return status;
}

void cr_subset_destroy(cr_subset *subset)
{
    if (!subset)
        return;
    free(subset->samples);
    free(subset->labels);
    *subset = (cr_subset){0};
}

cr_status cr_subset_read_image(const cr_subset *subset, int64_t position, uint8_t *image)
{
    int64_t sample = subset->samples[position];
    cr_status status = cr_pack_read_image(subset->pack, subset->split, sample, image);
    if (status != CR_OK)
        return cr_fail_context(status, "reading sample '%s' of split %s",
                               cr_pack_sample_id(subset->pack, subset->split, sample), cr_split_name(subset->split));
    return CR_OK;
}
