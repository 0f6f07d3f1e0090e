/* Stands in for src/train/device.c: the CPU backend, whose memory pretends to be a GPU's by having a queue and a lane,
 * so that the program exchanges gradients by NCCL, bucket by bucket: by the fake one beside this file. */
#include "crisol/device.h"

static cr_memory pretended;

static const cr_memory *lane(const cr_memory *memory)
{
    return memory;
}

static cr_status follow(const cr_memory *memory, int mark) /* what it marks is done when the program returns */
{
    (void)memory;
    return mark < CR_MAX_BUCKETS ? CR_OK : cr_fail(CR_INTERNAL, "there is no mark %d", mark);
}

static cr_status join(const cr_memory *memory)
{
    (void)memory;
    return CR_OK;
}

static const cr_memory *memory(const cr_backend *backend)
{
    (void)backend;
    return &pretended;
}

cr_status cr_device_open(cr_comm *comm, const cr_config *config, cr_backend **backend, int *n_sharing)
{
    static cr_backend_ops ops;
    static cr_memory_ops memory_ops;
    static int queue;
    (void)config;
    *n_sharing = 1;
    cr_status status = cr_comm_agree(comm, cr_backend_open_cpu(backend));
    if (status != CR_OK)
        return status;
    pretended = *cr_memory_host(); /* its operations, which a queue's order holds for: they are done at once */
    memory_ops = *pretended.ops;
    memory_ops.lane = lane;
    memory_ops.follow = follow;
    memory_ops.join = join;
    pretended.ops = &memory_ops;
    pretended.queue = &queue;
    ops = *(*backend)->ops;
    ops.memory = memory;
    (*backend)->ops = &ops;
    return CR_OK;
}
