/* Optimisers, learning-rate schedules and early stopping, each equal to PyTorch's (torch.optim,
 * torch.optim.lr_scheduler). All state is in plain structs and arrays, so that a checkpoint is a copy of them. */
#ifndef CRISOL_OPTIM_H
#define CRISOL_OPTIM_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

typedef enum cr_optimizer_kind {
    CR_OPTIMIZER_ADAMW,
    CR_OPTIMIZER_ADAM,
    CR_OPTIMIZER_SGD
} cr_optimizer_kind;

typedef struct cr_optimizer_params {
    cr_optimizer_kind kind;
    double beta1, beta2, eps; /* Adam, AdamW: .9, .999, 1e-8 */
    double momentum;          /* SGD */
    bool nesterov;            /* SGD */
    double gradient_scale;    /* of every gradient before all else (cr_clip_scale()); 0: as it is */
} cr_optimizer_params;

/* A run of elements with common settings (no decay on biases and norms, learning-rate factor of the backbone, frozen:
 * not in any run). */
typedef struct cr_optimizer_span {
    int64_t begin, end;  /* elements of the flat parameter array */
    double lr_factor;    /* times the schedule's learning rate */
    double weight_decay; /* AdamW: decoupled; Adam, SGD: added to the gradient */
    int64_t skipped;     /* steps of the training in which it was frozen, all before the first: its bias correction and
                            momentum start after them, as those of a parameter without a gradient do in PyTorch */
} cr_optimizer_span;

enum {
    CR_OPTIMIZER_MAX_MOMENTS = 2
};
int cr_optimizer_n_moments(
    const cr_optimizer_params *params); /* arrays as long as the parameters: 2, or 1 for SGD with momentum, or 0 */
const char *cr_optimizer_moment_name(const cr_optimizer_params *params,
                                     int moment); /* "exp_avg", "exp_avg_sq", "momentum_buffer" */

/* One step on elements [begin, end) of the flat arrays, restricted to the spans (sorted, disjoint). Elementwise in
 * float32 with PyTorch's operation order, no fused multiply-add, so any cut into [begin, end) gives the same bits.
 * `step` counts from 1 (bias correction, in double; SGD's momentum buffer starts as the first gradient). Local. */
void cr_optimizer_step(const cr_optimizer_params *params, const cr_optimizer_span *spans, int n_spans, int64_t begin,
                       int64_t end, int64_t step, double lr, const float *gradient, float *parameters,
                       float *const moments[CR_OPTIMIZER_MAX_MOMENTS]);
/* The same in double, for parity and for tests. */
void cr_optimizer_step_f64(const cr_optimizer_params *params, const cr_optimizer_span *spans, int n_spans,
                           int64_t begin, int64_t end, int64_t step, double lr, const double *gradient,
                           double *parameters, double *const moments[CR_OPTIMIZER_MAX_MOMENTS]);

/* Sum of squares in double: partial sums over fixed chunks of 4,096 elements, then a balanced tree over the chunks, so
 * the result does not depend on the caller. Not finite when any element is not. */
double cr_sum_of_squares(const float *values, int64_t n);

/* What gradients are multiplied by so that their norm is at most `limit` > 0: torch.nn.utils.clip_grad_norm_, limit /
 * (norm + 1e-6), at most 1. */
double cr_clip_scale(double sum_of_squares, double limit);

/* Exponential moving average of n parameters, torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay):
 * step 1 copies them, later ones are average.lerp_(parameters, 1 - decay). Elementwise: any cut gives the same bits. */
void cr_ema_update(double decay, int64_t step, int64_t n, const float *parameters, float *average);

/* What a step does to a state: the optimizer on the parameters, their moving average, the running statistics of batch
 * norms. All arrays are [n_params + n_stats], parameters first; n_params is a multiple of 16. */
