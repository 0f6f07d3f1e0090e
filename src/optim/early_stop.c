#include "crisol/json.h"
#include "crisol/optim.h"

#include <jansson.h>
#include <math.h>

cr_early_stop cr_early_stop_make(bool maximize, int64_t patience, double min_delta)
{
    return (cr_early_stop){
        .maximize = maximize,
        .patience = patience,
        .min_delta = min_delta,
        .best = maximize ? -INFINITY : INFINITY,
    };
}

bool cr_early_stop_update(cr_early_stop *stop, double metric, bool *improved)
{
    bool better = stop->maximize ? metric > stop->best + stop->min_delta : metric < stop->best - stop->min_delta;
    if (improved)
        *improved = better;
    if (better) {
        stop->best = metric;
        stop->bad = 0;
        return false;
    }
    stop->bad++;
    return stop->patience > 0 && stop->bad >= stop->patience;
}

json_t *cr_early_stop_save(const cr_early_stop *stop)
{
    return json_pack("{s:o, s:I}", "best", cr_json_real(stop->best), "bad", (json_int_t)stop->bad);
}

cr_status cr_early_stop_restore(cr_early_stop *stop, const json_t *saved, const char *where)
{
    cr_status status = CR_OK;
    double best;
    int64_t bad;
    CR_TRY(cr_json_get_real(saved, "best", where, &best));
    CR_TRY(cr_json_get_int(saved, "bad", where, 0, INT64_MAX - 1, &bad));
    if (isnan(best)) {
        status = cr_fail(CR_BAD_DATA, "%s: early stopping's best value is not a number", where);
        goto done;
    }
    stop->best = best;
    stop->bad = bad;
done:
    return status;
}
