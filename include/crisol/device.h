/* What this rank computes on. */
#ifndef CRISOL_DEVICE_H
#define CRISOL_DEVICE_H

#include "crisol/backend.h"
#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/reduce.h"

typedef enum cr_device_kind { /* device.name */
    CR_DEVICE_AUTO,
    CR_DEVICE_CPU,
    CR_DEVICE_CUDA
} cr_device_kind;

/* Opens the backend that device.name asks for: on all ranks the CPU's, or on all a GPU's. A rank takes the GPU of its
 * number among the ranks of its host, counted through those that it sees; *n_sharing: the most ranks that have one
 * device, 1 unless device.share allows more. auto: GPUs where every rank can use one, otherwise the CPU, with a line
 * that says why when that may surprise. Errors, the same on all ranks: CR_MISSING when a GPU is asked for and a rank
 * has none; CR_BAD_CONFIG when two ranks would share one by mistake; the backend's. Collective. */
CR_NODISCARD cr_status cr_device_open(cr_comm *comm, const cr_config *config, cr_backend **backend, int *n_sharing);

/* What moves gradients between the ranks then: as device.transport says, but NCCL refuses several ranks on one GPU. */
static inline cr_transport_kind cr_device_transport(const cr_config *config, int n_sharing)
{
    return n_sharing > 1 ? CR_TRANSPORT_MPI : (cr_transport_kind)config->device.transport;
}

#endif
