#include "plain_tree.h"

#include <string.h>

float plain_leaf(uint64_t seed, int64_t leaf, int64_t i)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t x = seed * 0x9e3779b97f4a7c15u + (uint64_t)leaf * 0xd1342543de82ef95u + (uint64_t)i + 1;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    uint32_t exponent = 127 - 30 + (uint32_t)((x >> 32) % 61);
    uint32_t bits = (uint32_t)x << 31 | exponent << 23 | (uint32_t)(x >> 1 & 0x7fffff);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float node(uint64_t seed, int64_t n_leaves, int level, int64_t k, int64_t i)
{
    if (level == 0)
        return plain_leaf(seed, k, i);
    float left = node(seed, n_leaves, level - 1, 2 * k, i);
    if ((2 * k + 1) << (level - 1) >= n_leaves)
        return left;
    return left + node(seed, n_leaves, level - 1, 2 * k + 1, i);
}

float plain_root(uint64_t seed, int64_t n_leaves, int64_t i)
{
    int height = 0;
    while ((int64_t)1 << height < n_leaves)
        height++;
    return node(seed, n_leaves, height, 0, i);
}

float plain_chain(uint64_t seed, int64_t n_leaves, int64_t i)
{
    float sum = plain_leaf(seed, 0, i);
    for (int64_t leaf = 1; leaf < n_leaves; leaf++)
        sum += plain_leaf(seed, leaf, i);
    return sum;
}
