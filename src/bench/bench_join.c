/* Benchmarks of several runs side by side. */
#include "bench_parts.h"

#include "crisol/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    BENCH_MAX_BYTES = 1 << 24
};

static double number(const json_t *bench, const char *key)
{
    return json_number_value(json_object_get(bench, key));
}

static double rate_of(const json_t *bench)
{
    return number(json_object_get(bench, "results"), "images_s");
}

static cr_status read_bench(const char *path, const json_t *first, json_t **bench)
{
    int64_t whole;
    const char *kind, *other = NULL;
    json_t *results;
    cr_status status = CR_OK;
    CR_TRY(cr_json_load(path, BENCH_MAX_BYTES, bench));
    CR_TRY(cr_json_get_int(*bench, "bench_format", path, 1, 1, &whole));
    CR_TRY(cr_json_get_string(*bench, "kind", path, &kind));
    CR_TRY(cr_json_get_int(*bench, "ranks", path, 1, 1 << 24, &whole));
    CR_TRY(cr_json_get_int(*bench, "nodes", path, 1, 1 << 24, &whole));
    CR_TRY(cr_json_get_object(*bench, "results", path, &results));
    if (first)
        CR_TRY(cr_json_get_string(first, "kind", path, &other));
    if (other && strcmp(kind, other) != 0)
        status = cr_fail(CR_BAD_DATA, "%s: a benchmark of %s among those of %s", path, kind, other);
done:
    return status;
}

static int by_ranks(const void *a, const void *b)
{
    double x = number(*(json_t *const *)a, "ranks"), y = number(*(json_t *const *)b, "ranks");
    return (x > y) - (x < y);
}

/* A spread that may be in the results or, for a reduction, in theirs. */
static double milliseconds(const json_t *bench, const char *key)
{
    return 1e3 * cr_spread_median(json_object_get(bench, "results"), key);
}

static void print_row(const json_t *bench, const json_t *smallest)
{
    const json_t *results = json_object_get(bench, "results");
    double rate = rate_of(bench), first = rate_of(smallest);
    double more = number(bench, "ranks") / number(smallest, "ranks");
    double reduce = milliseconds(bench, "reduce_s") + milliseconds(bench, "ordered_s");
    printf("%6d %6d %8d %12.1f %12.2f %12.2f", (int)number(bench, "nodes"), (int)number(bench, "ranks"),
           (int)number(results, "batch"), rate, milliseconds(bench, "step_s") + milliseconds(bench, "pass_s"), reduce);
    if (first > 0)
        printf(" %10.2f %10.0f %%", rate / first, 100 * rate / first / more);
    puts("");
}

cr_status cr_bench_join(const char *const files[], int n)
{
    cr_status status = CR_OK;
    json_t **all = calloc((size_t)n, sizeof(json_t *));
    if (!all)
        return cr_fail_memory("benchmarks", (size_t)n * sizeof(json_t *));
    for (int i = 0; i < n; i++)
        CR_TRY(read_bench(files[i], i ? all[0] : NULL, &all[i]));
    qsort(all, (size_t)n, sizeof *all, by_ranks);
    printf("crisol bench %s\n%6s %6s %8s %12s %12s %12s %10s %11s\n",
           json_string_value(json_object_get(all[0], "kind")), "nodes", "ranks", "batch", "images/s", "step ms",
           "reduce ms", "speed-up", "efficiency");
    for (int i = 0; i < n; i++)
        print_row(all[i], all[0]);
done:
    for (int i = 0; i < n; i++)
        json_decref(all[i]);
    free(all);
    return status;
}
