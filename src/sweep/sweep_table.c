#include "sweep_table.h"

#include "crisol/atomic_file.h"
#include "interval.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* RFC 4180. */
static void print_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

/* With a comma in front; an undefined one is empty. */
static void print_real(FILE *out, double value)
{
    if (isnan(value))
        fputc(',', out);
    else
        fprintf(out, ",%.6g", value);
}

/* Over the seeds of a trial's point that are done. */
static void find_interval(const cr_sweep *sweep, const cr_ledger *ledger, int64_t point, double *mean, double *low,
                          double *high)
{
    double values[CR_SWEEP_MAX_SEEDS];
    int64_t n = 0;
    for (int64_t i = point * sweep->n_seeds; i < (point + 1) * sweep->n_seeds; i++) {
        const cr_record *record = cr_ledger_find(ledger, sweep->trials[i].id);
        double best = record ? cr_record_best(record, record->n_epochs, sweep->maximize, NULL) : NAN;
        if (record && record->state == CR_TRIAL_DONE && !isnan(best))
            values[n++] = best;
    }
    cr_mean_interval(values, n, mean, low, high);
}

static void print_row(FILE *out, const cr_sweep *sweep, const cr_ledger *ledger, int64_t number)
{
    const cr_trial *trial = &sweep->trials[number];
    const cr_record *record = cr_ledger_find(ledger, trial->id);
    double best = NAN, mean, low, high;
    int64_t epoch = 0;
    fprintf(out, "%" PRId64 ",%s,%s,%" PRIu64, number, trial->id,
            cr_trial_state_name(record ? record->state : CR_TRIAL_WAITING), trial->seed);
    for (int p = 0; p < sweep->n_parameters; p++) {
        fputc(',', out);
        print_text(out, sweep->points[trial->point].texts[p]);
    }
    if (record)
        best = cr_record_best(record, record->n_epochs, sweep->maximize, &epoch);
    find_interval(sweep, ledger, trial->point, &mean, &low, &high);
    print_real(out, best);
    print_real(out, epoch > 0 ? (double)epoch : NAN);
    print_real(out, mean);
    print_real(out, low);
    print_real(out, high);
    fprintf(out, ",%" PRId64, record ? record->n_epochs : 0);
    print_real(out, record ? record->seconds : NAN);
    fputc(',', out);
    print_text(out, record && record->cause ? record->cause : "");
    fputc('\n', out);
}

cr_status cr_sweep_table_write(const cr_sweep *sweep, const cr_ledger *ledger, const char *folder)
{
    char *text = NULL;
    size_t bytes = 0;
    cr_status status;
    char *path = cr_path_join(folder, "sweep.csv");
    FILE *out = open_memstream(&text, &bytes);
    if (!path || !out) {
        status = cr_fail_memory("sweep.csv", 0);
        goto done;
    }
    fputs("trial,id,state,seed", out);
    for (int p = 0; p < sweep->n_parameters; p++)
        fprintf(out, ",%s", sweep->parameters[p].name);
    fputc(',', out);
    print_text(out, sweep->metric);
    fputs(",best_epoch,mean,low,high,epochs,seconds,cause\n", out);
    for (int64_t i = 0; i < sweep->n_trials; i++)
        print_row(out, sweep, ledger, i);
    bool failed = fclose(out) != 0;
    out = NULL;
    status = failed ? cr_fail_memory("sweep.csv", bytes) : cr_atomic_file_save(path, text, bytes);
done:
    if (out)
        fclose(out);
    free(text);
    free(path);
    return status;
}

cr_status cr_sweep_table_judge(const cr_sweep *sweep, const cr_ledger *ledger)
{
    const cr_record *first = NULL;
    int64_t n = 0;
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        const cr_record *record = cr_ledger_find(ledger, sweep->trials[i].id);
        if (record && record->state == CR_TRIAL_FAILED && n++ == 0)
            first = record;
    }
    if (!first)
        return CR_OK;
    return cr_fail(first->failure == CR_OK ? CR_INTERNAL : first->failure,
                   "%" PRId64 " of %" PRId64 " trials failed, the first of them %s: %s", n, sweep->n_trials, first->id,
                   first->cause ? first->cause : "no cause is known");
}