typedef struct cr_update {
    cr_optimizer_params optimizer;
    const cr_optimizer_span *spans; /* [n_spans] */
    int n_spans;
    int64_t step; /* from 1 */
    double lr;
    int64_t n_params, n_stats;
    int64_t first_stat; /* statistics before it are of frozen layers and stay */
    int64_t n_micro;    /* whose statistics the gradient's last n_stats floats are the sum of */
    double ema_decay;
    const float *gradient;
    float *weights;
    float *moments[CR_OPTIMIZER_MAX_MOMENTS];
    float *ema; /* null: no average is kept */
} cr_update;
/* Does part `part` of `n_parts` of it, on arrays of the host: cr_optimizer_step(), cr_ema_update(), and as
 * torch.nn.BatchNorm2d with momentum 0.1 running = 0.9 · running + 0.1 · (sum / n_micro). The parts may run side by
 * side; their number changes no bit. Local. */
void cr_update_share(const cr_update *update, int n_parts, int part);

typedef enum cr_schedule_kind {
    CR_SCHEDULE_CONSTANT,
    CR_SCHEDULE_STEP,        /* StepLR(step_size, gamma) */
    CR_SCHEDULE_MULTI_STEP,  /* MultiStepLR(milestones, gamma) */
    CR_SCHEDULE_EXPONENTIAL, /* ExponentialLR(gamma) */
    CR_SCHEDULE_COSINE,      /* linear warm-up, then cosine to min_lr */
    CR_SCHEDULE_ONE_CYCLE,   /* OneCycleLR(cycle_momentum=False), one value a step */
    CR_SCHEDULE_PLATEAU      /* ReduceLROnPlateau */
} cr_schedule_kind;

enum {
    CR_SCHEDULE_MAX_MILESTONES = 32
};
typedef struct cr_schedule_params {
    cr_schedule_kind kind;
    double lr;     /* base (one-cycle: its maximum) */
    int64_t total; /* epochs (one-cycle: steps) of the whole training */
    int64_t step_size;
    double gamma;
    int64_t milestones[CR_SCHEDULE_MAX_MILESTONES];
    int n_milestones;
    int64_t warmup; /* epochs before the schedule's epoch 0 (any kind but one-cycle; a plateau does not look at their
                       metrics); 0 = none. lr = base · (start + (1 - start)·e / warmup) */
    double warmup_start; /* factor */
    double min_lr;
    double factor, threshold; /* plateau */
    int64_t patience, cooldown;
    bool maximize; /* plateau: the monitored metric is better when larger */
    bool threshold_absolute;
    double pct_start, div_factor, final_div_factor; /* one-cycle: .3, 25, 1e4 */
    bool anneal_linear;                             /* one-cycle: linear instead of cosine */
    bool three_phase;                               /* one-cycle */
} cr_schedule_params;

typedef struct cr_schedule { /* plain data: a checkpoint stores it through cr_schedule_save */
    cr_schedule_params params;
    int64_t position; /* epochs (one-cycle: steps) done */
    double lr;        /* now */
    double best;      /* plateau */
    int64_t bad, cooldown_left;
} cr_schedule;

/* Errors: CR_BAD_CONFIG naming the setting. */
CR_NODISCARD cr_status cr_schedule_make(const cr_schedule_params *params, cr_schedule *schedule);
bool cr_schedule_is_per_step(const cr_schedule *schedule); /* advance after each step, not after each epoch */
/* Moves to the next epoch (step); `metric` is used by plateau only, NaN counts as no improvement. */
void cr_schedule_advance(cr_schedule *schedule, double metric);
struct json_t *cr_schedule_save(const cr_schedule *schedule); /* position, lr, best, bad, cooldown */
CR_NODISCARD cr_status cr_schedule_restore(cr_schedule *schedule, const struct json_t *saved, const char *where);

typedef struct cr_early_stop {
    bool maximize;
    int64_t patience; /* epochs without improvement that end the training; 0 = never */
    double min_delta; /* better: m < best - min_delta, or m > best + min_delta */
    double best;      /* ±inf at first */
    int64_t bad;
} cr_early_stop;

cr_early_stop cr_early_stop_make(bool maximize, int64_t patience, double min_delta);
/* Reports an epoch's metric; *improved: it is the new best. True: training stops after this epoch. NaN is no
 * improvement. */
bool cr_early_stop_update(cr_early_stop *stop, double metric, bool *improved);
struct json_t *cr_early_stop_save(const cr_early_stop *stop);
CR_NODISCARD cr_status cr_early_stop_restore(cr_early_stop *stop, const struct json_t *saved, const char *where);

#endif
