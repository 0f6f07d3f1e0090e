/* What the maximum's two directions share: a thread's place, the index, and the window that has kernels of its own. */
#ifndef CRISOL_BACKEND_CUDA_POOL_PLACE_H
#define CRISOL_BACKEND_CUDA_POOL_PLACE_H

#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

typedef struct cr_pool_place { /* of one thread's eight channels */
    int n, y, x, eight;
} cr_pool_place;

/* Numbers of eights fit 32 bits: a program whose values are larger is refused. */
CR_KERNEL_PART bool cr_pool_place_of(int64_t i, int64_t n, int64_t height, int64_t width, int64_t eights,
                                     cr_pool_place *place)
{
    if (i >= n * height * width * eights)
        return false;
    uint32_t rest = (uint32_t)i;
    place->eight = (int)(rest % (uint32_t)eights);
    rest /= (uint32_t)eights;
    place->x = (int)(rest % (uint32_t)width);
    rest /= (uint32_t)width;
    place->y = (int)(rest % (uint32_t)height);
    place->n = (int)(rest / (uint32_t)height);
    return true;
}

/* Where a maximum was: a byte a channel. */
#if defined(__CUDACC__)
typedef struct __align__(8) cr_pool_index
{
    uint32_t w[2];
}
cr_pool_index;
#else
typedef struct cr_pool_index {
    uint32_t w[2];
} __attribute__((aligned(8), may_alias)) cr_pool_index;
#endif

CR_KERNEL_PART int cr_pool_smaller(int a, int b)
{
    return a < b ? a : b;
}

/* The usual pool: windows of 3 × 3, stride 2, padding 1. Its kernels have all of a thread's loads under way
 * together, and no loops. */
enum {
    CR_POOL_USUAL = 3,
    CR_POOL_USUAL_THREADS = 128 /* a block: many registers */
};

static inline bool cr_pool_is_usual(const cr_pool_job *job)
{
    return job->kernel == CR_POOL_USUAL && job->stride == 2 && job->padding == 1 &&
           job->out_height == (job->height + 1) / 2 && job->out_width == (job->width + 1) / 2;
}

static inline int64_t cr_pool_usual_blocks(const cr_pool_job *job)
{
    const int64_t threads = job->n * job->out_height * job->out_width * (job->channels / CR_EIGHT);
    return (threads + CR_POOL_USUAL_THREADS - 1) / CR_POOL_USUAL_THREADS;
}

#endif
