/* Ranges of a gradient in the order in which backward completes them: from its end, where the last layers and all
 * statistics lie. Each can travel between ranks while backward goes on to the next. */
#ifndef CRISOL_BUCKETS_H
#define CRISOL_BUCKETS_H

#include <stdint.h>

enum {
    CR_MAX_BUCKETS = 8
};

typedef struct cr_buckets {        /* starts as zeros: none. A bucket ends where the one before it begins */
    int64_t begin[CR_MAX_BUCKETS]; /* floats, multiples of 16, falling to 0 */
    int n;
} cr_buckets;

static inline int64_t cr_bucket_end(const cr_buckets *buckets, int b, int64_t n_floats)
{
    return b > 0 ? buckets->begin[b - 1] : n_floats;
}

#endif
