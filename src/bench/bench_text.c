/* A benchmark's JSON in words. */
#include "bench_parts.h"

#include <jansson.h>
#include <string.h>

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));
    return found ? found : "";
}

static void print_head(FILE *out, const json_t *bench, const json_t *results)
{
    const json_t *host = json_object_get(bench, "host"), *program = json_object_get(bench, "program");
    fprintf(out,
            "crisol bench %s: %d rank%s x %d worker%s on %d node%s, %d warm-up, %d repetitions, median (quartiles)\n",
            text(bench, "kind"), (int)number(bench, "ranks"), number(bench, "ranks") > 1 ? "s" : "",
            (int)number(bench, "workers"), number(bench, "workers") > 1 ? "s" : "", (int)number(bench, "nodes"),
            number(bench, "nodes") > 1 ? "s" : "", (int)number(bench, "warmup"), (int)number(bench, "repetitions"));
    fprintf(out, "%s, %d cores for this rank; crisol %s; %s%s%s\n", text(host, "cpu"),
            (int)number(host, "cores_allowed"), text(program, "revision"), text(results, "backend"),
            text(results, "backend")[0] ? ", " : "", text(bench, "comm"));
    if (text(results, "pack_id")[0])
        fprintf(out, "pack %s%s\n", text(results, "pack_id"),
                json_is_true(json_object_get(bench, "synthetic_pack")) ? " (synthetic)" : "");
}

static void print_spread(FILE *out, const char *name, const json_t *results, const char *key, double whole)
{
    const json_t *spread = json_object_get(results, key);
    if (!spread)
        return;
    double median = number(spread, "median");
    fprintf(out, "  %-22s %10.2f ms  (%.2f to %.2f)", name, 1e3 * median, 1e3 * number(spread, "low"),
            1e3 * number(spread, "high"));
    if (whole > 0)
        fprintf(out, "  %5.1f %%", 100 * median / whole);
    fputc('\n', out);
}

static void print_phases(FILE *out, const json_t *results)
{
    double whole = cr_spread_median(results, "step_s");
    if (!(whole > 0))
        return;
    print_spread(out, "step", results, "step_s", 0);
    print_spread(out, "  wait for data", results, "wait_s", whole);
    print_spread(out, "  forward + backward", results, "compute_s", whole);
    print_spread(out, "  report to all ranks", results, "report_s", whole);
    print_spread(out, "  reduction", results, "reduce_s", whole);
    print_spread(out, "  update", results, "update_s", whole);
}

static void print_reduction(FILE *out, const json_t *reduction, double step_s)
{
    if (!reduction)
        return;
    double price = number(reduction, "price_s");
    fprintf(out, "a gradient of %.2f MB over the ranks, in turns:\n", number(reduction, "gradient_bytes") / 1e6);
    print_spread(out, "in fixed order", reduction, "ordered_s", 0);
    print_spread(out, text(reduction, "library"), reduction, "library_s", 0);
    fprintf(out, "  price of order: %+.2f ms, ratio %.2f", 1e3 * price, number(reduction, "price_ratio"));
    if (step_s > 0)
        fprintf(out, ", %+.1f %% of a step", 100 * price / step_s);
    fputc('\n', out);
}

enum {
    MOST_LAYERS = 12
};

/* The dearest ones, dearest first. */
static void print_layers(FILE *out, const json_t *layers)
{
    double shown = 1e300, all = 0, printed = 0;
    size_t i, n = json_array_size(layers);
    json_t *one;
    json_array_foreach((json_t *)layers, i, one) all += number(one, "forward_ms") + number(one, "backward_ms");
    if (!(all > 0))
        return;
    fprintf(out, "time of a micro-batch by layer (worker 0 of rank 0):\n");
    for (size_t k = 0; k < MOST_LAYERS && k < n; k++) {
        const json_t *next = NULL;
        double most = -1;
        json_array_foreach((json_t *)layers, i, one)
        {
            double ms = number(one, "forward_ms") + number(one, "backward_ms");
            if (ms < shown && ms > most) {
                most = ms;
                next = one;
            }
        }
        if (!next)
            break;
        shown = most;
        printed += most;
        fprintf(out, "  %-28s %-12s forward %9.3f ms  backward %9.3f ms  %5.1f %%  %s\n", text(next, "layer"),
                text(next, "kind"), number(next, "forward_ms"), number(next, "backward_ms"), 100 * most / all,
                text(next, "kernel"));
    }
    fprintf(out, "  %-28s %-12s %9.3f ms in all, %.1f %% of it above\n", "everything", "", all, 100 * printed / all);
}

static void print_scaling(FILE *out, const json_t *rows, const char *title)
{
    size_t i;
    json_t *row;
    if (!rows)
        return;
    fprintf(out, "%s\n  %6s %8s %12s %12s %12s %10s %11s\n", title, "ranks", "batch", "images/s", "step ms",
            "reduce ms", "speed-up", "efficiency");
    json_array_foreach((json_t *)rows, i, row)
    {
        double whole = cr_spread_median(row, "step_s") + cr_spread_median(row, "pass_s");
        double reduce = cr_spread_median(row, "reduce_s") + cr_spread_median(row, "ordered_s");
        fprintf(out, "  %6d %8d %12.1f %12.2f %12.2f %10.2f %10.0f %%\n", (int)number(row, "ranks"),
                (int)number(row, "batch"), number(row, "images_s"), 1e3 * whole, 1e3 * reduce, number(row, "speedup"),
                100 * number(row, "efficiency"));
    }
}

void cr_bench_print(FILE *out, const struct json_t *bench)
{
    const json_t *results = json_object_get(bench, "results");
    print_head(out, bench, results);
    print_phases(out, results);
    print_spread(out, "a pass", results, "pass_s", 0);
    if (json_object_get(results, "arithmetic_s"))
        fprintf(out, "  %-22s %10.2f ms\n", "arithmetic alone", 1e3 * number(results, "arithmetic_s"));
    if (json_object_get(results, "images_s"))
        fprintf(out, "  %-22s %10.1f images/s in all, %.1f a rank\n", "rate", number(results, "images_s"),
                number(results, "images_s_rank"));
    if (json_object_get(results, "bytes_s"))
        fprintf(out, "  %-22s %10.2f GB/s of pixels\n", "", number(results, "bytes_s") / 1e9);
    if (json_object_get(results, "peak_memory_bytes"))
        fprintf(out, "  %-22s %10.0f MB of the rank that needs most\n", "peak memory",
                number(results, "peak_memory_bytes") / 1e6);
    print_reduction(out, json_object_get(results, "ordered_s") ? results : json_object_get(results, "reduction"),
                    cr_spread_median(results, "step_s"));
    print_layers(out, json_object_get(results, "layers"));
    print_scaling(out, json_object_get(bench, "strong"), "strong scaling: the same batch on more ranks");
    print_scaling(out, json_object_get(bench, "weak"), "weak scaling: the same work for each rank");
}
