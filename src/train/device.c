#include "crisol/device.h"

#include "crisol/log.h"
#include "crisol/reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cr_status open_cpu(cr_comm *comm, cr_backend **backend)
{
    return cr_comm_agree(comm, cr_backend_open_cpu(backend));
}

#if CRISOL_CUDA
typedef struct finding { /* what a rank has, as it travels */
    int32_t n;           /* GPUs */
    int32_t pick;        /* its own among them */
    int32_t is_half_there;
    char why_not[sizeof((cr_cuda_devices *)NULL)->why_not];
    cr_cuda_device device;
} finding;

static cr_status look(cr_comm *comm, finding *mine)
{
    cr_cuda_devices *found = calloc(1, sizeof *found);
    if (!found)
        return cr_fail_memory("a list of GPUs", sizeof *found);
    cr_cuda_devices_find(found);
    mine->n = found->n;
    mine->is_half_there = found->is_half_there;
    memcpy(mine->why_not, found->why_not, sizeof mine->why_not);
    if (found->n > 0) {
        mine->pick = cr_comm_host_rank(comm) % found->n; /* where each sees only its own, they all are number 0 */
        mine->device = found->devices[mine->pick];
    }
    free(found);
    return CR_OK;
}

/* The first rank that has no GPU, or -1. */
static int find_without(const finding *all, int n_ranks)
{
    for (int r = 0; r < n_ranks; r++)
        if (all[r].n == 0)
            return r;
    return -1;
}

/* Nothing to say on a machine that never had a GPU. */
static void say_why_cpu(const finding *all, int n_ranks, int without)
{
    bool surprises = false;
    for (int r = 0; r < n_ranks; r++)
        surprises = surprises || all[r].n > 0 || all[r].is_half_there;
    for (int r = 0; r < n_ranks && !all[without].is_half_there; r++) /* rather the one that nearly has one */
        if (all[r].is_half_there)
            without = r;
    if (surprises)
        cr_log_info("computing on the CPU: rank %d has no GPU: %s", without, all[without].why_not);
}

/* A device's UUID is the same wherever it is seen from, so ranks of other hosts never match. */
static cr_status check_sharing(const finding *all, int n_ranks, const cr_config *config, int *n_sharing)
{
    for (int r = 1; r < n_ranks; r++) {
        int n = 1;
        for (int s = 0; s < r; s++) {
            if (strcmp(all[s].device.uuid, all[r].device.uuid) != 0)
                continue;
            n++;
            *n_sharing = n > *n_sharing ? n : *n_sharing;
            if (!config->device.share)
                return cr_fail(CR_BAD_CONFIG,
                               "ranks %d and %d would share one GPU (%s, %s), which is slower than one rank; start one "
                               "rank a GPU, or say --share-device",
                               s, r, all[r].device.name, all[r].device.uuid);
            if (config->device.transport == CR_TRANSPORT_NCCL)
                return cr_fail(CR_BAD_CONFIG,
                               "device.transport: NCCL refuses several ranks on one GPU (%d and %d on %s); set mpi", s,
                               r, all[r].device.uuid);
        }
    }
    return CR_OK;
}

cr_status cr_device_open(cr_comm *comm, const cr_config *config, cr_backend **backend, int *n_sharing)
{
    cr_status status = CR_OK;
    int n_ranks = cr_comm_size(comm);
    finding mine = {0}, *all = NULL;
    *n_sharing = 1;
    if (config->device.name == CR_DEVICE_CPU)
        return open_cpu(comm, backend);
    all = calloc((size_t)n_ranks, sizeof *all);
    CR_TRY(cr_comm_agree(comm, all ? look(comm, &mine) : cr_fail_memory("GPUs of ranks", sizeof *all)));
    CR_TRY(cr_comm_allgather(comm, &mine, sizeof mine, all));
    int without = find_without(all, n_ranks);
    if (without >= 0 && config->device.name == CR_DEVICE_CUDA) {
        status = cr_fail(CR_MISSING, "device.name is cuda, but rank %d has no GPU: %s", without, all[without].why_not);
    } else if (without >= 0) {
        say_why_cpu(all, n_ranks, without);
        status = open_cpu(comm, backend);
    } else {
        CR_TRY(check_sharing(all, n_ranks, config, n_sharing));
        status = cr_comm_agree(comm, cr_backend_open_cuda(mine.pick, backend));
    }
done:
    free(all);
    return status;
}
#else
cr_status cr_device_open(cr_comm *comm, const cr_config *config, cr_backend **backend, int *n_sharing)
{
    *n_sharing = 1;
    if (config->device.name == CR_DEVICE_CUDA)
        return cr_fail(CR_MISSING, "device.name is cuda, but this crisol was built without CUDA");
    return open_cpu(comm, backend);
}
#endif
