/* Which engines compute a session's convolutions, where the config has them measured (cuda.plans: measure). Rank 0
 * reads, measures and writes; all ranks get its table. */
#ifndef CRISOL_SESSION_PLANS_H
#define CRISOL_SESSION_PLANS_H

#include "session.h"

typedef enum cr_plans_kind { /* cuda.plans */
    CR_PLANS_BY_RULE,
    CR_PLANS_MEASURED
} cr_plans_kind;

/* For a training whose first `frozen_layers` layers never learn, before its programs are created. What stands in
 * RUN/plans.json is taken; then what stands in that of `repeated`, another run directory; then what stands in the file
 * of cuda.plans_file. What none of them has for this GPU and library is measured. Everything that the training uses is
 * then in RUN/plans.json, and everything new in the other file, too. `run` and `repeated` may be null. Errors:
 * CR_BAD_CONFIG when ranks have different GPUs or libraries; CR_BAD_DATA for a file, or an engine in it, that cannot be
 * used; those of writing RUN/plans.json, and of programs. Collective. */
CR_NODISCARD cr_status cr_session_measure_plans(cr_session *session, const char *run, const char *repeated,
                                                int frozen_layers);
/* For an evaluation: RUN/plans.json as it is, the fixed rule for what it lacks; nothing is measured or written. Errors:
 * as above. Collective. */
CR_NODISCARD cr_status cr_session_read_plans(cr_session *session, const char *run);

#endif
