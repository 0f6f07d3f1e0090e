/* The trainer's parts, shared by the files of this folder: trainer.c is the loop, train_step.c one step, train_epoch.c
 * what ends an epoch, train_checkpoint.c saving and resuming, train_setup.c making and unmaking. */
#ifndef CRISOL_TRAINER_H
#define CRISOL_TRAINER_H

#include "crisol/metrics.h"
#include "crisol/optim.h"
#include "crisol/train.h"
#include "saver.h"
#include "split_logits.h"

typedef struct cr_epoch_sums { /* of the steps of the current epoch; the same on every rank; part of a checkpoint */
    double loss, weight;       /* Σ numerators, Σ class weights */
    cr_confusion confusion;
} cr_epoch_sums;

typedef struct cr_loss_sums { /* of the steps since the journal's latest line about one; the same on every rank */
    double loss, weight;
} cr_loss_sums;

typedef struct cr_phase_times { /* seconds of this rank since the epoch began */
    double wait, compute, reduce, update;
    int64_t n_samples; /* global */
} cr_phase_times;

typedef struct cr_step_row { /* what ranks tell each other about one sample, or (first row of a rank) about themselves
                              */
    double loss;             /* numerator */
    int32_t prediction;      /* first row: the rank's cr_status */
    int32_t wishes;          /* first row: CR_WISH_… */
} cr_step_row;
enum {
    CR_WISH_STOP = 1, /* asked to stop, or out of time */
    CR_WISH_SAVE = 2  /* a checkpoint is due; only rank 0 says so */
};

typedef struct cr_save_times { /* rank 0 decides when a checkpoint is due */
    int64_t step;              /* of the latest save */
    double start_s;            /* its beginning, cr_clock_s() */
    double cost_s;             /* writing and stall of the latest that succeeded; 0 before */
    int n_failures;            /* in a row */
    bool must_succeed;         /* the training ends with it */
} cr_save_times;

typedef struct cr_time_left { /* rank 0 decides when to stop for want of time */
    double end_s;             /* cr_clock_s() at which all must be over; INFINITY: never */
    double step_s;            /* of a slow step lately */
    double last_s;            /* when the latest step was reported */
    double epoch_end_s;       /* how long the latest validation and what goes with it took, 0 before */
    bool is_over;
} cr_time_left;

typedef struct cr_trainer {
    const cr_train_options *options;
    const cr_config *config;
    cr_comm *comm;
    cr_session session;
    cr_team team;
    cr_reducer *reducer;
    cr_loader *loader;
    cr_model_state state;
    cr_run *run;     /* rank 0 of a training that writes, otherwise null */
    cr_saver *saver; /* likewise */
    cr_save_times saves;
    cr_time_left time;

    cr_augment_options augment;
    cr_mix_options mix;
    cr_optimizer_params optimizer;
    cr_optimizer_span *spans; /* [n_spans] groups of parameters */
    int n_spans;
    int64_t n_frozen_stats; /* statistics that stay, before all others */
    cr_schedule schedule;
    cr_early_stop stop;
    bool maximize;
    double metric; /* latest monitored value, NaN before the first */

    /* where the training stands */
    int64_t epoch, step_in_epoch, step; /* step counts over all epochs */
    int64_t steps_per_epoch, start_step;
    cr_epoch_sums sums;
    cr_loss_sums lately;

    /* one step's arrays */
    int64_t n_micro;                  /* W */
    int64_t first, last;              /* this rank's micro-batches [first, last) */
    int64_t n_local;                  /* its samples */
    int64_t *order;                   /* [training samples] positions in the order of the epoch */
    int64_t *samples;                 /* [n_local] pack sample numbers */
    cr_augment *augments;             /* [n_local] */
    cr_mix *mixes;                    /* [n_local], null without mixing */
    float *targets;                   /* [n_local, n_classes], null without mixing */
    int32_t *labels;                  /* [batch] of the global batch */
    float *logits;                    /* [n_local, n_classes] */
    double *losses;                   /* [n_local] */
    cr_step_row *rows;                /* [ranks + batch]: each rank's head, then its samples */
    size_t *row_counts, *row_offsets; /* [ranks], bytes */

    cr_phase_times times;
    double epoch_start_s;
    bool stop_agreed, save_agreed;
} cr_trainer;

/* Everything that steps need; without options->output no run directory, and nothing is ever written. Collective. */
CR_NODISCARD cr_status cr_trainer_create(cr_comm *comm, const cr_train_options *options, cr_trainer *trainer);
void cr_trainer_destroy(cr_trainer *trainer);
/* The way of the samples: images that the device keeps, the loader for everything else. Collective. */
CR_NODISCARD cr_status cr_trainer_open_samples(cr_trainer *trainer);

