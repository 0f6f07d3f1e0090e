#include "crisol/json.h"
#include "crisol/optim.h"

#include <jansson.h>
#include <math.h>

json_t *cr_schedule_save(const cr_schedule *schedule)
{
    return json_pack("{s:I, s:o, s:o, s:I, s:I}", "position", (json_int_t)schedule->position, "lr",
                     cr_json_real(schedule->lr), "best", cr_json_real(schedule->best), "bad", (json_int_t)schedule->bad,
                     "cooldown", (json_int_t)schedule->cooldown_left);
}

cr_status cr_schedule_restore(cr_schedule *schedule, const json_t *saved, const char *where)
{
    cr_status status = CR_OK;
    cr_schedule restored = *schedule; /* unchanged unless everything is good */
    CR_TRY(cr_json_get_int(saved, "position", where, 0, INT64_MAX - 1, &restored.position));
    CR_TRY(cr_json_get_real(saved, "lr", where, &restored.lr));
    CR_TRY(cr_json_get_real(saved, "best", where, &restored.best));
    CR_TRY(cr_json_get_int(saved, "bad", where, 0, INT64_MAX - 1, &restored.bad));
    CR_TRY(cr_json_get_int(saved, "cooldown", where, 0, INT64_MAX - 1, &restored.cooldown_left));
    if (!(restored.lr >= 0 && isfinite(restored.lr)) || isnan(restored.best)) {
        status = cr_fail(CR_BAD_DATA, "%s: the schedule's lr or best value is not a usable number", where);
        goto done;
    }
    *schedule = restored;
done:
    return status;
}
