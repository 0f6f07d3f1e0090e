#include "bench_parts.h"

#include <jansson.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between two values in proportion, as numpy's default (method 7 of Hyndman and Fan 1996). */
static double quantile(const double *sorted, int64_t n, double q)
{
    double at = q * (double)(n - 1);
    int64_t below = (int64_t)at;
    double share = at - (double)below;
    return below + 1 < n ? sorted[below] + share * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

struct json_t *cr_spread_json(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I}", "median", quantile(values, n, 0.5), "low",
                     quantile(values, n, 0.25), "high", quantile(values, n, 0.75), "min", values[0], "max",
                     values[n - 1], "n", (json_int_t)n);
}

double cr_spread_median(const struct json_t *results, const char *key)
{
    return json_number_value(json_object_get(json_object_get(results, key), "median"));
}

cr_status cr_over_ranks(cr_comm *comm, const double *mine, int64_t n, bool largest, double *all)
{
    int size = cr_comm_size(comm);
    size_t bytes = (size_t)n * sizeof *mine;
    cr_status status = CR_OK;
    double *gathered = malloc(bytes * (size_t)size);
    CR_TRY(cr_comm_agree(comm, gathered ? CR_OK : cr_fail_memory("times", bytes)));
    CR_TRY(cr_comm_allgather(comm, mine, bytes, gathered));
    for (int64_t i = 0; i < n; i++) {
        double found = 0;
        for (int r = 0; r < size; r++) {
            double value = gathered[r * n + i];
            found = largest ? (value > found ? value : found) : found + value / size;
        }
        all[i] = found;
    }
done:
    free(gathered);
    return status;
}
