/* One of the fused references (fusion_a.json, …) as a net, a batch and a first state. */
#ifndef CRISOL_TEST_FUSION_CASE_H
#define CRISOL_TEST_FUSION_CASE_H

#include "crisol/net.h"

#include <jansson.h>
#include <stdint.h>

typedef struct fusion_case {
    json_t *root;    /* the file */
    cr_net *net;     /* of its `model` */
    int64_t batch;   /* samples */
    int64_t n_micro; /* micro-batches of batch / n_micro samples */
    uint64_t seed;   /* of the formula */
    double smoothing, weight_sum;
    uint8_t *images;      /* [batch, 224, 224, 3] */
    float *metadata;      /* [batch, features] */
    int32_t *labels;      /* [batch] */
    int64_t *samples;     /* [batch]: 0, 1, … */
    float *class_weights; /* [classes] */
    float *state;         /* canonical, aligned to 64 bytes */
} fusion_case;

enum {
    FUSION_IMAGE_SIZE = 224 /* the formula's */
};

/* Net of a reference's `model` object. Fails the test on error. */
cr_net *fusion_net(json_t *model);
/* Reads NAME.json and, for a sharp case, NAME_biases.safetensors. Fails the test on error, also where the file's labels
 * or class weights are not the formula's. */
void fusion_case_open(const char *name, fusion_case *opened);
void fusion_case_close(fusion_case *opened);

/* n floats, 0, aligned to 64 bytes, for states and gradients; free() */
float *aligned_floats(int64_t n);

#endif
