/* A sweep directory in words. */
#include "crisol/atomic_file.h"
#include "ranking.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_SHOWN = 50
};

bool cr_sweep_is_folder(const char *path)
{
    char *ledger = cr_path_join(path, "trials.jsonl");
    bool found = ledger && !access(ledger, F_OK);
    free(ledger);
    return found;
}

static void print_values(FILE *out, const json_t *point)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)point, name, value)
        fprintf(out, "  %s=%s", name, json_is_string(value) ? json_string_value(value) : "?");
}

static void print_point(FILE *out, const cr_ranked *row, int64_t place)
{
    char mean[24] = "-", interval[64] = "";
    if (!isnan(row->mean))
        snprintf(mean, sizeof mean, "%.4f", row->mean);
    if (!isnan(row->low))
        snprintf(interval, sizeof interval, " [%.4f, %.4f] of %lld seeds", row->low, row->high, (long long)row->n_done);
    fprintf(out, "%5lld  %10s%s  %s  %-7s %4lld epochs", (long long)place, mean, interval, row->best->id,
            cr_trial_state_name(row->best->state), (long long)row->best->n_epochs);
    print_values(out, row->point);
    fputc('\n', out);
    if (row->best->state == CR_TRIAL_FAILED && row->best->cause)
        fprintf(out, "       %s\n", row->best->cause);
}

static void print_ranking(FILE *out, const char *folder, const cr_ranking *ranking)
{
    fprintf(out, "sweep %s\n  %lld trials begun:", folder, (long long)ranking->n_trials);
    for (int state = CR_TRIAL_RUNNING; state <= CR_TRIAL_FAILED; state++)
        if (ranking->n_states[state] > 0)
            fprintf(out, " %lld %s", (long long)ranking->n_states[state],
                    state == CR_TRIAL_RUNNING ? "running or left" : cr_trial_state_name((cr_trial_state)state));
    fputc('\n', out);
    if (!ranking->metric)
        return;
    fprintf(out, "  by %s, %s is better; the best of each training, its mean over seeds and 95 %% interval\n\n",
            ranking->metric, ranking->maximize ? "larger" : "smaller");
    for (int64_t i = 0; i < ranking->n && i < MAX_SHOWN; i++)
        print_point(out, &ranking->points[i], i + 1);
    if (ranking->n > MAX_SHOWN)
        fprintf(out, "  … and %lld points more: sweep.csv has all\n", (long long)(ranking->n - MAX_SHOWN));
}

cr_status cr_sweep_inspect(const char *folder, FILE *out)
{
    cr_ledger *ledger = NULL;
    cr_ranking ranking = {0};
    cr_status status;
    CR_TRY(cr_ledger_open(folder, false, &ledger));
    CR_TRY(cr_ledger_refresh(ledger));
    CR_TRY(cr_ranking_make(ledger, &ranking));
    int64_t latest, n_damaged = cr_ledger_damaged(ledger, &latest);
    print_ranking(out, folder, &ranking);
    if (n_damaged > 0)
        fprintf(out, "  %lld damaged lines of trials.jsonl are passed over, the last of them line %lld\n",
                (long long)n_damaged, (long long)latest);
    CR_TRY(cr_ranking_print_effects(&ranking, out));
    if (ranking.n > 0 && ranking.points[0].n_done > 0)
        fprintf(out, "\n  the best: %s/trials/%s\n", folder, ranking.points[0].best->id);
done:
    cr_ranking_clear(&ranking);
    cr_ledger_close(&ledger);
    return status;
}
