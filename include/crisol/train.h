/* The job: trains a run directory, evaluates one. Only these see a whole config. */
#ifndef CRISOL_TRAIN_H
#define CRISOL_TRAIN_H

#include "crisol/augment.h"
#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdbool.h>

struct json_t;

/* What the config asks of samples. Errors: CR_BAD_CONFIG naming the setting. Local. */
CR_NODISCARD cr_status cr_train_augmentation(const cr_config *config, cr_augment_options *augment, cr_mix_options *mix);

/* Writes what --device and --share-device say into a config; null and false change nothing. Errors: CR_BAD_CONFIG.
 * Local. */
CR_NODISCARD cr_status cr_train_set_device(cr_config *config, const char *name, bool share);

typedef enum cr_resume {
    CR_RESUME_AUTO,  /* go on from the newest good checkpoint, start where there is none */
    CR_RESUME_NEVER, /* refuse a run directory that has a checkpoint */
    CR_RESUME_MUST   /* refuse one that has none */
} cr_resume;

typedef struct cr_train_options {
    const cr_config *config;
    const char *output;  /* run directory */
    const char *command; /* the command line, for the record */
    cr_resume resume;
    bool profile;        /* time a layer, printed at the end */
    const char *repeats; /* run directory of another training, whose measured engines this one takes; null: none */
    /* What a sweep adds. */
    bool is_part;       /* `comm` is one of several groups of this job, not all of it */
    struct cr_run *run; /* of rank 0: `output`, opened and taken already, borrowed; null: it is taken here */
    /* Called on rank 0 when an epoch's figures are in journal and metrics.csv, before its checkpoint; `epoch` counts
     * from 1. Called again for the epoch that a training resumes behind. Without *go_on the training saves and returns
     * CR_STOPPED, on all ranks; after the last epoch it has no effect. Null on all ranks, or on none. */
    cr_status (*epoch_ended)(void *context, int64_t epoch, double metric, bool *go_on);
    void *context;
} cr_train_options;

/* cr_record_facts() with every library that this process runs on: cuDNN and NCCL once it has used them. */
struct json_t *cr_train_facts(void);

/* Trains until the last epoch, early stopping or a stop request (SIGTERM, SIGINT, SIGUSR1, SIGUSR2: the flag travels
 * with the step's report, so all ranks stop after the same step, save, and return CR_STOPPED).
 * Collective. Errors are agreed: every rank returns the same status. */
CR_NODISCARD cr_status cr_train(cr_comm *comm, const cr_train_options *options);

/* A signal that stops trainings has come to this process; one that comes from the first call on counts. Local. */
bool cr_train_is_stopped(void);

/* The epoch's figure to watch is better when larger: train.mode, or by its name. */
bool cr_monitor_is_maximized(const cr_config *config);

typedef struct cr_evaluate_options {
    const char *run; /* run directory */
    cr_split split;
    const char *checkpoint; /* "best", "last" or the path of a step-N.json */
    int64_t workers;        /* of a rank; 0: as the run's config says */
    const char *device;     /* "auto", "cpu" or "cuda"; null: as the run's config says */
    bool share_device;      /* several ranks on one GPU, also where the run's config does not say so */
    bool quiet;             /* do not print the report */
    bool importance;        /* also importance.csv, which costs one more pass over the images */
} cr_evaluate_options;

/* Evaluates a split with a run's checkpoint, each sample exactly once, and writes eval-SPLIT/ (docs/evaluation.md says
 * what is in it): identical files at any number of ranks. Collective. */
CR_NODISCARD cr_status cr_evaluate(cr_comm *comm, const cr_evaluate_options *options);

/* Prints how a safetensors file fits as pretrained weights of a backbone (cr_net_backbone_name()); `list`: tensor by
 * tensor. Errors: CR_BAD_DATA when model.weights would refuse it, naming what is wrong. Local. */
CR_NODISCARD cr_status cr_import(const char *file, const char *backbone, bool list);

typedef struct cr_export_options {
    const char *run;        /* run directory */
    const char *checkpoint; /* "best", "last" or the path of a step-N.json */
    const char *output;     /* safetensors file, replaced when it exists */
} cr_export_options;

/* Writes a checkpoint's weights and statistics as float32 under the names that PyTorch's modules give them, with each
 * batch norm's num_batches_tracked (the step), and nothing of the optimizer. Needs no pack. Local. */
CR_NODISCARD cr_status cr_export(const cr_export_options *options);

#endif
