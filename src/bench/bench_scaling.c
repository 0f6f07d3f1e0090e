/* The same measurement with fewer of the ranks, each as it is: the same cores and workers. */
#include "bench_parts.h"

#include <jansson.h>

/* The others sleep in the barrier. */
static cr_status measure_some(cr_comm *comm, const cr_bench_options *options, int n_ranks, json_t **results)
{
    cr_comm *part = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_comm_split(comm, cr_comm_rank(comm) < n_ranks ? 0 : -1, &part));
    if (part)
        status = cr_bench_measure(part, options, results);
    cr_comm_close(&part);
    status = cr_comm_agree(comm, status);
    if (status == CR_OK)
        status = cr_comm_barrier(comm);
done:
    return status;
}

static json_t *make_row(const json_t *results, int n_ranks, bool strong, double first_rate)
{
    static const char *const kept[] = {"batch",    "images_s", "step_s",    "compute_s", "reduce_s",    "wait_s",
                                       "update_s", "pass_s",   "ordered_s", "library_s", "price_ratio", "sent_bytes"};
    double rate = json_number_value(json_object_get(results, "images_s"));
    json_t *row = json_pack("{s:i, s:s}", "ranks", n_ranks, "scaling", strong ? "strong" : "weak");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(results, kept[i]))
            json_object_set(row, kept[i], json_object_get(results, kept[i]));
    if (first_rate > 0) {
        json_object_set_new(row, "speedup", json_real(rate / first_rate));
        json_object_set_new(row, "efficiency", json_real(rate / first_rate / n_ranks));
    }
    return row;
}

/* Weak: as many micro-batches a rank as the whole batch has on all ranks, rounded down. */
static int64_t batch_for(const cr_config *config, int64_t whole, int size, int n_ranks, bool strong)
{
    int64_t each = whole / config->data.micro_batch / size;
    return strong ? whole : each * n_ranks * config->data.micro_batch;
}

cr_status cr_bench_scaling(cr_comm *comm, const cr_bench_options *options, bool strong, json_t **rows)
{
    cr_status status = CR_OK;
    int size = cr_comm_size(comm);
    int64_t whole = options->config->data.batch;
    double first_rate = 0;
    *rows = json_array();
    for (int n = 1; n <= size; n = n < size && 2 * n > size ? size : 2 * n) {
        json_t *results = NULL;
        options->config->data.batch = batch_for(options->config, whole, size, n, strong);
        status = measure_some(comm, options, n, &results);
        options->config->data.batch = whole;
        if (status == CR_OK && results) { /* rank 0 is in every part */
            double rate = json_number_value(json_object_get(results, "images_s"));
            first_rate = n == 1 ? rate : first_rate;
            json_array_append_new(*rows, make_row(results, n, strong, first_rate));
        }
        json_decref(results);
        CR_TRY(status);
    }
done:
    return status;
}
