/* How batch norm's sums over pixels are cut: by shape alone, so that their order does not depend on the GPU. */
#ifndef CRISOL_BACKEND_CUDA_NORM_CHUNKS_H
#define CRISOL_BACKEND_CUDA_NORM_CHUNKS_H

#include "crisol/host_device.h"
#include "kernel.h"
#include "value_element.h"

enum {
    CR_NORM_GROUPS = 8,                                 /* of eight channels, a block of the first stage */
    CR_NORM_LANES = CR_KERNEL_THREADS / CR_NORM_GROUPS, /* pixels at a time */
    CR_NORM_WIDTH = CR_NORM_GROUPS * CR_EIGHT           /* channels a block */
};

/* Rows of blocks, each for CR_NORM_WIDTH channels. */
CR_HD static inline int64_t cr_norm_rows(int64_t channels)
{
    return (channels + CR_NORM_WIDTH - 1) / CR_NORM_WIDTH;
}

/* Pixels a block: a power of two, so that there are a thousand blocks or two, some for each multiprocessor of any GPU;
 * at least two pixels a thread, and at most 32, which is how many float32 numbers a thread adds. */
CR_HD static inline int64_t cr_norm_chunk(int64_t pixels, int64_t channels)
{
    enum {
        BLOCKS = 1024
    };
    int64_t chunk = 2 * CR_NORM_LANES;
    while (chunk < 32 * CR_NORM_LANES && 2 * chunk * BLOCKS <= pixels * cr_norm_rows(channels))
        chunk *= 2;
    return chunk;
}

CR_HD static inline int64_t cr_norm_n_chunks(int64_t pixels, int64_t channels)
{
    const int64_t chunk = cr_norm_chunk(pixels, channels);
    return (pixels + chunk - 1) / chunk;
}

#endif
