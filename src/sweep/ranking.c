#include "ranking.h"

#include "interval.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry { /* a trial */
    char *key;
    const cr_record *record;
    double best;
} entry;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : strcmp(x->record->id, y->record->id);
}

/* Better first, undefined last. */
static int compare_values(double x, double y, bool maximize)
{
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return x == y ? 0 : (x > y) == maximize ? -1 : 1;
}

static int compare_points(const void *a, const void *b, void *context)
{
    const cr_ranked *x = a, *y = b;
    const bool *maximize = context;
    if ((x->n_done > 0) != (y->n_done > 0))
        return x->n_done > 0 ? -1 : 1;
    int order = compare_values(x->mean, y->mean, *maximize);
    return order ? order : strcmp(x->key, y->key);
}

/* Entries of one point become its row. */
static void rank_point(const entry *entries, int64_t n, bool maximize, cr_ranked *row)
{
    double values[CR_SWEEP_MAX_SEEDS];
    const entry *best = &entries[0];
    *row = (cr_ranked){.point = json_object_get(entries[0].record->about, "point")};
    for (int64_t i = 0; i < n; i++) {
        bool is_done = entries[i].record->state == CR_TRIAL_DONE;
        if (is_done && !isnan(entries[i].best) && row->n_done < CR_SWEEP_MAX_SEEDS)
            values[row->n_done++] = entries[i].best;
        if (compare_values(entries[i].best, best->best, maximize) < 0)
            best = &entries[i];
    }
    row->best = best->record;
    cr_mean_interval(values, row->n_done, &row->mean, &row->low, &row->high);
    if (row->n_done == 0)
        row->mean = best->best;
}

static const char *metric_of(const cr_record *record)
{
    return json_string_value(json_object_get(record->about, "metric"));
}

static cr_status collect(const cr_ledger *ledger, cr_ranking *ranking, entry **entries, int64_t *n_entries)
{
    int64_t n;
    const cr_record *const *records = cr_ledger_all(ledger, &n);
    for (int64_t i = 0; i < n; i++)
        if (metric_of(records[i])) {
            ranking->metric = metric_of(records[i]);
            ranking->maximize = json_is_true(json_object_get(records[i]->about, "maximize"));
        }
    *entries = calloc((size_t)n + 1, sizeof **entries);
    if (!*entries)
        return cr_fail_memory("a ranking", (size_t)n * sizeof **entries);
    for (int64_t i = 0; i < n; i++) {
        const json_t *point = json_object_get(records[i]->about, "point");
        if (!metric_of(records[i]) || strcmp(metric_of(records[i]), ranking->metric) != 0 || !json_is_object(point))
            continue;
        entry *added = &(*entries)[(*n_entries)++];
        added->record = records[i];
        added->best = cr_record_best(records[i], records[i]->n_epochs, ranking->maximize, NULL);
        added->key = json_dumps(point, JSON_SORT_KEYS | JSON_COMPACT);
        if (!added->key)
            return cr_fail_memory("a ranking", 0);
        ranking->n_states[records[i]->state]++;
    }
    ranking->n_trials = *n_entries;
    return CR_OK;
}

cr_status cr_ranking_make(const cr_ledger *ledger, cr_ranking *ranking)
{
    entry *entries = NULL;
    int64_t n = 0;
    *ranking = (cr_ranking){0};
    cr_status status = CR_OK;
    CR_TRY(collect(ledger, ranking, &entries, &n));
    ranking->points = calloc((size_t)n + 1, sizeof *ranking->points);
    if (!ranking->points)
        CR_TRY(cr_fail_memory("a ranking", (size_t)n * sizeof *ranking->points));
    qsort(entries, (size_t)n, sizeof *entries, compare_entries);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && !strcmp(entries[end].key, entries[i].key); end++)
            ;
        cr_ranked *row = &ranking->points[ranking->n++];
        rank_point(&entries[i], end - i, ranking->maximize, row);
        row->key = entries[i].key;
        entries[i].key = NULL;
    }
    qsort_r(ranking->points, (size_t)ranking->n, sizeof *ranking->points, compare_points, &ranking->maximize);
done:
    for (int64_t i = 0; entries && i < n; i++)
        free(entries[i].key);
    free(entries);
    if (status != CR_OK)
        cr_ranking_clear(ranking);
    return status;
}

void cr_ranking_clear(cr_ranking *ranking)
{
    for (int64_t i = 0; ranking->points && i < ranking->n; i++)
        free(ranking->points[i].key);
    free(ranking->points);
    *ranking = (cr_ranking){0};
}
