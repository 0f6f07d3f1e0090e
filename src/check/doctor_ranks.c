/* Ranks: whether they can be started and add up. */
#include "doctor.h"

#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/libraries.h"
#include "crisol/record.h"
#include "crisol/reduce.h"
#include "crisol/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FLOATS = 1 << 21, /* 8 MiB: small enough to be quick, large enough to see a bandwidth */
    ROUNDS = 3
};
static const double patience_s = 10;

typedef struct leaves {
    cr_reducer *reducer;
    int rank;
} leaves;

/* Rank r's only leaf is (r + 1) · (i mod 1024), so every sum is exact. */
static cr_status write_leaf(void *context, int worker)
{
    const leaves *l = context;
    cr_tree_stack *stack = cr_reducer_stack(l->reducer, worker);
    cr_tree_stack_reset(stack);
    float *at = cr_tree_stack_leaf(stack);
    for (int i = 0; i < FLOATS; i++)
        at[i] = (float)((l->rank + 1) * (i % 1024));
    return cr_tree_stack_push(stack);
}

static cr_status check_sum(const float *sum, int size)
{
    int all = size * (size + 1) / 2;
    for (int i = 0; i < FLOATS; i++)
        if (sum[i] != (float)(all * (i % 1024)))
            return cr_fail(CR_INTERNAL, "number %d of a sum over %d ranks is %g instead of %d", i, size, (double)sum[i],
                           all * (i % 1024));
    return CR_OK;
}

static cr_status time_sums(cr_comm *comm, double *best_s, int64_t *sent)
{
    cr_workers *workers = NULL;
    cr_reducer *reducer = NULL;
    int size = cr_comm_size(comm);
    cr_status status = CR_OK;
    cr_reducer_params params = {.n = FLOATS, .n_leaves = size, .n_workers = 1};
    CR_TRY(cr_comm_agree(comm, cr_workers_create(1, &workers)));
    CR_TRY(cr_reducer_create(comm, &params, &reducer));
    leaves l = {reducer, cr_comm_rank(comm)};
    for (int round = 0; round < ROUNDS; round++) {
        const float *sum;
        CR_TRY(cr_workers_run(workers, write_leaf, &l));
        CR_TRY(cr_comm_barrier(comm));
        double start = cr_clock_s();
        CR_TRY(cr_reducer_sum(reducer, workers, &sum));
        double seconds = cr_clock_s() - start;
        *best_s = round == 0 || seconds < *best_s ? seconds : *best_s;
        CR_TRY(cr_comm_agree(comm, check_sum(sum, size)));
    }
    double unused;
    cr_reducer_cost(reducer, sent, &unused);
done:
    cr_reducer_destroy(&reducer);
    cr_workers_destroy(&workers);
    return status;
}

/* The cores of every rank, as "0, 1": what the launcher's binding makes of them. */
static cr_status list_cores(cr_comm *comm, char *text, size_t bytes)
{
    char mine[64] = "";
    int size = cr_comm_size(comm);
    cr_status status = CR_OK;
    char *all = calloc((size_t)size, sizeof mine);
    cr_record_cores(mine, sizeof mine);
    CR_TRY(cr_comm_agree(comm, all ? CR_OK : cr_fail_memory("cores", sizeof mine)));
    CR_TRY(cr_comm_allgather(comm, mine, sizeof mine, all));
    text[0] = 0;
    for (int r = 0; r < size && r < 8; r++)
        snprintf(text + strlen(text), bytes - strlen(text), "%s%s", r ? ", " : "", all + (size_t)r * sizeof mine);
    if (size > 8)
        snprintf(text + strlen(text), bytes - strlen(text), ", …");
done:
    free(all);
    return status;
}