/* Layers that are frozen in the current epoch; -1: the network lacks the stage that is named. */
int cr_trainer_frozen_layers(const cr_trainer *trainer);
/* Groups and programs for the current epoch. Local. */
CR_NODISCARD cr_status cr_trainer_choose_parts(cr_trainer *trainer);
/* Moves weights, their average and the running statistics by one step. Local. */
CR_NODISCARD cr_status cr_trainer_update(cr_trainer *trainer, const float *gradient, double sum_of_squares);

bool cr_trainer_mixes(const cr_trainer *trainer);
/* What the loss of the current step's global batch is divided by: Σ class weights of its labels, or with mixing its
 * samples. */
double cr_trainer_weight_sum(const cr_trainer *trainer);
/* Partners and soft targets of this rank's samples. */
void cr_trainer_draw_mixes(cr_trainer *trainer, const cr_loaded *batch);

/* Looks at what would cost hours or a night if it were found out later: one clear line each, as a warning or an error.
 * Collective. */
CR_NODISCARD cr_status cr_trainer_preflight(cr_trainer *trainer);

/* Order and learning layers of the current epoch, its times from now on, the first samples asked for. Collective. */
CR_NODISCARD cr_status cr_trainer_begin_epoch(cr_trainer *trainer);
/* Asks the loader for this rank's samples of a step of the current epoch. */
void cr_trainer_request(cr_trainer *trainer, int64_t step_in_epoch);
/* One step: wait → forward/backward → report → gradient tree → update. Collective. */
CR_NODISCARD cr_status cr_trainer_step(cr_trainer *trainer);

/* Whether an epoch will have the figure that train.monitor names. Local. Errors: CR_BAD_CONFIG with those that there
 * are. */
CR_NODISCARD cr_status cr_trainer_check_monitor(const cr_trainer *trainer);
/* Validation, schedule, early stopping, journal, metrics.csv; *finished: no further epoch. Collective. */
CR_NODISCARD cr_status cr_trainer_end_epoch(cr_trainer *trainer, bool *improved, bool *finished);
/* The epoch's sums back to zero. */
void cr_trainer_clear_sums(cr_trainer *trainer);

/* Saves the state between two steps after all ranks agreed on the weights' hash: rank 0 copies it and writes it while
 * the training goes on, or with `wait` before this returns. A former save is waited for. Collective. */
CR_NODISCARD cr_status cr_trainer_save(cr_trainer *trainer, bool wait);
/* Looks, or with `wait` waits, for the outcome of the save that was started, and puts it into the journal. Fails when
 * training on makes no sense: the third failure in a row, weights that are no numbers, a run directory that another
 * job has taken over. Local. */
CR_NODISCARD cr_status cr_trainer_settle(cr_trainer *trainer, bool wait);
/* By rank 0's clock and steps, after the step that is being done, a checkpoint is due. Local. */
bool cr_trainer_save_is_due(const cr_trainer *trainer);
/* Finds out when the training has to be over: train.time_limit from now on, and the end of the Slurm job. Local. */
void cr_trainer_find_end(cr_trainer *trainer);
/* On rank 0: one step more, what ends an epoch if that comes with it, and a checkpoint would not fit in. Once a step.
 * Local. */
bool cr_trainer_is_out_of_time(cr_trainer *trainer);
/* Goes on from the newest good checkpoint, as options->resume says. *resumed: there was one. Collective. */
CR_NODISCARD cr_status cr_trainer_resume(cr_trainer *trainer, bool *resumed);
/* Hash of this rank's weights. */
CR_NODISCARD cr_status cr_trainer_hash(const cr_trainer *trainer, char hash[CR_HASH_TEXT]);

/* Appends an event to the journal on rank 0; `fields` (made on every rank) is stolen. Collective. */
CR_NODISCARD cr_status cr_trainer_journal(cr_trainer *trainer, const char *event, struct json_t *fields);
/* Rank 0 writes config.yaml, and begins record.json or adds this start to it. Collective. */
CR_NODISCARD cr_status cr_trainer_write_record(cr_trainer *trainer, bool resumed);
/* Rank 0: the epoch that ended, with its figures by name, into record.json. Local. */
CR_NODISCARD cr_status cr_trainer_record_epoch(cr_trainer *trainer, const struct json_t *figures, const char *hash);
/* Rank 0: how this start ended; keeps the thread's message. Local. */
void cr_trainer_end_record(cr_trainer *trainer, cr_status outcome);

#endif
