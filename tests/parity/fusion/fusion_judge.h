/* Judges a whole step of every fused reference: evaluation, loss, gradients, running statistics, AdamW, three steps. */
#ifndef CRISOL_TEST_FUSION_JUDGE_H
#define CRISOL_TEST_FUSION_JUDGE_H

#include "fusion_step.h"

typedef struct fusion_variant {
    const char *name;      /* "f32 direct" */
    const char *precision; /* key of the bounds: "float32", "bf16" */
    double factor;         /* times the file's bounds */
    cr_program_params params;
} fusion_variant;

/* One case (fusion_a, …): a line a bound of tolerances.json; false when one is exceeded, and when nothing was judged.
 * A variant that this machine cannot run is skipped, saying so. */
bool fusion_judge(const char *name, cr_backend *backend, const fusion_variant *variant);
/* Every case that tolerances.json lists. */
bool fusion_judge_all(cr_backend *backend, const fusion_variant *variant);

#endif
