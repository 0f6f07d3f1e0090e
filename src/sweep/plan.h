/* What a sweep file says, and the trials that follow from it. A *point* is a combination of values; a *trial* is a
 * point with one seed. */
#ifndef CRISOL_SWEEP_PLAN_H
#define CRISOL_SWEEP_PLAN_H

#include "crisol/config.h"
#include "crisol/hash.h"
#include "crisol/sweep.h"
#include "crisol/yaml.h"

enum {
    CR_SWEEP_MAX_PARAMETERS = 32, /* as many dimensions as sobol.c has */
    CR_SWEEP_MAX_TRIALS = 100000,
    CR_SWEEP_MAX_SEEDS = 30,
    CR_TRIAL_ID = 17 /* 16 hexadecimal digits and NUL */
};

typedef enum cr_sweep_method {
    CR_SWEEP_GRID,
    CR_SWEEP_RANDOM,
    CR_SWEEP_SOBOL,
    CR_SWEEP_HALVING /* random points, pruned by halving */
} cr_sweep_method;

typedef enum cr_prune_rule {
    CR_PRUNE_NONE,
    CR_PRUNE_MEDIAN,
    CR_PRUNE_HALVING
} cr_prune_rule;

typedef struct cr_prune {
    cr_prune_rule rule;
    int64_t epochs; /* before which nothing is pruned; halving: the first rung */
    int64_t trials; /* median: that must be done before anything is pruned */
    int64_t factor; /* halving: one in so many goes on from a rung to the next, which is so many times as far */
} cr_prune;

typedef struct cr_parameter {
    char *name;                 /* dotted, owned */
    const cr_yaml_node *values; /* a list; null: a range */
    double *shares;             /* [n_values] of the weights, adding up to 1; null: all alike */
    bool is_integer, is_log;
    double low, high;
    int64_t steps; /* of a range in a grid, 0: not given */
} cr_parameter;

typedef struct cr_point {
    double *coordinates; /* [n_parameters]: the index of a value, or a range's value */
    char **texts;        /* [n_parameters]: the values as the config prints them */
} cr_point;

typedef struct cr_trial {
    char id[CR_TRIAL_ID];
    int64_t point;
    uint64_t seed; /* train.seed */
} cr_trial;

struct cr_sweep {
    char *path, *folder; /* of the file; absolute */
    cr_yaml *yaml;
    char *base; /* base config with everything but parameters, seed: YAML */
    char pack_id[64];
    char *weights; /* the file of pretrained weights that was hashed last */
    char weights_hash[CR_HASH_TEXT];

    cr_parameter *parameters; /* [n_parameters] */
    int n_parameters;
    cr_sweep_method method;
    cr_prune prune;
    uint64_t seed; /* of random points */
    char *metric;  /* train.monitor */
    bool maximize;
    int64_t ranks, n_seeds, max_trials; /* max_trials 0: no cap */
    double hours;                       /* 0: no cap */

    cr_point *points; /* [n_points] */
    cr_trial *trials; /* [n_trials], a point's together */
    int64_t n_points, n_trials;
};

/* parameter.c: reads the map of parameters, trying every value out on `scratch`. */
CR_NODISCARD cr_status cr_plan_read_parameters(cr_sweep *sweep, const cr_yaml_node *map, cr_config *scratch);

/* points.c: coordinates of point `i` of the method's sequence, or *is_over when a grid has no more. */
void cr_plan_point(const cr_sweep *sweep, int64_t i, double *coordinates, bool *is_over);
int64_t cr_parameter_n_values(const cr_parameter *parameter); /* in a grid */

/* expand.c */
CR_NODISCARD cr_status cr_plan_expand(cr_sweep *sweep);
/* A trial's config; the caller destroys it. */
CR_NODISCARD cr_status cr_plan_config(const cr_sweep *sweep, const cr_trial *trial, cr_config **config);

#endif
