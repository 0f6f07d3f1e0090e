/* What is wrong with the way a training was started, said before its first step. */
#include "trainer.h"

#include "crisol/log.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct facts { /* of a rank */
    char binary[CR_HASH_TEXT];
    char library[96];
    int32_t cores;          /* that this process may use */
    int32_t launcher_cores; /* that the process that started it may use: more of them, when the launcher pinned it */
    int32_t busy;           /* workers x threads */
    int32_t wanted;         /* what it would use if it were not pinned */
    int32_t local_rank, local_size;
} facts;

/* Threads of a process may be spread over at most as many cores as its mask has. */
static int32_t count_cores(pid_t pid)
{
    cpu_set_t *set = CPU_ALLOC(1 << 16);
    size_t bytes = CPU_ALLOC_SIZE(1 << 16);
    int32_t n = 0;
    if (set && !sched_getaffinity(pid, bytes, set))
        n = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    return n;
}

static cr_status collect(const cr_trainer *trainer, facts *mine)
{
    uint64_t bytes;
    int32_t threads = (int32_t)trainer->config->cpu.threads;
    int64_t n_local = trainer->last - trainer->first;
    *mine = (facts){.cores = count_cores(0),
                    .launcher_cores = count_cores(getppid()),
                    .busy = trainer->team.n_workers * threads,
                    .local_rank = cr_comm_local_rank(trainer->comm),
                    .local_size = cr_comm_local_size(trainer->comm)};
    if (mine->launcher_cores < mine->cores)
        mine->launcher_cores = mine->cores;
    int64_t share = mine->launcher_cores / (mine->local_size * threads);
    bool is_fixed = trainer->config->cpu.workers > 0 || !cr_memory_is_host(trainer->state.memory);
    int64_t workers = is_fixed ? trainer->team.n_workers : share < n_local ? share : n_local;
    mine->wanted = (int32_t)workers * threads;
    snprintf(mine->library, sizeof mine->library, "%s", cr_backend_library(trainer->session.backend));
    return cr_hash_file("/proc/self/exe", &bytes, mine->binary);
}

static cr_status check_binaries(const facts *all, int n, bool speaks)
{
    for (int r = 1; r < n; r++)
        /* all ranks agreed that they have `all` */
        if (strcmp(all[r].binary, all[0].binary) != 0) // NOLINT(clang-analyzer-core.NonNullParamChecker)
            return cr_fail(CR_BAD_CONFIG,
                           "rank %d runs another crisol than rank 0 (program files %.8s and %.8s); start the same file "
                           "on all nodes",
                           r, all[r].binary, all[0].binary);
    for (int r = 1; r < n; r++)
        if (speaks && strcmp(all[r].library, all[0].library) != 0) {
            cr_log_warning("rank %d computes with %s, rank 0 with %s: the result's bits depend on which rank "
                           "computes what",
                           r, all[r].library, all[0].library);
            break;
        }
    return CR_OK;
}

static void warn_about_cores(const facts *all, int n)
{
    for (int r = 0; r < n; r++)
        if (all[r].cores > 0 && all[r].cores < all[r].wanted) {
            cr_log_warning("rank %d is pinned to %d core%s, but has work for %d; start with mpirun --bind-to none "
                           "or srun --cpus-per-task=%d",
                           r, all[r].cores, all[r].cores > 1 ? "s" : "", all[r].wanted, all[r].wanted);
            break;
        }
    for (int r = 0; r < n; r++) {
        int total = all[r].busy * all[r].local_size;
        if (all[r].local_rank == 0 && all[r].launcher_cores > 0 && total > all[r].launcher_cores) {
            cr_log_warning("%d ranks x %d threads on the node of rank %d share %d cores; start fewer ranks there, "
                           "or set cpu.workers",
                           all[r].local_size, all[r].busy, r, all[r].launcher_cores);
            break;
        }
    }
}

/* A launcher that Open MPI does not know starts N trainings of one rank each. */
static cr_status check_slurm(int n_ranks, bool speaks)
{
    const char *tasks = getenv("SLURM_NTASKS"), *in_step = getenv("SLURM_STEP_NUM_TASKS");
    long n_tasks = tasks ? strtol(tasks, NULL, 10) : 0;
    if (n_ranks == 1 && in_step && strtol(in_step, NULL, 10) > 1 && !getenv("OMPI_COMM_WORLD_SIZE"))
        return cr_fail(CR_BAD_CONFIG,
                       "srun started %s tasks, but MPI sees one; use srun --mpi=pmix (srun --mpi=list names what there "
                       "is) or mpirun",
                       in_step);
    if (speaks && n_tasks > 0 && n_tasks != n_ranks)
        cr_log_warning("Slurm gave room for %ld tasks (SLURM_NTASKS), but there are %d ranks", n_tasks, n_ranks);
    return CR_OK;
}

/* One that is being written and one that stands; those that exist already count. */
static cr_status check_room(const cr_trainer *trainer)
{
    struct statvfs disk;
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    const char *folder = trainer->options->output;
    double bytes = (double)trainer->state.n * sizeof(float) * (1 + trainer->state.n_moments) + 65536;
    cr_status status = cr_checkpoint_list(folder, &list, &n, NULL);
    free(list);
    if (status != CR_OK)
        return status;
    double needed = n > 0 ? bytes : 2 * bytes;
    if (statvfs(folder, &disk))
        return cr_fail_errno("%s: cannot ask for the room on its disk", folder);
    double free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    if (free_bytes < needed)
        return cr_fail(CR_IO, "%s: No space for checkpoints: %.1f MB are free, %.1f MB are needed", folder,
                       free_bytes / 1e6, needed / 1e6);
    return CR_OK;
}

cr_status cr_trainer_preflight(cr_trainer *trainer)
{
    cr_comm *comm = trainer->comm;
    int n = cr_comm_size(comm);
    char token[CR_HASH_TEXT] = "";
    facts mine;
    cr_status status = CR_OK;
    facts *all = calloc((size_t)n, sizeof *all);
    CR_TRY(cr_comm_agree(comm, all ? collect(trainer, &mine) : cr_fail_memory("facts of ranks", sizeof *all)));
    CR_TRY(cr_comm_allgather(comm, &mine, sizeof mine, all));
    CR_TRY(check_binaries(all, n, trainer->run)); /* alike on every rank */
    if (!trainer->options->is_part)
        CR_TRY(check_slurm(n, trainer->run));
    if (trainer->run) {
        warn_about_cores(all, n);
        status = check_room(trainer);
        snprintf(token, sizeof token, "%s", cr_run_token(trainer->run));
    }
    CR_TRY(cr_comm_agree(comm, status));
    CR_TRY(cr_comm_broadcast(comm, token, sizeof token, 0));
    if (!trainer->run)
        status = cr_run_find_token(trainer->options->output, token, 5);
    status = cr_comm_agree(comm, status);
done:
    free(all);
    return status;
}
