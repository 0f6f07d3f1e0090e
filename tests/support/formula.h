/* Weights and inputs without a file, bit for bit as the parity references define them ("formula" in their README). */
#ifndef CRISOL_TEST_FORMULA_H
#define CRISOL_TEST_FORMULA_H

#include "crisol/net.h"

#include <stdint.h>

uint64_t formula_mix(uint64_t x);         /* splitmix64's output function of x + its increment */
uint64_t formula_fnv1a(const char *name); /* 64 bits */
/* The 24-bit integer k(name, i). */
uint32_t formula_draw(const char *name, uint64_t seed, int64_t i);

/* Parameters of a whole net in canonical layout, statistics 0 and 1, padding 0: n_params + n_stats floats. */
void formula_state(const cr_net *net, uint64_t seed, float *state);

/* images [n, side, side, 3], metadata [n, n_features], labels [n], class weights [n_classes] */
void formula_images(int64_t n, int64_t side, uint64_t seed, uint8_t *images);
void formula_metadata(int64_t n, int64_t n_features, uint64_t seed, float *metadata);
void formula_labels(int64_t n, int64_t n_classes, uint64_t seed, int32_t *labels);
void formula_class_weights(int64_t n_classes, uint64_t seed, float *weights);

#endif
