/* The sum that crisol/reduce.h defines, in the plainest way: what every other way must equal, bit for bit. */
#ifndef CRISOL_TEST_PLAIN_TREE_H
#define CRISOL_TEST_PLAIN_TREE_H

#include <stdint.h>

/* Element i of leaf `leaf`: a float of either sign from 2^-30 to 2^30, so that the order of additions shows. */
float plain_leaf(uint64_t seed, int64_t leaf, int64_t i);

/* Element i of the tree's root over n_leaves leaves, by recursion. */
float plain_root(uint64_t seed, int64_t n_leaves, int64_t i);

/* The same leaves added from left to right. */
float plain_chain(uint64_t seed, int64_t n_leaves, int64_t i);

#endif
