#include "crisol/optim.h"
#include "vector_clones.h"

enum {
    CHUNK = 4096,
    LANES = 16, /* partial sums within a chunk; fixed, so that the vector width changes no bit */
    LEVELS = 64
};

CR_VECTOR_CLONES
static double chunk_sum(const float *restrict values, int64_t n)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            double value = (double)values[i + l];
            lane[l] += value * value;
        }
    }
    for (int l = 0; i < n; i++, l++)
        lane[l] += (double)values[i] * (double)values[i];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

double cr_sum_of_squares(const float *values, int64_t n)
{
    /* A binary counter: stack[k] holds the sum of 2^k neighbouring chunks, so equal halves are always added. */
    double stack[LEVELS];
    uint64_t n_chunks = 0;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        double sum = chunk_sum(values + begin, n - begin < CHUNK ? n - begin : CHUNK);
        int level = 0;
        for (; n_chunks >> level & 1; level++)
            sum = stack[level] + sum;
        stack[level] = sum;
        n_chunks++;
    }
    double total = 0;
    for (int level = 0; level < LEVELS; level++)
        if (n_chunks >> level & 1)
            total = stack[level] + total;
    return total;
}
