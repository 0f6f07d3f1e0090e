/* When a training has to be over: its own time limit, and the end of the Slurm job that it runs in. */
#ifndef CRISOL_DEADLINE_H
#define CRISOL_DEADLINE_H

#include <stdbool.h>

/* Seconds that Slurm leaves this job: by SLURM_JOB_END_TIME where it is set, otherwise by asking squeue once, for at
 * most 5 s; INFINITY outside Slurm, without a limit, and where nobody knows. `source` names where the answer is from.
 */
double cr_deadline_slurm_left_s(const char **source);
/* Parses squeue's %L: [D-]HH:MM:SS, MM:SS, SS; false for anything else (UNLIMITED, INVALID). */
bool cr_deadline_parse_left(const char *text, double *seconds);

#endif