cr_status cr_doctor_sum(cr_doctor *doctor)
{
    char cores[768];
    double seconds = 0;
    int64_t sent = 0;
    int size = cr_comm_size(doctor->comm);
    bool is_pinned = cr_cores_available() * cr_comm_local_size(doctor->comm) < sysconf(_SC_NPROCESSORS_ONLN);
    cr_status status = list_cores(doctor->comm, cores, sizeof cores);
    if (status == CR_OK)
        status = time_sums(doctor->comm, &seconds, &sent);
    if (status == CR_INTERNAL)
        cr_doctor_say(doctor, "reduction", CR_HEALTH_FAILED, "look at the MPI library: mpirun --version, ompi_info",
                      "%s", cr_error_message());
    else if (size == 1)
        cr_doctor_say(doctor, "reduction", CR_HEALTH_OK, NULL, "adds up, in a group of one");
    else
        cr_doctor_say(doctor, "reduction", CR_HEALTH_OK,
                      is_pinned ? "for several workers a rank: mpirun --bind-to none" : NULL,
                      "%d ranks by %s add up exactly; %.2f GB/s a rank; their cores: %s", size,
                      cr_comm_library(doctor->comm), seconds > 0 ? (double)sent / seconds / 1e9 : 0, cores);
    return status == CR_INTERNAL ? CR_OK : status;
}

cr_status cr_doctor_share(cr_doctor *doctor)
{
    cr_run *run = NULL;
    char token[CR_HASH_TEXT] = "", name[64] = "", *folder = NULL;
    cr_status status = CR_OK, mine = CR_OK;
    long pid = (long)getpid();
    CR_TRY(cr_comm_broadcast(doctor->comm, &pid, sizeof pid, 0));
    snprintf(name, sizeof name, ".crisol-doctor-share-%ld", pid);
    folder = cr_path_join(doctor->folder, name);
    if (cr_comm_rank(doctor->comm) == 0) {
        mine = folder ? cr_run_open(folder, &run) : cr_fail_memory("a path", 1);
        if (mine == CR_OK)
            mine = cr_run_take(run, 1);
        if (mine == CR_OK)
            snprintf(token, sizeof token, "%s", cr_run_token(run));
    }
    mine = cr_comm_agree(doctor->comm, mine);
    CR_TRY(cr_comm_broadcast(doctor->comm, token, sizeof token, 0));
    if (mine == CR_OK && folder && cr_comm_rank(doctor->comm) > 0)
        mine = cr_run_find_token(folder, token, 3);
    mine = cr_comm_agree(doctor->comm, mine);
    if (mine != CR_OK)
        cr_doctor_say(doctor, "shared folder", CR_HEALTH_FAILED,
                      "choose a folder on a file system that all nodes mount", "%s", cr_error_message());
    else
        cr_doctor_say(doctor, "shared folder", CR_HEALTH_OK, NULL, "all %d ranks see %s", cr_comm_size(doctor->comm),
                      doctor->folder);
    cr_run_close(&run);
    if (folder && cr_comm_rank(doctor->comm) == 0)
        cr_doctor_remove_run(folder);
done:
    free(folder);
    return status;
}

static void say_outcome(cr_doctor *doctor, bool worked, bool found, char *text)
{
    static const char sign[] = "reduction: "; /* cr_doctor_say's line of the ranks */
    char *line = strstr(text, sign);
    if (!found)
        cr_doctor_say(doctor, "mpirun", CR_HEALTH_ABSENT, "for several ranks install openmpi-bin, or load its module",
                      "not in PATH: one rank only");
    else if (!worked || !line)
        cr_doctor_say(doctor, "mpirun", CR_HEALTH_FAILED, "try: mpirun -n 2 crisol doctor",
                      "two ranks did not add up within %.0f s", patience_s);
    else {
        line[strcspn(line, "\n")] = 0;
        cr_doctor_say(doctor, "mpirun", CR_HEALTH_OK, NULL, "%s", line + strlen(sign));
    }
}

void cr_doctor_launch(cr_doctor *doctor)
{
    char self[4096] = "", text[4096];
    bool found = false, is_root = geteuid() == 0;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *arguments[] = {"mpirun", "-n", "2", "--oversubscribe", self, "doctor", "--ranks", NULL};
    cr_doctor_say(doctor, "MPI", CR_HEALTH_OK, NULL, "%s", cr_comm_libraries());
    if (length < 1)
        return;
    bool allowed = getenv("OMPI_ALLOW_RUN_AS_ROOT") && getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
    if (is_root && !allowed) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    }
    bool worked = cr_child_run(arguments, patience_s, text, sizeof text, &found);
    say_outcome(doctor, worked, found, text);
    if (found && is_root && !allowed)
        cr_doctor_say(doctor, "mpirun as root", CR_HEALTH_WARNING,
                      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1, or use another account",
                      "Open MPI refuses to start as root unless told twice");
}
