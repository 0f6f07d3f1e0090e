#include "prune.h"

#include <math.h>
#include <stdlib.h>

typedef struct place {
    double value;
    int64_t trial;
} place;

/* Better first; undefined values last; of equals the lower number. */
static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value))
        return isnan(x->value) ? 1 : -1;
    if (x->value != y->value && !isnan(x->value))
        return x->value < y->value ? 1 : -1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

static bool is_at_rung(const cr_prune *prune, int64_t epoch)
{
    int64_t rung = prune->epochs;
    while (rung < epoch)
        rung *= prune->factor;
    return rung == epoch;
}

/* The trials that have got to a rung, best first; the first *n_go_on of them go on. */
static cr_status rank_rung(const cr_standings *standings, int64_t rung, place **places, int64_t *n, int64_t *n_go_on)
{
    *n = 0;
    *places = calloc((size_t)standings->n_trials, sizeof **places);
    if (!*places)
        return cr_fail_memory("places", (size_t)standings->n_trials * sizeof **places);
    for (int64_t i = 0; i < standings->n_trials; i++) {
        const cr_record *record = standings->records[i];
        if (!record || record->n_epochs < rung)
            continue;
        double best = cr_record_best(record, rung, standings->maximize, NULL);
        (*places)[(*n)++] = (place){.value = standings->maximize ? best : -best, .trial = i};
    }
    qsort(*places, (size_t)*n, sizeof **places, compare_places);
    *n_go_on = *n / standings->prune->factor;
    if (*n_go_on < 1)
        *n_go_on = 1;
    return CR_OK;
}

static cr_status judge_by_rung(const cr_standings *standings, int64_t trial, int64_t epoch, bool *go_on)
{
    place *places;
    int64_t n, n_go_on;
    if (!is_at_rung(standings->prune, epoch))
        return CR_OK;
    cr_status status = rank_rung(standings, epoch, &places, &n, &n_go_on);
    if (status != CR_OK)
        return status;
    *go_on = false;
    for (int64_t i = 0; i < n_go_on; i++)
        *go_on = *go_on || places[i].trial == trial;
    free(places);
    return CR_OK;
}

cr_status cr_prune_find_promotion(const cr_standings *standings, const bool *skip, int64_t *trial)
{
    int64_t highest = 0, rung = standings->prune->epochs;
    *trial = -1;
    if (standings->prune->rule != CR_PRUNE_HALVING)
        return CR_OK;
    for (int64_t i = 0; i < standings->n_trials; i++)
        if (standings->records[i] && standings->records[i]->n_epochs > highest)
            highest = standings->records[i]->n_epochs;
    while (rung * standings->prune->factor <= highest)
        rung *= standings->prune->factor;
    for (; rung >= standings->prune->epochs; rung /= standings->prune->factor) {
        place *places;
        int64_t n, n_go_on;
        cr_status status = rank_rung(standings, rung, &places, &n, &n_go_on);
        if (status != CR_OK)
            return status;
        for (int64_t i = 0; i < n_go_on && i < n && *trial < 0; i++) {
            const cr_record *record = standings->records[places[i].trial];
            if (record->state == CR_TRIAL_PRUNED && record->n_epochs == rung && !skip[places[i].trial])
                *trial = places[i].trial;
        }
        free(places);
        if (*trial >= 0)
            break;
    }
    return CR_OK;
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* An undefined value counts as the worst there is. */
static double worst_if_undefined(double value, bool maximize)
{
    return isnan(value) ? (maximize ? -INFINITY : INFINITY) : value;
}

static double mean_up_to(const cr_record *record, int64_t epoch, bool maximize)
{
    double sum = 0;
    for (int64_t i = 0; i < epoch; i++)
        sum += worst_if_undefined(record->metrics[i], maximize);
    return sum / (double)epoch;
}

static cr_status judge_by_median(const cr_standings *standings, int64_t trial, int64_t epoch, bool *go_on)
{
    bool maximize = standings->maximize;
    int64_t n = 0;
    if (epoch < standings->prune->epochs)
        return CR_OK;
    double *means = calloc((size_t)standings->n_trials, sizeof *means);
    if (!means)
        return cr_fail_memory("means", (size_t)standings->n_trials * sizeof *means);
    for (int64_t i = 0; i < standings->n_trials; i++) {
        const cr_record *record = standings->records[i];
        if (record && i != trial && record->state == CR_TRIAL_DONE && record->n_epochs >= epoch)
            means[n++] = mean_up_to(record, epoch, maximize);
    }
    if (n > 0 && n >= standings->prune->trials) {
        qsort(means, (size_t)n, sizeof *means, compare_reals);
        double median = n % 2 ? means[n / 2] : (means[n / 2 - 1] + means[n / 2]) / 2;
        double best = worst_if_undefined(cr_record_best(standings->records[trial], epoch, maximize, NULL), maximize);
        *go_on = maximize ? best >= median : best <= median;
    }
    free(means);
    return CR_OK;
}

cr_status cr_prune_judge(const cr_standings *standings, int64_t trial, int64_t epoch, bool *go_on)
{
    *go_on = true;
    if (!standings->records[trial])
        return CR_OK;
    switch (standings->prune->rule) {
    case CR_PRUNE_HALVING:
        return judge_by_rung(standings, trial, epoch, go_on);
    case CR_PRUNE_MEDIAN:
        return judge_by_median(standings, trial, epoch, go_on);
    case CR_PRUNE_NONE:
        break;
    }
    return CR_OK;
}
