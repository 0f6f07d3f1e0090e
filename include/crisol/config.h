/* One typed option table (src/config/options.c) drives defaults, parsing, --set, --help, `crisol config` and the dump;
 * this struct is what it fills. Only cli, train and sweep see a whole config; everything below takes small parameter
 * structs. */
#ifndef CRISOL_CONFIG_H
#define CRISOL_CONFIG_H

#include "crisol/status.h"
#include "crisol/yaml.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct cr_strings { /* owned */
    char **items;
    int64_t n;
} cr_strings;
typedef struct cr_ints {
    int64_t *items;
    int64_t n;
} cr_ints;

typedef enum cr_weight_rule {
    CR_WEIGHTS_NONE,
    CR_WEIGHTS_BALANCED,
    CR_WEIGHTS_LISTED
} cr_weight_rule;
typedef struct cr_weights { /* a rule, or numbers by name */
    cr_weight_rule rule;
    char **names; /* [n], owned */
    double *values;
    int64_t n; /* 0 unless LISTED */
} cr_weights;

typedef struct cr_config {
    struct {
        char *pack;                                 /* folder, absolute or "" */
        cr_strings classes;                         /* empty: all, in the pack's order */
        int64_t batch;                              /* global batch, samples */
        int64_t micro_batch;                        /* samples; divides batch */
        int64_t limit_train, limit_val, limit_test; /* 0: all; otherwise a fixed subset of so many samples */
        int sampler;                                /* 0 shuffle, 1 balanced */
    } data;
    struct {
        int backbone;  /* cr_net_backbone_name() */
        char *weights; /* absolute path of a safetensors file with torchvision's names, "" = from scratch */
        int inputs;    /* cr_inputs: 0 both, 1 image, 2 metadata */
        struct {
            cr_strings columns; /* empty: all */
            cr_ints hidden;
            double dropout;
        } metadata;
        struct {
            cr_ints hidden;
            double dropout;
        } head;
        int freeze; /* stages of the image network that do not learn: 0 none, 1 stem, 2 … 5 layer1 … 4 */
        int64_t unfreeze_epoch; /* epochs after which they do; 0: never */
    } model;
    struct { /* cr_augment_options says what each means */
        double hflip, vflip, rotate, affine, translate;
        double scale[2], shear[2], crop[2], crop_ratio[2];
        double color[4]; /* brightness, contrast, saturation, hue */
        double erase, erase_scale[2], erase_ratio[2];
        int erase_fill;       /* 0 zero, 1 noise */
        double mixup, cutmix; /* cr_mix_options */
    } augment;
    struct {
        cr_weights class_weights;
        double label_smoothing;
        double focal; /* gamma, 0: none */
    } loss;
    struct {
        int name; /* cr_optimizer_kind: 0 adamw, 1 adam, 2 sgd */
        double lr, weight_decay, beta1, beta2, eps, momentum;
        bool nesterov;
        bool decay_norm_bias; /* weight decay on biases and norms as well */
        double clip;          /* global norm, 0: none */
        double backbone_lr;   /* factor */
    } optimizer;
    struct {
        int name; /* cr_schedule_kind: constant, step, multi_step, exponential, cosine, one_cycle, plateau */
        int64_t step_size;
        double gamma;
        cr_ints milestones;
        int64_t warmup;
        double warmup_start, min_lr;
        double factor, threshold;
        int64_t patience, cooldown;
        double pct_start;
    } schedule;
    struct {
        int64_t epochs;
        int precision; /* cr_precision: 0 f32, 1 bf16 */
        uint64_t seed;
        char *monitor; /* "val/f1_macro" */
        int mode;      /* 0 auto (min for …loss, otherwise max), 1 min, 2 max */
        int64_t patience;
        double min_delta;
        int64_t keep_last, keep_best;
        int64_t checkpoint_epochs; /* a checkpoint every so many epochs, and at the end */
        int64_t checkpoint_steps;  /* 0: off */
        double checkpoint_seconds; /* 0: off */
        double time_limit;         /* seconds, 0: off */
        double time_margin;        /* seconds */
        double heartbeat;          /* seconds between two signs of life in the run directory */
        int64_t journal_steps;     /* 0: off; a line in the journal every so many steps */
        int64_t stop_after_steps;  /* 0: off; ends the run as if stopped, for tests */
        int reduction;             /* cr_reduction: 0 ordered, 1 library */
        double ema;                /* decay, 0: none */
        double watchdog;           /* seconds without progress after which a rank ends the job; 0 off */
    } train;
    struct {
        int64_t workers;    /* of a rank; 0: its cores, at most its micro-batches */
        int64_t threads;    /* of a worker; part of the run's numerical identity */
        int convolution;    /* cr_convolution: 0 auto, 1 direct */
        int64_t eval_batch; /* micro-batch of evaluation */
    } cpu;
    struct {
        int name;      /* cr_device_kind: 0 auto, 1 cpu, 2 cuda */
        bool share;    /* several ranks on one GPU are meant */
        int transport; /* cr_transport_kind: 0 auto, 1 mpi, 2 nccl */
        int resident;  /* cr_resident: 0 auto, 1 on, 2 off */
    } device;
    struct {
        int plans;        /* 0 rule, 1 measure */
        char *plans_file; /* absolute path or "" */
    } cuda;
} cr_config;

