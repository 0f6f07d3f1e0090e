/* Stands in for src/train/device.c: the CPU backend, whose memory pretends to be a GPU's by having a queue, so that the
 * program exchanges gradients by NCCL: by the fake one beside this file. */
#include "crisol/device.h"

static cr_memory pretended;

static const cr_memory *memory(const cr_backend *backend)
{
    (void)backend;
    return &pretended;
}

cr_status cr_device_open(cr_comm *comm, const cr_config *config, cr_backend **backend, int *n_sharing)
{
    static cr_backend_ops ops;
    static int queue;
    (void)config;
    *n_sharing = 1;
    cr_status status = cr_comm_agree(comm, cr_backend_open_cpu(backend));
    if (status != CR_OK)
        return status;
    pretended = *cr_memory_host(); /* its operations, which a queue's order holds for: they are done at once */
    pretended.queue = &queue;
    ops = *(*backend)->ops;
    ops.memory = memory;
    (*backend)->ops = &ops;
    return CR_OK;
}
