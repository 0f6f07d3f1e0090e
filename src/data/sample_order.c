#include "crisol/data.h"
#include "crisol/rng.h"

#include <stdlib.h>

enum {
    MAX_SAMPLES = 1 << 30
};

typedef struct ticket {
    uint64_t number;
    int64_t sample;
} ticket;

/* Equal numbers (two samples in 2^64) fall back on the sample, so the order never depends on the sort's algorithm. */
static int compare(const void *a, const void *b)
{
    const ticket *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

cr_status cr_sample_order(uint64_t seed, uint64_t epoch, int64_t n, int64_t *order)
{
    if (n < 0 || n > MAX_SAMPLES)
        return cr_fail(CR_BAD_CONFIG, "no order of %lld samples; allowed are 0 to %d", (long long)n, MAX_SAMPLES);
    if (n == 0)
        return CR_OK;
    size_t bytes = (size_t)n * sizeof(ticket);
    ticket *tickets = malloc(bytes);
    if (!tickets)
        return cr_fail_memory("an epoch's order", bytes);
    for (int64_t i = 0; i < n; i++) {
        cr_rng rng = cr_rng_make(seed, CR_RNG_ORDER, epoch, (uint64_t)i);
        tickets[i] = (ticket){cr_rng_u64(&rng), i};
    }
    qsort(tickets, (size_t)n, sizeof *tickets, compare);
    for (int64_t i = 0; i < n; i++)
        order[i] = tickets[i].sample;
    free(tickets);
    return CR_OK;
}