/* All defaults. The strings and lists are owned by the config. */
CR_NODISCARD cr_status cr_config_create(cr_config **config);
void cr_config_destroy(cr_config **config);

/* Reads a YAML file on top. Errors: CR_MISSING, CR_BAD_CONFIG with file:line:column, what is wrong, the nearest key or
 * the allowed values. Refused: unknown and duplicate keys, wrong types, out of range, aliases, anchors, tags, depth
 * over 32, files over 64 KiB, several documents. After an error the config is half changed and fit only to be
 * destroyed. Relative paths are taken from the file's folder (from the current folder in the two functions below) and
 * kept as absolute ones, so that the dump means the same wherever it is written and read. */
CR_NODISCARD cr_status cr_config_read(cr_config *config, const char *path);
/* The same from memory; `name` stands for the file in messages. */
CR_NODISCARD cr_status cr_config_parse(cr_config *config, const char *text, size_t bytes, const char *name);
/* One override "a.b=value"; the value is YAML. */
CR_NODISCARD cr_status cr_config_set(cr_config *config, const char *assignment);
/* The same with a value that stands in another file: option `name` becomes what `node` says, or an error with that
 * file's line. A relative path is taken from `folder`. */
CR_NODISCARD cr_status cr_config_apply(cr_config *config, const char *name, const cr_yaml *yaml,
                                       const cr_yaml_node *node, const char *folder);
typedef enum cr_config_kind {
    CR_CONFIG_INTEGER,
    CR_CONFIG_REAL,
    CR_CONFIG_OTHER
} cr_config_kind;
/* Whether `name` is an option (no section): otherwise an error at the node's key with the nearest name. */
CR_NODISCARD cr_status cr_config_find(const char *name, const cr_yaml *yaml, const cr_yaml_node *node,
                                      cr_config_kind *kind);
/* An option's value in one line, as the dump would write it; malloc'ed. `name` must be one. */
CR_NODISCARD cr_status cr_config_value(const cr_config *config, const char *name, char **text);
/* Checks that span several options (micro_batch divides batch …). */
CR_NODISCARD cr_status cr_config_check(const cr_config *config);
/* The resolved config as YAML, itself valid input with the same meaning; malloc'ed. */
CR_NODISCARD cr_status cr_config_dump(const cr_config *config, char **text);
/* What decides how a training comes out, a line an option, without the pack and the pretrained weights, which are
 * files; malloc'ed. Left out is how it runs: workers, checkpoints, time limits. */
CR_NODISCARD cr_status cr_config_identify(const cr_config *config, char **text);
/* Every option: name, type or choices, default, meaning. For --help and `crisol config`. */
void cr_config_print_options(FILE *out);
/* The options in which two configs differ and that are not marked as free to change between runs: "optimizer.lr: 0.001
 * → 0.01" lines, malloc'ed, or null when none. */
CR_NODISCARD cr_status cr_config_compare(const cr_config *a, const cr_config *b, char **difference);

#endif
