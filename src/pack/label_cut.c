#include "label_cut.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cr_label_cut_scaled(const cr_label_cut *cut, double value)
{
    return (value - cut->lowest) / cut->span;
}

int cr_label_cut_class(const cr_label_cut *cut, double value)
{
    return cr_label_cut_scaled(cut, value) > cut->cut;
}

cr_status cr_label_cut_find(const double *values, int64_t n, bool scale, cr_label_cut *cut)
{
    *cut = (cr_label_cut){.lowest = 0, .span = 1};
    double lowest = values[0], highest = values[0];
    for (int64_t i = 1; i < n; i++) {
        lowest = values[i] < lowest ? values[i] : lowest;
        highest = values[i] > highest ? values[i] : highest;
    }
    if (scale && highest == lowest)
        return cr_fail(CR_BAD_DATA, "the label formula gives %.17g for every row: nothing to cut", lowest);
    if (scale) {
        cut->lowest = lowest;
        cut->span = highest - lowest;
    }
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (sorted == NULL)
        return cr_fail_memory("a label formula's values", (size_t)n * sizeof *sorted);
    for (int64_t i = 0; i < n; i++)
        sorted[i] = cr_label_cut_scaled(cut, values[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    cut->cut = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);
    return CR_OK;
}
