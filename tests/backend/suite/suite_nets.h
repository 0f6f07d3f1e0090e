/* Small nets with their data, made from a number: odd shapes, strides, residuals, pools, dense, dropout, concat. */
#ifndef CRISOL_TEST_SUITE_NETS_H
#define CRISOL_TEST_SUITE_NETS_H

#include "crisol/backend.h"

typedef struct suite_case {
    char name[64];
    cr_net *net;
    int64_t n;            /* micro-batch */
    int n_weighted;       /* convolutions and dense layers: rounding grows with them */
    float *state;         /* canonical, aligned */
    uint8_t *images;      /* [n, size, size, 3] */
    float *metadata;      /* [n, n_features] */
    int32_t *labels;      /* [n] */
    int64_t *samples;     /* [n] */
    cr_augment *augments; /* [n] */
    float *class_weights; /* [n_classes] */
    float *targets;       /* [n, n_classes] */
    cr_mix *mixes;        /* [n] */
    cr_loss loss;
    cr_batch batch;    /* of all the above; targets and mixes only where the variant asks for them */
    int frozen_layers; /* of training programs */
} suite_case;

/* What else a training may ask for. */
typedef enum suite_variant {
    SUITE_PLAIN,
    SUITE_FROZEN, /* the first half of the layers */
    SUITE_MIXED,  /* partners, soft targets, focal loss */
    SUITE_N_VARIANTS
} suite_variant;

int suite_n_nets(void);
/* Net `index` with data drawn from `seed`. `smooth`: without ReLU and max-pooling, so that no gradient jumps. Fails the
 * test on error. */
void suite_case_open(int index, uint64_t seed, bool smooth, suite_case *opened);
void suite_case_vary(suite_case *c, suite_variant variant);
void suite_case_close(suite_case *opened);

/* As suite_case_open(), with the first seed that keeps every kink (ReLU at 0, tie in a max-pool window) farther away
 * than `margin` of the layer's deviation, found with the reference backend: another arithmetic whose error is below
 * that takes the same side everywhere, and its gradients can be compared. */
void suite_case_open_sharp(int index, suite_variant variant, double margin, suite_case *opened);

#endif
