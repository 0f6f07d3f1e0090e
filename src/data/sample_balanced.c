#include "crisol/data.h"
#include "crisol/rng.h"

#include <stdlib.h>

/* The samples sorted by class: those of class k are rows[first[k]] … rows[first[k + 1] - 1]. Classes without samples
 * are left out. */
typedef struct rows_by_class {
    int64_t *first, *rows;
    int64_t n_classes;
} rows_by_class;

static void sort_rows(const int32_t *labels, int64_t n, int64_t n_classes, rows_by_class *sorted)
{
    int64_t at = 0;
    sorted->n_classes = 0;
    for (int64_t k = 0; k < n_classes; k++) {
        sorted->first[sorted->n_classes] = at;
        for (int64_t i = 0; i < n; i++)
            if (labels[i] == k)
                sorted->rows[at++] = i;
        sorted->n_classes += at > sorted->first[sorted->n_classes];
    }
    sorted->first[sorted->n_classes] = at;
}

cr_status cr_sample_balanced(uint64_t seed, uint64_t epoch, const int32_t *labels, int64_t n, int64_t n_classes,
                             int64_t *order)
{
    if (n == 0)
        return CR_OK;
    size_t bytes = (size_t)(n + n_classes + 1) * sizeof(int64_t);
    int64_t *memory = malloc(bytes);
    if (!memory)
        return cr_fail_memory("an epoch's order", bytes);
    rows_by_class sorted = {.first = memory, .rows = memory + n_classes + 1};
    sort_rows(labels, n, n_classes, &sorted);
    for (int64_t i = 0; i < n; i++) {
        cr_rng rng = cr_rng_make(seed, CR_RNG_SAMPLER, epoch, (uint64_t)i);
        uint64_t k = cr_rng_below(&rng, (uint64_t)sorted.n_classes);
        int64_t first = sorted.first[k], count = sorted.first[k + 1] - first;
        order[i] = sorted.rows[first + (int64_t)cr_rng_below(&rng, (uint64_t)count)];
    }
    free(memory);
    return CR_OK;
}
