/* The job: trains a run directory, evaluates one. Only these see a whole config. */
#ifndef CRISOL_TRAIN_H
#define CRISOL_TRAIN_H

#include "crisol/comm.h"
#include "crisol/config.h"
#include "crisol/pack.h"
#include "crisol/status.h"

#include <stdbool.h>

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
    bool profile; /* time a layer, printed at the end */
} cr_train_options;

/* Trains until the last epoch, early stopping or a stop request (SIGTERM, SIGINT, SIGUSR1, SIGUSR2: the flag travels
 * with the step's report, so all ranks stop after the same step, save, and return CR_STOPPED).
 * Collective. Errors are agreed: every rank returns the same status. */
CR_NODISCARD cr_status cr_train(cr_comm *comm, const cr_train_options *options);

typedef struct cr_evaluate_options {
    const char *run; /* run directory */
    cr_split split;
    const char *checkpoint; /* "best", "last" or the path of a step-N.json */
    int64_t workers;        /* of a rank; 0: as the run's config says */
    bool quiet;             /* do not print the report */
} cr_evaluate_options;

/* Evaluates a split with a run's checkpoint, each sample exactly once, and writes eval-SPLIT/ (metrics.json,
 * report.txt, confusion.csv, predictions.csv): identical files at any number of ranks. Collective. */
CR_NODISCARD cr_status cr_evaluate(cr_comm *comm, const cr_evaluate_options *options);

#endif
