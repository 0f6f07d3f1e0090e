#include "metrics_sum.h"

enum {
    LANES = 8,
    BLOCK = 128
};

double cr_metrics_sum(cr_metrics_term *term, const void *context, int64_t begin, int64_t n)
{
    if (n > BLOCK) {
        int64_t half = n / 2;
        half -= half % LANES;
        double left = cr_metrics_sum(term, context, begin, half);
        return left + cr_metrics_sum(term, context, begin + half, n - half);
    }
    double sum = 0;
    int64_t i = 0;
    if (n >= LANES) {
        double lane[LANES];
        for (; i < LANES; i++)
            lane[i] = term(context, begin + i);
        for (; i < n - n % LANES; i++)
            lane[i % LANES] += term(context, begin + i);
        sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    }
    for (; i < n; i++)
        sum += term(context, begin + i);
    return sum;
}
