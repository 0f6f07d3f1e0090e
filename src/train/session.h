/* Everything that a config names, opened: pack, classes, samples, metadata encoder, network, backend. Training and
 * evaluation start from it. */
#ifndef CRISOL_SESSION_H
#define CRISOL_SESSION_H

#include "crisol/backend.h"
#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/data.h"
#include "crisol/net.h"
#include "crisol/pack.h"
#include "crisol/train.h"

typedef struct cr_session {
    const cr_config *config; /* borrowed */
    cr_comm *comm;           /* borrowed */
    cr_pack *pack;
    int64_t n_classes;
    const char **class_names;       /* [n_classes], borrowed from the pack */
    int32_t *class_of;              /* [pack's classes] → 0 … n_classes-1, or -1 */
    cr_subset subsets[CR_N_SPLITS]; /* samples of the chosen classes */
    cr_encoder *encoder;            /* null when the net uses no metadata */
    cr_fusion_params model;         /* what the net is made from */
    cr_net *net;
    cr_backend *backend;             /* of this rank's device */
    cr_plans plans;                  /* that it takes engines from; empty unless they are measured */
    int ranks_per_device;            /* the most that share one */
    float *kept_images[CR_N_SPLITS]; /* [subset's samples, 224, 224, 3] bytes in the backend's memory, or null: the
                                        loader reads them (resident.h) */
    float *class_weights;            /* [n_classes], or null */
} cr_session;

/* The config as a run directory has it. Errors: CR_MISSING when it is none. Local. */
CR_NODISCARD cr_status cr_session_read_config(const char *run, cr_config **config);

/* loss.class_weights, one a class of the session. Local. */
CR_NODISCARD cr_status cr_session_weigh_classes(cr_session *session);

/* Collective: a rank that cannot open its pack makes every rank return its error. */
CR_NODISCARD cr_status cr_session_open(cr_comm *comm, const cr_config *config, cr_session *session);
void cr_session_close(cr_session *session);

/* In whose pinned arrays a loader leaves a split's images; null where none come through it: the net reads none, or the
 * device keeps them. */
const cr_memory *cr_session_loads_images(const cr_session *session, cr_split split);

/* Floats of a state: parameters and statistics. */
int64_t cr_session_state_count(const cr_session *session);
/* Σ class weight of the labels. */
double cr_session_weight_sum(const cr_session *session, const int32_t *labels, int64_t n);

#endif
