/* A parameter's marginal effect: the mean over all points that share its value, whatever the others are. */
#include "ranking.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_VALUES = 8, /* more different numbers than that are shown by quarters */
    N_QUARTERS = 4
};

typedef struct sample {
    const char *text;
    double number; /* NaN: the text is none */
    double metric;
} sample;

static int compare_samples(const void *a, const void *b)
{
    const sample *x = a, *y = b;
    if (!isnan(x->number) && !isnan(y->number) && x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (isnan(x->number) != isnan(y->number))
        return isnan(x->number) ? 1 : -1;
    return strcmp(x->text, y->text);
}

static double read_number(const char *text)
{
    char *end;
    double number = strtod(text, &end);
    return end == text || *end ? NAN : number;
}

/* Samples [from, to) in one line. */
static void print_share(FILE *out, const sample *samples, int64_t from, int64_t to)
{
    double sum = 0;
    for (int64_t i = from; i < to; i++)
        sum += samples[i].metric;
    char label[256];
    if (strcmp(samples[from].text, samples[to - 1].text) != 0)
        snprintf(label, sizeof label, "%s … %s", samples[from].text, samples[to - 1].text);
    else
        snprintf(label, sizeof label, "%s", samples[from].text);
    fprintf(out, "    %-32s %10.4f   %lld point%s\n", label, sum / (double)(to - from), (long long)(to - from),
            to - from > 1 ? "s" : "");
}

static void print_parameter(FILE *out, const char *name, sample *samples, int64_t n)
{
    int64_t n_values = 1, n_numbers = 0;
    qsort(samples, (size_t)n, sizeof *samples, compare_samples);
    for (int64_t i = 0; i < n; i++) {
        n_values += i > 0 && strcmp(samples[i].text, samples[i - 1].text) != 0;
        n_numbers += !isnan(samples[i].number);
    }
    if (n_values < 2)
        return;
    fprintf(out, "  %s\n", name);
    if (n_values > MAX_VALUES && n_numbers == n) {
        for (int64_t q = 0; q < N_QUARTERS; q++)
            print_share(out, samples, q * n / N_QUARTERS, (q + 1) * n / N_QUARTERS);
        return;
    }
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && !strcmp(samples[end].text, samples[i].text); end++)
            ;
        print_share(out, samples, i, end);
    }
}

cr_status cr_ranking_print_effects(const cr_ranking *ranking, FILE *out)
{
    const char *name;
    json_t *value;
    int64_t n_done = 0;
    while (n_done < ranking->n && ranking->points[n_done].n_done > 0)
        n_done++;
    if (n_done < 2)
        return CR_OK;
    sample *samples = calloc((size_t)n_done, sizeof *samples);
    if (!samples)
        return cr_fail_memory("effects", (size_t)n_done * sizeof *samples);
    fprintf(out, "\nmean %s by each parameter's value, over the %lld points that are done\n", ranking->metric,
            (long long)n_done);
    json_object_foreach((json_t *)ranking->points[0].point, name, value)
    {
        int64_t n = 0;
        for (int64_t i = 0; i < n_done; i++) {
            const char *text = json_string_value(json_object_get(ranking->points[i].point, name));
            if (text && !isnan(ranking->points[i].mean))
                samples[n++] = (sample){text, read_number(text), ranking->points[i].mean};
        }
        if (n > 0)
            print_parameter(out, name, samples, n);
    }
    free(samples);
    return CR_OK;
}
