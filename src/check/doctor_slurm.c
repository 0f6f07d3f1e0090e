/* Slurm: whether it answers, starts ranks as Open MPI needs it, and what this job has of it. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double patience_s = 4;

static void say_job(cr_doctor *doctor)
{
    const char *tasks = getenv("SLURM_NTASKS"), *step_tasks = getenv("SLURM_STEP_NUM_TASKS");
    int n = cr_comm_size(doctor->comm);
    long wanted = tasks ? strtol(tasks, NULL, 10) : 0;
    if (step_tasks && strtol(step_tasks, NULL, 10) > 1 && n == 1)
        cr_doctor_say(doctor, "Slurm job", CR_HEALTH_FAILED, "use srun --mpi=pmix, or mpirun",
                      "srun started %s tasks, but each sees itself as the only rank", step_tasks);
    else if (n > 1 && wanted > 0 && wanted != n)
        cr_doctor_say(doctor, "Slurm job", CR_HEALTH_WARNING, "start as many ranks as the job has tasks",
                      "%ld tasks (SLURM_NTASKS), %d ranks", wanted, n);
    else
        cr_doctor_say(doctor, "Slurm job", CR_HEALTH_OK, NULL, "job %s on %s, %ld tasks", getenv("SLURM_JOB_ID"),
                      getenv("SLURM_JOB_NODELIST") ? getenv("SLURM_JOB_NODELIST") : "unknown nodes", wanted);
}

void cr_doctor_slurm(cr_doctor *doctor)
{
    char *nodes[] = {"sinfo", "-h", "-o", "%D nodes in %P are %t", NULL}, *types[] = {"srun", "--mpi=list", NULL};
    char text[1024], first[128];
    bool found;
    bool answers = cr_child_run(nodes, patience_s, text, sizeof text, &found);
    if (!found) {
        cr_doctor_say(doctor, "Slurm", CR_HEALTH_ABSENT, NULL, "no sinfo in PATH");
        return;
    }
    snprintf(first, sizeof first, "%.*s", (int)strcspn(text, "\n"), text);
    if (!answers)
        cr_doctor_say(doctor, "Slurm", CR_HEALTH_WARNING, "is slurmctld running, and SLURM_CONF right? sinfo tells",
                      "its programs are here, but no controller answers");
    else
        cr_doctor_say(doctor, "Slurm", CR_HEALTH_OK, NULL, "answers: %s", first[0] ? first : "no nodes");
    if (answers && cr_child_run(types, patience_s, text, sizeof text, &found)) {
        bool has_pmix = strstr(text, "pmix") != NULL;
        cr_doctor_say(doctor, "srun", has_pmix ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                      has_pmix ? NULL : "start with mpirun: CRISOL_LAUNCHER=mpirun in slurm/train.sbatch",
                      has_pmix ? "srun --mpi=pmix can start the ranks" : "srun has no pmix, which Open MPI needs");
    }
    if (getenv("SLURM_JOB_ID"))
        say_job(doctor);
}
