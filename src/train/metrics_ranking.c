#include "metrics_ranking.h"

#include <math.h>
#include <string.h>

enum {
    DIGIT_BITS = 11,
    N_DIGITS = 6, /* 6 · 11 ≥ 64 bits */
    RADIX = 1 << DIGIT_BITS
};

static unsigned digit_of(uint64_t key, int digit)
{
    return (unsigned)(key >> (digit * DIGIT_BITS)) & (RADIX - 1);
}

/* Ascending radix sort, least significant digit first. The result is in `keys`. */
static void sort_keys(int64_t n, uint64_t *keys, uint64_t *spare)
{
    int64_t place[N_DIGITS][RADIX];
    memset(place, 0, sizeof place);
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < N_DIGITS; d++)
            place[d][digit_of(keys[i], d)]++;
    uint64_t *from = keys, *to = spare;
    for (int d = 0; d < N_DIGITS && n > 0; d++) {
        if (place[d][digit_of(keys[0], d)] == n)
            continue; /* all alike */
        int64_t begin = 0;
        for (int v = 0; v < RADIX; v++) {
            int64_t count = place[d][v];
            place[d][v] = begin;
            begin += count;
        }
        for (int64_t i = 0; i < n; i++)
            to[place[d][digit_of(from[i], d)]++] = from[i];
        uint64_t *other = from;
        from = to;
        to = other;
    }
    if (from != keys)
        memcpy(keys, from, (size_t)n * sizeof *keys);
}

/* The bits of a double ≥ 0 have its order. */
static uint64_t key_of(double probability)
{
    uint64_t key;
    double positive = probability + 0.0; /* -0 → +0 */
    memcpy(&key, &positive, sizeof key);
    return key;
}

/* How many of keys[0 … *last] equal `key`; moves *last below them. */
static int64_t take(const uint64_t *keys, int64_t *last, uint64_t key)
{
    int64_t before = *last;
    while (*last >= 0 && keys[*last] == key)
        --*last;
    return before - *last;
}

void cr_metrics_rank_class(int64_t n, const double *column, int64_t stride, const int32_t *labels, int32_t label,
                           uint64_t *keys, uint64_t *spare, double *roc_auc, double *average_precision)
{
    int64_t n_positive = 0, n_negative = 0; /* positives fill `keys` from the front, the others from the back */
    for (int64_t i = 0; i < n; i++)
        keys[labels[i] == label ? n_positive++ : n - ++n_negative] = key_of(column[i * stride]);
    const uint64_t *positive = keys, *negative = keys + n_positive;
    sort_keys(n_positive, keys, spare);
    sort_keys(n_negative, keys + n_positive, spare);
    int64_t p = n_positive - 1, q = n_negative - 1, n_true = 0, n_false = 0;
    int64_t double_area = 0; /* twice the pairs in the right order, ties counting half: exact */
    double precision = 0;
    while (p >= 0 || q >= 0) {
        uint64_t threshold = p >= 0 ? positive[p] : 0;
        if (q >= 0 && negative[q] > threshold)
            threshold = negative[q];
        int64_t more_true = take(positive, &p, threshold), more_false = take(negative, &q, threshold);
        double_area += more_false * (2 * n_true + more_true);
        n_true += more_true;
        n_false += more_false;
        if (more_true > 0)
            precision += (double)more_true / (double)n_positive * ((double)n_true / (double)(n_true + n_false));
    }
    *roc_auc =
        n_positive > 0 && n_negative > 0 ? (double)double_area / (2 * (double)n_positive * (double)n_negative) : NAN;
    *average_precision = n_positive > 0 ? precision : NAN;
}
